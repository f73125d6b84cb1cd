"""Study B's learning rate, which falls in two ways at once."""

from __future__ import annotations

from typing import Any, final

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from occlufer.learning.schedules import Schedule, mode_of
from occlufer.types import ConfigError


def plateau_with_decay(
    optimizer: Optimizer,
    total_steps: int,
    *,
    factor: float = 0.75,
    patience: int = 5,
    min_lr: float = 1e-4,
    decay: float = 1e-4,
    monitor: str = "val_accuracy",
) -> Schedule:
    """Keras' ReduceLROnPlateau over its SGD(decay): two falls of the learning rate that multiply.

    The rate of a step is base / (1 + decay * steps taken before). The base is times `factor` when the monitored score
    has not risen by more than 1e-4 for `patience` epochs (one fewer than `plateau` waits), and never below `min_lr`.
    """
    if decay < 0 or patience < 1:
        raise ConfigError(
            f"scheduler.decay must be 0 or more and scheduler.patience at least 1, found {decay} and {patience}."
        )
    scheduler = _DecayingPlateau(
        optimizer, decay=decay, mode=mode_of(monitor), factor=factor, patience=patience - 1, min_lr=min_lr,
        threshold=1e-4, threshold_mode="abs",
    )  # fmt: skip
    # Lightning steps it after every batch, without a score; the module steps it with one, as it does any plateau.
    return {"scheduler": scheduler, "interval": "step", "reduce_on_plateau": False, "monitor": monitor}


@final
class _DecayingPlateau(ReduceLROnPlateau):
    """A plateau schedule whose rates are also divided by 1 + decay * steps; `step()` is a step, `step(score)` an epoch.

    All that it knows is in its `state_dict`, so that a resumed run goes on bit for bit.
    """

    def __init__(self, optimizer: Optimizer, *, decay: float, **plateau: Any) -> None:
        super().__init__(optimizer, **plateau)
        self.decay, self.steps = decay, 0
        self.base_rates: list[float] = [group["lr"] for group in optimizer.param_groups]

    def step(self, metrics: Any = None, epoch: Any = None) -> None:  # type: ignore[override]  # as torch's own
        """Count a step, or judge an epoch by its score; then set the rates."""
        if metrics is None:
            self.steps += 1
        else:
            self._set(self.base_rates)  # torch lowers the rates that stand in the optimiser
            super().step(metrics)
            self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        self._set([rate / (1 + self.decay * self.steps) for rate in self.base_rates])

    def _set(self, rates: list[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
