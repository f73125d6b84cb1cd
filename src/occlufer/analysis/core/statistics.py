"""Intervals and spreads. Chance enters only through the generator handed in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from statsmodels.stats.proportion import proportion_confint

from occlufer.analysis.core.metrics import CLASSES, confusion
from occlufer.analysis.core.trainings import Training

Statistic = Callable[[ArrayLike], NDArray[np.float64]]
"""Maps confusion counts (..., 7, 7) to (...) or (..., 7), such as `metrics.accuracy_of`."""

RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with a percentile interval, all of one shape: () or (7,)."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cell:
    """One network on one condition: its confusion counts, and those of every resample of the faces.

    Attributes:
        observed_77: int64 (7, 7), rows = truth.
        resampled_B77: float32 (B, 7, 7), the same for B bootstrap resamples.
        correct_N: bool, face by face.
        units, units_7: people (or faces, where people are not known), and those with a face of each class.
    """

    observed_77: NDArray[np.int64]
    resampled_B77: NDArray[np.float32]
    correct_N: NDArray[np.bool_]
    units: int
    units_7: NDArray[np.int64]


class FaceBootstrap:
    """Bootstrap resamples of test faces, drawn once and shared by all networks and conditions.

    Because every `Cell` of one `FaceBootstrap` counts the same resampled faces, differences between cells are paired.
    Percentile bootstrap: Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13.

    Faces of one person are alike, and count as independent when faces are resampled. Given who is shown, people are
    resampled instead, each with all their faces: the cluster bootstrap (Davison & Hinkley, *Bootstrap Methods and
    their Application*, 1997, section 3.8). With few people its intervals are still too narrow.

    Args:
        labels_N: int (N,), indices into `EXPRESSIONS`.
        people_N: int (N,), which of 0..people-1 a face shows; None: resample faces.
    """

    def __init__(
        self,
        labels_N: ArrayLike,
        *,
        people_N: ArrayLike | None = None,
        rng: np.random.Generator,
        resamples: int = RESAMPLES,
    ) -> None:
        self._labels_N = np.asarray(labels_N, dtype=np.int64)
        faces = len(self._labels_N)
        assert faces > 0
        unit_N = np.arange(faces) if people_N is None else np.asarray(people_N, dtype=np.int64)
        assert unit_N.shape == (faces,)
        units = int(unit_N.max()) + 1
        self.units_N, self._units = unit_N, units
        self._units_7 = np.array(
            [len(np.unique(unit_N[self._labels_N == label])) for label in range(CLASSES)]
        )
        # How often a face is drawn, faces in the order of their labels; floats, as a product of matrices wants them.
        self._order_N = np.argsort(self._labels_N, kind="stable")
        self._times_BN = np.empty((resamples, faces), dtype=np.float32)
        self._times_BU = np.empty((resamples, units), dtype=np.float32)
        for row, of_units in zip(self._times_BN, self._times_BU, strict=True):
            of_units[:] = np.bincount(rng.integers(units, size=units), minlength=units)
            row[:] = of_units[unit_N[self._order_N]]

    def sums(self, values_NK: ArrayLike) -> NDArray[np.float64]:
        """Sums of columns of values (N, K) over the faces of every resample: float64 (B, K)."""
        values = np.asarray(values_NK, dtype=np.float64)
        if self._units < len(values):  # people: first the sum of each
            order_N = np.argsort(self.units_N, kind="stable")
            starts_U = np.searchsorted(self.units_N[order_N], np.arange(self._units))
            values = np.add.reduceat(values[order_N], starts_U, axis=0)
        return (self._times_BU @ values.astype(np.float32)).astype(np.float64)

    def cell(self, predictions_N: ArrayLike) -> Cell:
        """Count the predictions int (N,) of one network under one condition, faces in the order of `labels_N`."""
        return self.cells([predictions_N])[0]

    def cells(self, predictions_KN: Sequence[ArrayLike]) -> list[Cell]:
        """`cell` of K networks or conditions: one product of matrices for all is faster than one for each."""
        predictions = [np.asarray(one, dtype=np.int64) for one in predictions_KN]
        answers_NK7 = np.eye(CLASSES, dtype=np.float32)[np.stack(predictions, axis=1)[self._order_N]]
        answers_NA = answers_NK7.reshape(len(self._labels_N), -1)
        ends = np.cumsum(np.bincount(self._labels_N, minlength=CLASSES))
        shape = (len(self._times_BN), len(predictions), CLASSES)
        resampled_KB77 = np.empty((shape[1], shape[0], CLASSES, CLASSES), dtype=np.float32)
        for label, (start, end) in enumerate(itertools.pairwise((0, *ends))):
            counts_BK7 = (self._times_BN[:, start:end] @ answers_NA[start:end]).reshape(shape)
            resampled_KB77[:, :, label] = counts_BK7.transpose(1, 0, 2)
        return [
            Cell(confusion(self._labels_N, one), resampled, one == self._labels_N, self._units, self._units_7)
            for one, resampled in zip(predictions, resampled_KB77, strict=True)
        ]


class TrainingBootstrap:
    """Bootstrap resamples of trainings (seeds and folds), to be crossed with those of the faces.

    Faces and trainings are resampled independently of each other, both with replacement: the "pigeonhole" bootstrap of
    crossed random effects (Owen, *Annals of Applied Statistics* 1, 2007), whose intervals err on the wide side. All
    cells meet the same resample of trainings, so that differences stay paired. With one training only faces vary.
    """

    def __init__(
        self, trainings: Sequence[Training], *, rng: np.random.Generator, resamples: int = RESAMPLES
    ) -> None:
        assert trainings
        self._place = {training: place for place, training in enumerate(trainings)}
        count = len(trainings)
        self._times_BR = rng.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)

    def average(
        self, statistic: Statistic, cells: Mapping[Training, Cell]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A statistic averaged over the trainings of a cell: observed (...), and in every resample (B, ...).

        Where a cell lacks trainings that others have, a resample without any of its trainings is NaN.
        """
        return self.mix(
            {
                training: (statistic(cell.observed_77), statistic(cell.resampled_B77))
                for training, cell in cells.items()
            }
        )

    def mix(
        self, values: Mapping[Training, tuple[float | NDArray[np.float64], NDArray[np.float64]]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`average` of any numbers: training -> the observed ones (...), and those of every resample (B, ...).

        Numbers that a training does not have (NaN, such as the precision of a class that it never answers) are left out
        of the mean.
        """
        observed_R = np.stack([np.asarray(value, dtype=np.float64) for value, _ in values.values()])
        values_RB = np.stack([drawn for _, drawn in values.values()])
        times_BR = self._times_BR[:, [self._place[training] for training in values]]
        return _mean(np.ones((1, len(values))), observed_R[:, None])[0], _mean(times_BR, values_RB)

    def interval(
        self, statistic: Statistic, cells: Mapping[Training, Cell], *, level: float = LEVEL
    ) -> Interval:
        """The mean over the trainings of a cell, with its interval over faces and trainings."""
        return percentile(*self.average(statistic, cells), level)

    def difference(
        self,
        statistic: Statistic,
        first: Sequence[Mapping[Training, Cell]],
        second: Sequence[Mapping[Training, Cell]],
        *,
        level: float = LEVEL,
    ) -> Interval:
        """Mean of the second cells minus mean of the first ones, with a paired interval over faces and trainings."""
        sides = [[self.average(statistic, cells) for cells in side] for side in (first, second)]
        (value_a, resampled_a), (value_b, resampled_b) = (
            (np.mean([value for value, _ in side], axis=0), np.mean([drawn for _, drawn in side], axis=0))
            for side in sides
        )
        return percentile(np.asarray(value_b - value_a), resampled_b - resampled_a, level)


def _mean(times_BR: NDArray[np.float64], values_RB: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of values (R, B, ...) with weights (B, R) over those that are numbers: (B, ...), NaN without any."""
    known_RB = ~np.isnan(values_RB)
    whole = known_RB.all()
    sums_B = np.einsum("br,rb...->b...", times_BR, values_RB if whole else np.where(known_RB, values_RB, 0.0))
    counts_B = (
        times_BR.sum(axis=1).reshape(-1, *[1] * (values_RB.ndim - 2))
        if whole
        else np.einsum("br,rb...->b...", times_BR, known_RB.astype(np.float64))
    )
    return np.asarray(np.divide(sums_B, counts_B, out=np.full_like(sums_B, np.nan), where=counts_B > 0))


def exact_at_ends(found: Interval, trials: ArrayLike) -> Interval:
    """Shares with exact bounds where they are 0 or 1, as every resample of all or nothing is all or nothing again.

    Clopper & Pearson, *Biometrika* 26, 1934 (statsmodels); `trials`: how many faces (or people) each share rests on.
    """
    trials = np.broadcast_to(np.asarray(trials), found.value.shape)
    ends = ((found.value == 0) | (found.value == 1)) & (trials > 0)
    low, high = np.array(found.low), np.array(found.high)
    low[ends], high[ends] = proportion_confint(
        found.value[ends] * trials[ends], trials[ends], alpha=1 - LEVEL, method="beta"
    )
    return Interval(found.value, low, high)


def same_worst(changes_B7: NDArray[np.float64], observed_7: NDArray[np.float64], count: int) -> float:
    """Share of the resamples in which the `count` classes that fall most are those of the observed changes.

    Classes without faces (NaN) fall least; NaN where fewer than `count` classes have faces.
    """
    if (~np.isnan(observed_7)).sum() < count or not len(changes_B7):
        return float("nan")
    worst = np.sort(np.argsort(observed_7, kind="stable")[:count])
    drawn_BC = np.sort(np.argsort(changes_B7, axis=1, kind="stable")[:, :count], axis=1)
    return float((drawn_BC == worst).all(axis=1).mean())


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for their number: Holm, *Scandinavian Journal of Statistics* 6, 1979.

    By hand, as statsmodels' `multipletests` collects the garbage of the whole process at every call.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    p[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return [float(value) for value in p]


def spread(values: Sequence[float]) -> tuple[float, float, int]:
    """Mean, sample standard deviation (n - 1; NaN for one value) and number of values: the seeds of one design."""
    array = np.asarray(values, dtype=np.float64)
    assert len(array) > 0
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else float("nan"), len(array)


def percentile(value: NDArray[np.float64], resampled: NDArray[np.float64], level: float = LEVEL) -> Interval:
    """A value (...) with the percentile interval of its resamples (B, ...); NaN where no resample has it."""
    columns = resampled.reshape(len(resampled), -1)
    bounds = np.full((2, columns.shape[1]), np.nan)
    # A class without faces is NaN in every resample; a rare one is missing from some of them only.
    known = ~np.isnan(columns).all(axis=0)
    if len(columns) and known.any():
        tail = 100 * (1 - level) / 2
        quantiles = (
            np.nanpercentile if np.isnan(columns).any() else np.percentile
        )  # the second is much faster
        bounds[:, known] = quantiles(columns[:, known], (tail, 100 - tail), axis=0)
    low, high = bounds.reshape(2, *value.shape)
    return Interval(value, low, high)
