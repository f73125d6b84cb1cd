"""ExpressionClassifier: how a network learns expressions, and what it says about test faces."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed
from numpy.typing import NDArray
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import MeanMetric

from occlufer.learning.metrics import training_accuracy, validation_metrics
from occlufer.learning.schedules import Schedule
from occlufer.types import ConfigError, RunError

Batch = Mapping[str, torch.Tensor]
TestRows = dict[str, NDArray[Any]]
"""index int64 (N,), probabilities float32 (N, K), covered_share float32 (N,); each face once, by index."""


@final
class ExpressionClassifier(pl.LightningModule):
    """A network, an objective, an optimiser and a schedule.

    Logs `train_loss`, `train_accuracy`, `val_loss`, `val_accuracy`, `val_f1_macro`, `learning_rate`. After a test,
    `test_rows` holds one `TestRows` for each test loader, from all devices.

    Args:
        network: float (B, C, S, S) -> logits float (B, K).
        objective: (logits_BK, labels_B) -> scalar loss.
        optimizer: parameter groups -> optimiser.
        scheduler: (optimiser, number of steps) -> Lightning's schedule.
        classes: K.
        seed: of dropout and its kin, together with the epoch and the device.
        channels_last: memory format that GPUs prefer.
        config: the run's configuration in plain dicts, kept in every checkpoint.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        objective: nn.Module,
        optimizer: Callable[[Iterable[dict[str, Any]]], Optimizer],
        scheduler: Callable[[Optimizer, int], Schedule],
        classes: int,
        seed: int,
        channels_last: bool = False,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters({"config": dict(config or {})})
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.network = network.to(memory_format=self.memory_format)
        self.objective = objective
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.classes, self.seed = classes, seed
        # By default torchmetrics leaves NaN out of a mean, and so hides a training that has diverged; its "disable"
        # forgets the weights (1.9.0), and a last batch would weigh as much as a whole one.
        self.train_loss = MeanMetric(nan_strategy=math.nan)
        self.val_loss = MeanMetric(nan_strategy=math.nan)
        self.train_accuracy = training_accuracy(classes)
        self.val_scores = validation_metrics(classes)
        self.test_rows: list[TestRows] = []
        self._test_parts: list[list[TestRows]] = []

    def forward(self, image_BCHW: torch.Tensor) -> torch.Tensor:
        """Logits float (B, K) of normalised images float (B, C, S, S)."""
        logits_BK: torch.Tensor = self.network(image_BCHW.to(memory_format=self.memory_format))
        return logits_BK

    def on_train_epoch_start(self) -> None:
        """Draw dropout and its kin from (seed, epoch, device): a resumed run goes on as if it had not stopped."""
        words = np.random.SeedSequence((self.seed, self.current_epoch, self.global_rank)).generate_state(1)
        torch.manual_seed(int(words[0]))

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """The loss of a batch."""
        logits_BK = self(batch["image"])
        loss: torch.Tensor = self.objective(logits_BK, batch["label"])
        self.train_loss.update(loss.detach(), len(batch["label"]))
        self.train_accuracy.update(logits_BK.detach(), batch["label"])
        self.log("train_loss", self.train_loss, on_step=False, on_epoch=True)
        self.log("train_accuracy", self.train_accuracy, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss and scores of a batch."""
        logits_BK = self(batch["image"]).float()
        self.val_loss.update(self.objective(logits_BK, batch["label"]), len(batch["label"]))
        self.val_scores.update(logits_BK, batch["label"])
        self.log("val_loss", self.val_loss, on_step=False, on_epoch=True)
        self.log_dict(self.val_scores, on_step=False, on_epoch=True)

    def on_train_epoch_end(self) -> None:
        """Stop when the loss is no number, before a checkpoint is written; step a plateau schedule."""
        # Asked once an epoch: every step would make a GPU wait.
        loss = float(self.trainer.callback_metrics["train_loss"])
        if not math.isfinite(loss):
            raise RunError(
                f"The training loss became {loss} in epoch {self.current_epoch}. Lower optimizer.lr, or set "
                "trainer.gradient_clip_val=1. The checkpoint of the epoch before is kept."
            )
        # Here, and not by Lightning, for the reason given in `schedules.plateau`.
        for entry in self.trainer.lr_scheduler_configs:
            if isinstance(entry.scheduler, ReduceLROnPlateau):
                score = self.trainer.callback_metrics.get(str(entry.monitor))
                if score is None:
                    known = ", ".join(sorted(self.trainer.callback_metrics))
                    raise ConfigError(f"scheduler.monitor {entry.monitor!r} is not logged. Known: {known}.")
                entry.scheduler.step(float(score))

    def on_test_epoch_start(self) -> None:
        """Make room for the rows of each loader."""
        loaders = self.trainer.test_dataloaders
        self._test_parts = [[] for _ in range(len(loaders) if isinstance(loaders, list) else 1)]

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Keep what the network says about each face."""
        part: TestRows = {
            "index": batch["index"].cpu().numpy(),
            "probabilities": self(batch["image"]).float().softmax(dim=1).cpu().numpy(),
            "covered_share": batch["covered_share"].float().cpu().numpy(),
        }
        self._test_parts[dataloader_idx].append(part)

    def on_test_epoch_end(self) -> None:
        """Bring the rows of all devices together, in the order of the index."""
        parts = self._test_parts
        if self.trainer.world_size > 1:
            gathered: list[list[list[TestRows]]] = [[]] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, parts)
            parts = [[part for rank in gathered for part in rank[loader]] for loader in range(len(parts))]
        self.test_rows = [_join(loader_parts) for loader_parts in parts]
        self._test_parts = []

    def configure_optimizers(self) -> Any:
        """The optimiser over two groups (norms and biases without weight decay), and its schedule."""
        optimizer = self.make_optimizer(_parameter_groups(self.network))
        steps = int(self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": self.make_scheduler(optimizer, max(steps, 1))}


def _parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """Weights, then norms and biases: decay would only pull the latter's scale and shift to nothing."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1]},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _join(parts: list[TestRows]) -> TestRows:
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(joined["index"], kind="stable")
    return {name: values[order] for name, values in joined.items()}
