from types import SimpleNamespace
from typing import Any

import pytest

from occlufer.learning import callbacks
from occlufer.learning.callbacks import Forecast


def train(steps: int, *, of_epoch: int, epochs: int, begun: int = 0, first: bool = True) -> list[str]:
    """What is told in a training whose steps take two seconds each."""
    told: list[str] = []
    clock, forecast = 0.0, Forecast(told.append)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.time, "monotonic", lambda: clock)
        for step in range(begun * of_epoch, begun * of_epoch + steps):
            clock += 2.0
            trainer: Any = SimpleNamespace(
                is_global_zero=first,
                num_training_batches=of_epoch,
                max_epochs=epochs,
                current_epoch=step // of_epoch,
            )
            forecast.on_train_batch_end(trainer, None, None, None, step % of_epoch)  # type: ignore[arg-type]
    return told


def test_the_rest_of_a_training_is_told_once_after_its_first_steps():
    assert train(12, of_epoch=100, epochs=8) == []
    assert train(200, of_epoch=100, epochs=8) == [
        "about 26 min for the 787 steps that are left of 8 epochs (2 s a step; validation and test come on top)"
    ]
    assert train(200, of_epoch=100, epochs=8, begun=6)[0].startswith("about 6 min for the 187 steps")


def test_it_is_told_by_one_process_and_not_at_the_end():
    assert train(200, of_epoch=100, epochs=8, first=False) == []
    assert train(13, of_epoch=13, epochs=1) == []


@pytest.mark.parametrize(("seconds", "told"), [(0.2, "about 1 s"), (89, "about 89 s"), (100, "about 2 min"),
                                               (9000, "about 2.5 h")])  # fmt: skip
def test_durations_are_rough(seconds: float, told: str):
    assert callbacks._duration(seconds) == told
