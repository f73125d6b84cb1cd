"""Study B's learning rate: Keras' time decay under Keras' plateau, and the same after a resume."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader

from occlufer.learning.callbacks import AtomicCheckpointIO, History, checkpoint_callbacks
from occlufer.learning.module import ExpressionClassifier
from occlufer.learning.objectives.cross_entropy import CrossEntropy
from occlufer.studies.schedules import plateau_with_decay
from occlufer.types import ConfigError

STEPS = 7  # an epoch
SCORES = [0.2, 0.3, 0.30005, 0.29, 0.30009, 0.31, 0.31, 0.3, 0.3, 0.3, 0.3, 0.4, 0.4, 0.4, 0.4]


def keras(
    scores: list[float], *, lr: float, factor: float, patience: int, floor: float, decay: float
) -> list[float]:
    """The rate of every step as Keras' documentation has it: SGD(decay) under ReduceLROnPlateau (min_delta 1e-4)."""
    rates, best, waited = [], float("-inf"), 0
    for epoch, score in enumerate(scores):
        rates += [lr / (1 + decay * (epoch * STEPS + step)) for step in range(STEPS)]
        if score > best + 1e-4:
            best, waited = score, 0
            continue
        waited += 1
        if waited >= patience:
            lr, waited = max(lr * factor, floor), 0
    return rates


def optimizer() -> torch.optim.Optimizer:
    groups = [{"params": [torch.zeros(1, requires_grad=True)]} for _ in range(2)]
    return torch.optim.SGD(groups, lr=0.01, momentum=0.9, nesterov=True)


def stepped(entry: dict[str, Any], steps: torch.optim.Optimizer, scores: list[float]) -> list[float]:
    """The rate of every step, stepped as Lightning and the module do."""
    seen = []
    for score in scores:
        for _ in range(STEPS):
            assert len({group["lr"] for group in steps.param_groups}) == 1
            seen.append(steps.param_groups[0]["lr"])
            steps.step()
            entry["scheduler"].step()
        entry["scheduler"].step(score)
    return seen


@pytest.mark.parametrize("decay", [0.0, 1e-4, 0.01])
@pytest.mark.parametrize("patience", [1, 2, 4])
def test_every_step_has_the_rate_that_keras_gives_it(patience, decay):
    steps = optimizer()
    entry = plateau_with_decay(steps, 100, factor=0.5, patience=patience, min_lr=3e-3, decay=decay)
    expected = keras(SCORES, lr=0.01, factor=0.5, patience=patience, floor=3e-3, decay=decay)
    assert min(expected) < 0.0051  # it falls
    assert stepped(entry, steps, SCORES) == pytest.approx(expected, rel=1e-12)


def test_the_floor_holds_the_plateau_and_not_the_decay():
    steps = optimizer()
    entry = plateau_with_decay(steps, 100, factor=0.1, patience=1, min_lr=1e-3, decay=1.0)
    last = stepped(entry, steps, [0.5] * 4)[-1]
    assert last == pytest.approx(1e-3 / (1 + 4 * STEPS - 1))


def test_what_it_knows_is_in_its_state():
    first, second = optimizer(), optimizer()
    half = plateau_with_decay(first, 100, patience=2, factor=0.5, min_lr=0.0, decay=0.01)
    stepped(half, first, SCORES[:5])
    rest = plateau_with_decay(second, 100, patience=2, factor=0.5, min_lr=0.0, decay=0.01)
    rest["scheduler"].load_state_dict(half["scheduler"].state_dict())
    second.load_state_dict(first.state_dict())
    assert stepped(rest, second, SCORES[5:]) == stepped(half, first, SCORES[5:])


@pytest.mark.parametrize("values", [{"decay": -1e-4}, {"patience": 0}])
def test_what_cannot_be_is_refused(values):
    with pytest.raises(
        ConfigError, match=r"scheduler\.decay must be 0 or more and scheduler\.patience at least 1"
    ):
        plateau_with_decay(optimizer(), 10, **values)


def _train(folder: Path, epochs: int, *, checkpoint: Path | None = None) -> tuple[torch.Tensor, list[float]]:
    """Seven steps an epoch on noise whose validation score stands: the weights, and the rate after each epoch."""
    torch.manual_seed(0)
    items = [
        {"image": torch.randn(1, 2, 4), "label": torch.tensor(i % 7), "index": torch.tensor(i)}
        for i in range(28)
    ]
    blank = [item | {"image": torch.zeros(1, 2, 4)} for item in items]
    history = History(lambda rows: None)
    module = ExpressionClassifier(
        network=nn.Sequential(nn.Flatten(), nn.Linear(8, 7, bias=False)),
        objective=CrossEntropy(class_counts=[1] * 7),
        optimizer=functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True),
        scheduler=functools.partial(plateau_with_decay, patience=1, factor=0.5, min_lr=1e-3, decay=0.05),
        classes=7, seed=0,
    )  # fmt: skip
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=epochs, logger=False, enable_progress_bar=False, num_sanity_val_steps=0,
        callbacks=[history, *checkpoint_callbacks(folder, patience=None)], plugins=[AtomicCheckpointIO()],
        enable_model_summary=False,
    )  # fmt: skip
    batches, still = (DataLoader(kept, batch_size=4, generator=torch.Generator()) for kept in (items, blank))
    trainer.fit(module, batches, still, ckpt_path=checkpoint, weights_only=True)
    return module.network[1].weight.detach(), [row["learning_rate"] for row in history.rows]  # type: ignore[index,union-attr]


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:.*exists and is not empty")
def test_a_training_has_its_rates_and_a_resumed_one_is_the_same(tmp_path):
    weights, rates = _train(tmp_path / "whole", 4)
    # History reads the rates before the epoch is judged; the first epoch only sets the mark of the plateau.
    bases = [0.1, 0.1, 0.05, 0.025]
    assert rates == pytest.approx([base / (1 + 0.05 * STEPS * (n + 1)) for n, base in enumerate(bases)])
    _train(tmp_path / "half", 2)
    resumed, more = _train(tmp_path / "half", 4, checkpoint=tmp_path / "half" / "last.ckpt")
    assert torch.equal(resumed, weights)
    assert more == rates
