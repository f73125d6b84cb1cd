from __future__ import annotations

import math

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from occlufer.learning.schedules import constant, cosine, one_cycle, plateau
from occlufer.types import ConfigError


def optimizer(*rates: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates or (0.1,)]
    )


def rates(schedule, total: int, **settings) -> list[float]:
    """The learning rate of each of `total` steps, stepped as Lightning does."""
    steps = optimizer()
    entry = schedule(steps, total, **settings)
    assert entry["interval"] == "step"
    seen = []
    for _ in range(total):
        seen.append(steps.param_groups[0]["lr"])
        steps.step()
        entry["scheduler"].step()
    return seen


def test_one_cycle_climbs_to_the_rate_and_falls_to_nothing():
    seen = rates(one_cycle, 100, warmup_share=0.2)
    top = seen.index(max(seen))
    assert top in (19, 20)
    assert max(seen) == pytest.approx(0.1)
    assert seen[:20] == sorted(seen[:20])
    assert seen[20:] == sorted(seen[20:], reverse=True)
    assert seen[0] < 0.01
    assert seen[-1] < 1e-4


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("total", [1, 2, 3, 4, 5, 7, 10, 11, 50])
def test_one_cycle_takes_any_length(total, share):
    seen = rates(one_cycle, total, warmup_share=share)
    assert all(0 <= rate <= 0.1 + 1e-9 for rate in seen), seen


def test_one_cycle_keeps_the_groups_apart():
    steps = optimizer(0.1, 0.01)
    entry = one_cycle(steps, 10, warmup_share=0.5)
    highest = [0.0, 0.0]
    for _ in range(10):
        highest = [max(h, group["lr"]) for h, group in zip(highest, steps.param_groups, strict=True)]
        steps.step()
        entry["scheduler"].step()
    assert highest == pytest.approx([0.1, 0.01], rel=0.05)


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5])
def test_a_warm_up_outside_its_range_is_refused(share):
    with pytest.raises(ConfigError, match=r"scheduler\.warmup_share must be at least 0 and below 1, found"):
        one_cycle(optimizer(), 10, warmup_share=share)


@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_cosine_is_half_a_cosine(floor):
    low = 0.1 * floor
    expected = [low + (0.1 - low) * (1 + math.cos(math.pi * step / 20)) / 2 for step in range(20)]
    assert rates(cosine, 20, floor=floor) == pytest.approx(expected, abs=1e-9)


def test_constant_stays():
    assert rates(constant, 7) == [0.1] * 7


@pytest.mark.parametrize(
    ("monitor", "values"),
    [("val_f1_macro", [0.5, 0.6, 0.6, 0.5, 0.4]), ("val_loss", [0.5, 0.4, 0.4, 0.5, 0.6])],
)
def test_plateau_falls_when_the_score_stands(monitor, values):
    """A loss is better when it is lower, a score when it is higher."""
    steps = optimizer()
    entry = plateau(steps, 100, factor=0.5, patience=1, min_lr=0.0, monitor=monitor)
    assert isinstance(entry["scheduler"], ReduceLROnPlateau)
    assert entry["monitor"] == monitor
    seen = []
    for value in values:
        entry["scheduler"].step(value)
        seen.append(steps.param_groups[0]["lr"])
    assert seen == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05])


def test_plateau_keeps_its_least_rate():
    steps = optimizer()
    entry = plateau(steps, 100, factor=0.1, patience=0, min_lr=0.004)
    for _ in range(6):
        entry["scheduler"].step(0.5)
    assert steps.param_groups[0]["lr"] == pytest.approx(0.004)
