"""A network under test: its probabilities for every test face, gathered from all devices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed
from numpy.typing import NDArray
from torch import nn

from occlufer.learning.objectives.base import Batch

TestRows = dict[str, NDArray[Any]]
"""index int64 (N,), probabilities float32 (N, K), covered_share float32 (N,); each face once, by index."""


class TestedNetwork(pl.LightningModule):
    """A network to be tested: after a test `test_rows` holds one `TestRows` for each test loader, from all devices.

    Args:
        network: float (B, C, H, W) -> logits float (B, K).
        channels_last: torch's memory format that convolutions on GPUs run fastest in.
        flip: whether test probabilities are the mean over each face and its mirror image, at twice the cost.
    """

    __test__ = False  # pytest: not a test case

    def __init__(self, network: nn.Module, *, channels_last: bool = False, flip: bool = False) -> None:
        super().__init__()
        self.flip = flip
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(memory_format=self.memory_format)
        self.test_rows: list[TestRows] = []
        self._test_parts: list[list[TestRows]] = []

    def forward(self, image_BCHW: torch.Tensor) -> torch.Tensor:
        """Logits float (B, K) of normalised images float (B, C, S, S)."""
        logits_BK: torch.Tensor = self.network(image_BCHW.to(memory_format=self.memory_format))
        return logits_BK

    def on_test_epoch_start(self) -> None:
        """Make room for the rows of each loader."""
        loaders = self.trainer.test_dataloaders
        self._test_parts = [[] for _ in range(len(loaders) if isinstance(loaders, list) else 1)]

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Keep the network's probabilities for each face."""
        part: TestRows = {
            "index": batch["index"].cpu().numpy(),
            "probabilities": self._probabilities(batch["image"]).cpu().numpy(),
            "covered_share": batch["covered_share"].float().cpu().numpy(),
        }
        self._test_parts[dataloader_idx].append(part)

    def _probabilities(self, image_BCHW: torch.Tensor) -> torch.Tensor:
        """float32 (B, K), each row summing to 1."""
        found_BK: torch.Tensor = self(image_BCHW).float().softmax(dim=1)
        if self.flip:
            found_BK = (found_BK + self(image_BCHW.flip(-1)).float().softmax(dim=1)) / 2
        return found_BK

    def on_test_epoch_end(self) -> None:
        """Bring the rows of all devices together, in the order of the index."""
        parts = self._test_parts
        if self.trainer.world_size > 1:
            gathered: list[list[list[TestRows]]] = [[]] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, parts)
            parts = [[part for rank in gathered for part in rank[loader]] for loader in range(len(parts))]
        self.test_rows = [_join(loader_parts) for loader_parts in parts]
        self._test_parts = []


def _join(parts: list[TestRows]) -> TestRows:
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(joined["index"], kind="stable")
    return {name: values[order] for name, values in joined.items()}
