"""Learning-rate schedules, as Lightning's dictionaries; each function takes the optimiser and the number of steps."""

from __future__ import annotations

from typing import Any, Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau

from occlufer.types import ConfigError

Schedule = dict[str, Any]
"""Lightning's `lr_scheduler` dictionary."""


def one_cycle(optimizer: Optimizer, total_steps: int, *, warmup_share: float = 0.2) -> Schedule:
    """Up to the optimiser's rate in `warmup_share` (0..1) of the steps, then down to nothing (Smith & Topin 2019)."""
    if not 0 <= warmup_share < 1:
        raise ConfigError(f"scheduler.warmup_share must be at least 0 and below 1, found {warmup_share}.")
    rates = [group["lr"] for group in optimizer.param_groups]
    # torch divides by the length of the warm-up less one step: exactly one step would be a division by zero.
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
        optimizer, mode=mode_of(monitor), factor=factor, patience=patience, min_lr=min_lr
    )
    # Lightning would step it after the checkpoint is saved, so that a resumed run would lack a step. So the module
    # steps it before, and a huge `frequency` makes Lightning keep its state and never step it.
    return {"scheduler": scheduler, "interval": "epoch", "frequency": 1 << 40, "monitor": monitor}


def constant(optimizer: Optimizer, total_steps: int) -> Schedule:
    """The optimiser's rate throughout."""
    return _each_step(ConstantLR(optimizer, factor=1.0, total_iters=0))


def mode_of(monitor: str) -> Literal["min", "max"]:
    """Whether the least or the greatest value of a monitored score is the best."""
    return "min" if monitor.endswith("loss") else "max"


def _each_step(scheduler: Any) -> Schedule:
    return {"scheduler": scheduler, "interval": "step"}
