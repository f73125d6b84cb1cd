"""Learning-rate schedules, in the form that Lightning wants: each takes the optimiser and the number of steps."""

from __future__ import annotations

from typing import Any, Literal, final

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau

from occlufer.types import ConfigError

Schedule = dict[str, Any]
"""Lightning's `lr_scheduler` dictionary."""


def one_cycle(optimizer: Optimizer, total_steps: int, *, warmup_share: float = 0.2) -> Schedule:
    """Up to the optimiser's rate in `warmup_share` of the steps, then down to nothing (Smith & Topin 2019)."""
    if not 0 <= warmup_share < 1:
        raise ConfigError(f"scheduler.warmup_share must be at least 0 and below 1, found {warmup_share}.")
    rates = [group["lr"] for group in optimizer.param_groups]
    # A warm-up of exactly one step makes torch divide by its length less one, which is nothing.
    share = warmup_share if warmup_share * total_steps != 1 else warmup_share * (1 + 1e-6)
    return _each_step(
        OneCycleLR(optimizer, max_lr=rates, total_steps=total_steps, pct_start=share, cycle_momentum=False)
    )


def cosine(optimizer: Optimizer, total_steps: int, *, floor: float = 0.0) -> Schedule:
    """From the optimiser's rate down half a cosine to `floor` times it (Loshchilov & Hutter 2017)."""
    lowest = floor * max(group["lr"] for group in optimizer.param_groups)
    return _each_step(CosineAnnealingLR(optimizer, T_max=total_steps, eta_min=lowest))


def plateau(
    optimizer: Optimizer,
    total_steps: int,
    *,
    factor: float = 0.75,
    patience: int = 5,
    min_lr: float = 1e-4,
    monitor: str = "val_f1_macro",
) -> Schedule:
    """Times `factor` whenever the monitored validation score has not risen for `patience` epochs."""
    scheduler = ReduceLROnPlateau(
        optimizer, mode=_mode(monitor), factor=factor, patience=patience, min_lr=min_lr
    )
    # Lightning would step it after it has saved the checkpoint, so that a resumed run lacks a step: the module steps
    # it before, and Lightning (which asks every `frequency` epochs) only keeps its state.
    return {"scheduler": scheduler, "interval": "epoch", "frequency": 1 << 40, "monitor": monitor}


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
        optimizer, decay=decay, mode=_mode(monitor), factor=factor, patience=patience - 1, min_lr=min_lr,
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


def constant(optimizer: Optimizer, total_steps: int) -> Schedule:
    """The optimiser's rate throughout."""
    return _each_step(ConstantLR(optimizer, factor=1.0, total_iters=0))


def _mode(monitor: str) -> Literal["min", "max"]:
    return "min" if monitor.endswith("loss") else "max"


def _each_step(scheduler: Any) -> Schedule:
    return {"scheduler": scheduler, "interval": "step"}
