"""What every objective is: a loss of a batch and of what the network said about it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

Batch = Mapping[str, torch.Tensor]
"""`occlufer.data.faces.FaceBatch` after collation: image float32 (B, C, H, W), label int64 (B,), ..."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a network said about a batch.

    Attributes:
        logits_BK: float (B, K), of the faces under the training condition.
        clean_logits_BK: float (B, K), of the same faces without the occluder; None unless the objective wants them.
    """

    logits_BK: torch.Tensor
    clean_logits_BK: torch.Tensor | None = None


class Objective(nn.Module, ABC):
    """A loss over a batch. Its constructor is given `class_counts`, the training faces of each expression.

    What it holds as buffers must not be persistent: a checkpoint is of the network.

    Attributes:
        wants_pairs: whether batches of training faces hold each face without the occluder too (`batch["clean"]`).
        wants_clean_outputs: whether the network is asked about these too, which doubles the cost of a step.
    """

    wants_pairs: ClassVar[bool] = False
    wants_clean_outputs: ClassVar[bool] = False

    @abstractmethod
    def forward(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
        """The loss, a scalar. In validation there are no pairs: the part that needs them is left out."""


class Teacher:
    """A frozen network that an objective asks, kept out of its parameters, its state and every checkpoint.

    Args:
        network: float (B, C, H, W) -> logits float (B, K).
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, image_BCHW: torch.Tensor) -> torch.Tensor:
        """Logits float (B, K), on the device of the images."""
        logits_BK: torch.Tensor = self._network.to(image_BCHW.device)(image_BCHW)
        return logits_BK
