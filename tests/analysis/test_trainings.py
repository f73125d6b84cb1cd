from __future__ import annotations

import numpy as np
import pytest

from occlufer.analysis.core.grouping import design, setting_text, telling_apart, variant_text
from occlufer.analysis.core.metrics import accuracy_of
from occlufer.analysis.core.statistics import FaceBootstrap, TrainingBootstrap
from occlufer.analysis.core.trainings import Training, in_order, missing_folds, repetitions


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((1, 1, 0), "one seed"),
        ((1, 1, 1), "one fold"),
        ((3, 3, 0), "3 seeds"),
        ((5, 1, 5), "5 folds"),
        ((10, 2, 5), "10 trainings (2 seeds × 5 folds)"),
        ((9, 2, 5), "9 trainings (of 2 seeds × 5 folds)"),
    ],
)
def test_repetitions_are_named(numbers: tuple[int, int, int], words: str) -> None:
    assert repetitions(*numbers) == words


def test_missing_folds_are_found_for_each_seed_of_a_cross_validation() -> None:
    found = [Training(0, 1), Training(0, 0), Training(1, 2), Training(7, None)]
    assert missing_folds(found, 3) == {0: [2], 1: [0, 1]}
    assert missing_folds([Training(0, fold) for fold in range(3)], 3) == {}
    assert in_order([*found, found[0]]) == [Training(0, 0), Training(0, 1), Training(1, 2), Training(7, None)]


def test_folds_are_repetitions_but_having_them_or_not_is_a_difference() -> None:
    def of(fold: int | None, **more: object):
        config = {
            "fold": fold,
            "fold_count": 5,
            "fold_seed": 42,
            "seed": 0,
            "data": {"fold": fold},
        } | more
        return design("none", Training(0, fold), config)

    assert telling_apart([of(0), of(1), of(4)]) == ([], [])
    assert telling_apart([of(None), of(0)]) == (["data.fold", "fold"], [])
    assert telling_apart([of(None, fold_count=10), of(None)]) == ([], [])


def test_extra_images_tell_runs_apart_and_are_called_by_their_folder() -> None:
    def of(extra: str | None):
        return design("none", Training(0, None), {"dataset": {"root": extra, "extra": extra}})

    designs = [of(None), of("/somewhere/cfrgan"), of("/elsewhere/frontal")]
    within, _ = telling_apart(designs)
    assert within == ["dataset.extra"]
    names = [variant_text(item, within, designs) for item in designs]
    assert names == ["dataset.extra=none", "dataset.extra=cfrgan", "dataset.extra=frontal"]
    alike = [of("/a/made"), of("/b/made")]
    assert len({variant_text(item, within, alike) for item in alike}) == 2


def test_a_setting_is_said_without_what_follows_from_the_optimiser() -> None:
    def of(optimizer: dict[str, object]):
        return design("none", Training(0, None), {"optimizer": optimizer})

    designs = [
        of({"_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9}),
        of({"_target_": "torch.optim.SGD", "lr": 0.01, "momentum": 0.9}),
        of({"_target_": "torch.optim.Adam", "lr": 0.01, "eps": 1e-8}),
        of({"_target_": "torch.optim.Adam", "lr": 0.01, "eps": 1e-7}),
    ]
    within, _ = telling_apart(designs)
    assert [setting_text(item, within, designs) for item in designs] == [
        "SGD, lr 0.1",
        "SGD, lr 0.01",
        "Adam, eps 1e-08, lr 0.01",
        "Adam, eps 1e-07, lr 0.01",
    ]


def _cells(rates: list[float], *, faces: int = 400, resamples: int = 1500):
    labels = np.zeros(faces, dtype=int)
    bootstrap = FaceBootstrap(labels, rng=np.random.default_rng(0), resamples=resamples)
    rng = np.random.default_rng(1)
    return {
        Training(0, fold): bootstrap.cell((rng.random(faces) > rate).astype(int))
        for fold, rate in enumerate(rates)
    }


def test_the_interval_widens_when_trainings_differ() -> None:
    alike, unlike = _cells([0.7] * 5), _cells([0.5, 0.6, 0.7, 0.8, 0.9])
    widths = []
    for cells in (alike, unlike):
        trainings = TrainingBootstrap(list(cells), rng=np.random.default_rng(2), resamples=1500)
        found = trainings.interval(accuracy_of, cells)
        assert found.low < found.value < found.high
        widths.append(float(found.high - found.low))
    # Spread of the five rates: sd .158, so the mean has a standard error of .07 from trainings alone.
    assert widths[1] > 2 * widths[0]
    assert widths[1] == pytest.approx(2 * 1.96 * 0.14 / np.sqrt(5), rel=0.35)


def test_one_training_leaves_the_interval_over_faces() -> None:
    cells = _cells([0.75])
    found = TrainingBootstrap(list(cells), rng=np.random.default_rng(2), resamples=1500).interval(
        accuracy_of, cells
    )
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.15)


def test_differences_of_the_same_cells_are_nil() -> None:
    cells = _cells([0.5, 0.9])
    found = TrainingBootstrap(list(cells), rng=np.random.default_rng(2), resamples=1500).difference(
        accuracy_of, [cells], [cells]
    )
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_a_training_without_the_number_is_left_out_of_the_mean() -> None:
    """Such as the precision of a class that one of two trainings never answers."""
    trainings = [Training(0, None), Training(1, None), Training(2, None)]
    bootstrap = TrainingBootstrap(trainings, rng=np.random.default_rng(0), resamples=300)
    values = [np.array([0.2, 0.4]), np.array([np.nan, 0.6]), np.array([0.6, 0.8])]
    observed, drawn = bootstrap.mix(
        {
            training: (value, np.tile(value, (300, 1)))
            for training, value in zip(trainings, values, strict=True)
        }
    )
    assert observed == pytest.approx([0.4, 0.6])
    assert set(np.round(drawn[~np.isnan(drawn[:, 0]), 0], 6)) == {
        0.2,
        round(1 / 3, 6),
        0.4,
        round(1.4 / 3, 6),
        0.6,
    }
    assert np.isnan(drawn[:, 0]).mean() == pytest.approx(1 / 27, abs=0.03)
    assert not np.isnan(drawn[:, 1]).any()
