"""One effect a contrast, over all trainings: the difference, its interval, and one p value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from occlufer.analysis.core.cells import Counted
from occlufer.analysis.core.statistics import LEVEL
from occlufer.analysis.core.trainings import Training, in_order


@dataclass(frozen=True, slots=True)
class Effect:
    """A difference of accuracies over people (or faces) and trainings.

    Attributes:
        difference, low, high: second minus first, with a 95 % interval.
        df: degrees of freedom of the interval and the test; near 1 where two trainings disagree.
        p: two-sided; NaN where nothing varies.
    """

    difference: float
    low: float
    high: float
    df: float
    p: float


def effect(change_NR: ArrayLike, units_N: ArrayLike) -> Effect:
    """Is a mean change larger than other people and other trainings would make it by chance?

    People (each with all their faces) and trainings are crossed random effects. The variance of the mean is
    (MS_people + MS_trainings - MS_rest) / (people * trainings), not below that of either alone, with Satterthwaite's
    degrees of freedom: Searle, Casella & McCulloch, *Variance Components*, 1992, chapter 4. People with unlike numbers
    of faces count by the linearised ratio mean. With one training the interval knows nothing of other trainings.

    Args:
        change_NR: (faces, trainings), change of "classified correctly": -1, 0 or 1.
        units_N: int (faces,) from 0: the person that a face shows, or the face itself.
    """
    change, units = np.asarray(change_NR, dtype=np.float64), np.asarray(units_N, dtype=np.int64)
    faces = len(change)
    people = int(units.max()) + 1
    mean = float(change.mean())
    sums_UR = np.stack([np.bincount(units, column, minlength=people) for column in change.T], axis=1)
    size_U1 = np.bincount(units, minlength=people)[:, None]
    values_UR = mean + (sums_UR - size_U1 * mean) * people / faces
    variance, df = _variance_of_mean(values_UR)
    if not variance > 0:
        return Effect(mean, mean, mean, df, 1.0 if mean == 0 else float("nan"))
    error = float(np.sqrt(variance))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, df)) * error
    return Effect(mean, mean - reach, mean + reach, df, float(2 * stats.t.sf(abs(mean) / error, df)))


def _variance_of_mean(values_UR: NDArray[np.float64]) -> tuple[float, float]:
    """Variance of the mean of a crossed table (people, trainings), and its degrees of freedom."""
    people, trainings = values_UR.shape
    if people < 2:
        return float("nan"), float("nan")
    mean = values_UR.mean()
    of_unit_U, of_training_R = values_UR.mean(axis=1), values_UR.mean(axis=0)
    by_unit = trainings * float(((of_unit_U - mean) ** 2).sum()) / (people - 1)
    if trainings == 1:
        return by_unit / people, float(people - 1)
    by_training = people * float(((of_training_R - mean) ** 2).sum()) / (trainings - 1)
    rest_UR = values_UR - of_unit_U[:, None] - of_training_R + mean
    rest_df = (people - 1) * (trainings - 1)
    rest = float((rest_UR**2).sum()) / rest_df
    both = by_unit + by_training - rest
    parts = ((by_unit, people - 1), (by_training, trainings - 1))
    if both <= max(by_unit, by_training):
        total, df = max(parts)
        return total / values_UR.size, float(df)
    df = both**2 / sum(square**2 / count for square, count in (*parts, (rest, rest_df)))
    return both / values_UR.size, df


def effect_between(
    first: Mapping[Training, Counted], second: Mapping[Training, Counted], units_N: NDArray[np.int64]
) -> tuple[Effect, list[Training]] | None:
    """The effect between two cells of the matrix on the trainings that both have; None without any."""
    shared = in_order(set(first) & set(second))
    if not shared:
        return None
    change = [
        second[training].cell.correct_N.astype(np.int8) - first[training].cell.correct_N
        for training in shared
    ]
    return effect(np.stack(change, axis=1), units_N), shared
