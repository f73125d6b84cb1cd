"""ExpressionClassifier: how a network learns expressions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchmetrics import MeanMetric

from occlufer.learning.metrics import training_accuracy, validation_metrics
from occlufer.learning.models.occlusion_aware import OcclusionAware
from occlufer.learning.objectives.base import Batch, FeatureTap, Objective, Outputs
from occlufer.learning.schedules import Schedule
from occlufer.learning.tested import TestedNetwork
from occlufer.types import ConfigError, RunError

# `History` tells a tracker, each epoch once and counted from 1: Lightning would, under its own number, too.
_AN_EPOCH: dict[str, Any] = {"on_step": False, "on_epoch": True, "logger": False}


@final
class ExpressionClassifier(TestedNetwork):
    """A network with an objective, an optimiser and a schedule.

    Measures `train_loss`, `train_accuracy`, `val_loss`, `val_accuracy`, `val_f1_macro`.

    Args:
        network: float (B, C, S, S) -> logits float (B, K).
        objective: what is minimised.
        optimizer: parameter groups -> optimiser.
        scheduler: (optimiser, number of steps) -> Lightning's schedule.
        classes: K.
        seed: of dropout and other random layers, together with the epoch and the device.
        channels_last, flip: see `TestedNetwork`.
        config: the run's configuration in plain dicts, kept in every checkpoint.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        objective: Objective,
        optimizer: Callable[[Iterable[dict[str, Any]]], Optimizer],
        scheduler: Callable[[Optimizer, int], Schedule],
        classes: int,
        seed: int,
        channels_last: bool = False,
        flip: bool = False,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(network, channels_last=channels_last, flip=flip)
        self.save_hyperparameters({"config": dict(config or {})})
        if objective.wants_estimate and not isinstance(network, OcclusionAware):
            raise ConfigError(
                "This objective learns an estimate of what is covered, which model=occlusion_aware makes. Add "
                "model=occlusion_aware, and model@model.network=NAME for a network of your own choice."
            )
        self.objective = objective
        self._features = FeatureTap(network) if objective.wants_features else None
        self.make_optimizer, self.make_scheduler = optimizer, scheduler
        self.classes, self.seed = classes, seed
        # By default torchmetrics leaves NaN out of a mean, and so hides a training that has diverged; its "disable"
        # forgets the weights (1.9.0), and a last batch would weigh as much as a whole one.
        self.train_loss = MeanMetric(nan_strategy=math.nan)
        self.val_loss = MeanMetric(nan_strategy=math.nan)
        self.train_accuracy = training_accuracy(classes)
        self.val_scores = validation_metrics(classes)

    def on_train_epoch_start(self) -> None:
        """Seed torch with (seed, epoch, device): a resumed run draws the dropout of one that was never stopped."""
        words = np.random.SeedSequence((self.seed, self.current_epoch, self.global_rank)).generate_state(1)
        torch.manual_seed(int(words[0]))

    def _asked(self, image_BCHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Logits, and features where the objective wants them."""
        logits_BK = self(image_BCHW)
        return logits_BK, None if self._features is None else self._features.take()

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """The loss of a batch."""
        logits_BK, features_BD = self._asked(batch["image"])
        clean = self._asked(batch["clean"]) if self.objective.wants_clean_outputs else (None, None)
        aware = self.network if isinstance(self.network, OcclusionAware) else None
        covered_BHW = None if aware is None else aware.covered_logits_BHW
        outputs = Outputs(logits_BK, clean[0], features_BD, clean[1], covered_BHW)
        loss: torch.Tensor = self.objective(outputs, batch)
        self.train_loss.update(loss.detach(), len(batch["label"]))
        self.train_accuracy.update(logits_BK.detach(), batch["label"])
        self.log("train_loss", self.train_loss, **_AN_EPOCH)
        self.log("train_accuracy", self.train_accuracy, **_AN_EPOCH)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss and scores of a batch."""
        logits_BK = self(batch["image"]).float()
        self.val_loss.update(self.objective(Outputs(logits_BK), batch), len(batch["label"]))
        self.val_scores.update(logits_BK, batch["label"])
        self.log("val_loss", self.val_loss, **_AN_EPOCH)
        self.log_dict(self.val_scores, **_AN_EPOCH)

    def on_train_epoch_end(self) -> None:
        """Raise `RunError` when the loss is not finite, before a checkpoint is written; step a plateau schedule."""
        # Checked once an epoch: at every step it would make a GPU wait.
        loss = float(self.trainer.callback_metrics["train_loss"])
        if not math.isfinite(loss):
            raise RunError(
                f"The training loss became {loss} in epoch {self.current_epoch + 1}. Lower optimizer.lr, or set "
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

    def configure_optimizers(self) -> Any:
        """The optimiser over two groups (norms and biases without weight decay), and its schedule."""
        optimizer = self.make_optimizer(_parameter_groups(self.network))
        steps = int(self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": self.make_scheduler(optimizer, max(steps, 1))}


def _parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """Two groups: weights, and norms and biases, which weight decay would only pull towards 0."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1]},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
