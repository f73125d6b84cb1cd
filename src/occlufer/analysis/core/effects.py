"""One effect a contrast, over all trainings: the difference, its interval, and one p value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit  # the t distribution; scipy.stats takes a hundred times as long

from occlufer.analysis.core.cells import Counted, by_training
from occlufer.analysis.core.statistics import LEVEL
from occlufer.analysis.core.trainings import Training, in_order

POWER = 0.8
Place = tuple[str, str]
"""Train and test condition."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A difference of accuracies over people (or faces) and trainings.

    Attributes:
        difference, low, high: second minus first, with a 95 % interval.
        error: standard error of the difference.
        df: degrees of freedom of the interval and the test.
        spread, spread_df: pooled standard deviation of the difference from one training to the next, and its degrees of
            freedom (below 3, few trainings decide everything); NaN where no contrast has a second training.
        p: two-sided; NaN where nothing varies.
    """

    difference: float
    low: float
    high: float
    error: float
    df: float
    spread: float
    spread_df: float
    p: float

    @property
    def detectable(self) -> float:
        """The smallest true difference that the test at .05 finds in 80 % of such studies.

        Bloom, *Evaluation Review* 19, 1995 ("minimum detectable effects").
        """
        return float(stdtrit(self.df, (1 + LEVEL) / 2) + stdtrit(self.df, POWER)) * self.error

    def bounds(self, contrasts: int) -> tuple[float, float]:
        """The interval that holds for all of so many contrasts together (Bonferroni): no narrower than Holm's tests."""
        reach = float(stdtrit(self.df, 1 - (1 - LEVEL) / (2 * contrasts))) * self.error if self.error else 0.0
        return self.difference - reach, self.difference + reach

    def p_equivalent(self, margin: float) -> float:
        """p of "the difference is at least `margin`, one way or the other": two one-sided tests.

        Schuirmann, *Journal of Pharmacokinetics and Biopharmaceutics* 15, 1987.
        """
        if self.error == 0:
            return 0.0 if abs(self.difference) < margin else 1.0
        return float(stdtr(self.df, (abs(self.difference) - margin) / self.error))


@dataclass(frozen=True, slots=True)
class Contrast:
    """What is compared, on the trainings that both sides have.

    Attributes:
        first, second: the two cells; contrasts with a cell in common vary together.
        trainings: the R trainings.
        change_NR: (faces, trainings): 1 where only the second is correct, -1 where only the first is, else 0; or any
            other number of each face whose mean is asked for.
        pool: contrasts of one pool are taken to spread alike from training to training.
    """

    first: Place
    second: Place
    trainings: tuple[Training, ...]
    change_NR: NDArray[Any]
    pool: str = ""


@dataclass(frozen=True, slots=True)
class _Squares:
    """Variances of the mean of a crossed table (people, trainings): mean squares divided by its size."""

    mean: float
    by_unit: float
    by_training: float
    rest: float
    people: int
    trainings: int


def effects(contrasts: Sequence[Contrast], units_N: ArrayLike) -> list[Effect]:
    """Is a mean change larger than other people and other trainings would make it by chance?

    People (each with all their faces) and trainings are crossed random effects. The variance of the mean is
    (MS_people + MS_trainings - MS_rest) / (people * trainings), not below that of either alone, with Satterthwaite's
    degrees of freedom: Searle, Casella & McCulloch, *Variance Components*, 1992, chapter 4. People with unlike numbers
    of faces count by the linearised ratio mean.

    Two or three trainings tell little of their spread. So MS_trainings is averaged over all contrasts of a pool, as the
    error of an analysis of variance is pooled over its groups: networks of all cells are taken to spread alike from one
    training to the next. Contrasts that share a cell share its trainings, so that the degrees of freedom of the average
    are (sum of R - 1)^2 / sum over pairs of contrasts of r^2 (R - 1), with r the correlation of two contrasts of
    independent cells: Box, *Annals of Mathematical Statistics* 25, 1954, theorem 3.1. Where no contrast has a second
    training, the intervals speak of other people only.

    Args:
        contrasts: one family; on the same faces.
        units_N: int (faces,) from 0: the person that a face shows, or the face itself.
    """
    units = np.asarray(units_N, dtype=np.int64)
    found = [_squares(contrast.change_NR, units) for contrast in contrasts]
    results: dict[int, Effect] = {}
    for pool in {contrast.pool for contrast in contrasts}:
        places = [place for place, contrast in enumerate(contrasts) if contrast.pool == pool]
        pooled = _pooled([contrasts[place] for place in places], [found[place] for place in places])
        results |= {place: _effect(found[place], *pooled) for place in places}
    return [results[place] for place in range(len(found))]


def contrast_between(items: Sequence[Counted], first: Place, second: Place) -> Contrast | None:
    """The contrast between two cells of the matrix on the trainings that both have; None without any."""
    one, two = (by_training(items, *place) for place in (first, second))
    shared = tuple(in_order(set(one) & set(two)))
    if not shared:
        return None
    change = [two[r].cell.correct_N.astype(np.int8) - one[r].cell.correct_N for r in shared]
    return Contrast(first, second, shared, np.stack(change, axis=1), pool_of(items, first, second, shared))


def balance(labels_N: ArrayLike) -> NDArray[np.float64]:
    """Weights (N,) with which the mean of "correct" is the mean recall of the classes (UAR); class sizes are fixed."""
    labels = np.asarray(labels_N, dtype=np.int64)
    faces_K = np.bincount(labels)
    return np.asarray(len(labels) / (faces_K > 0).sum() / faces_K[labels])


def pool_of(items: Sequence[Counted], first: Place, second: Place, trainings: Sequence[Training]) -> str:
    """`same networks` where two designs differ in the test alone, such as in flips: they hardly spread; else empty.

    Two trainings with the same best validation score, to the last digit, are one.
    """
    if first[0] == second[0]:
        return ""
    one, two = (by_training(items, *place) for place in (first, second))
    scores = [(one[r].run.summary.best_score, two[r].run.summary.best_score) for r in trainings]
    return "same networks" if all(a == b for a, b in scores) else ""


def _squares(change_NR: ArrayLike, units_N: NDArray[np.int64]) -> _Squares:
    change = np.asarray(change_NR, dtype=np.float64)
    people, mean = int(units_N.max()) + 1, float(change.mean())
    sums_UR = np.stack([np.bincount(units_N, column, minlength=people) for column in change.T], axis=1)
    size_U1 = np.bincount(units_N, minlength=people)[:, None]
    values_UR = mean + (sums_UR - size_U1 * mean) * people / len(change)
    trainings = values_UR.shape[1]
    if people < 2:
        return _Squares(mean, np.nan, np.nan, np.nan, people, trainings)
    of_unit_U, of_training_R, grand = values_UR.mean(axis=1), values_UR.mean(axis=0), values_UR.mean()
    by_unit = float(((of_unit_U - grand) ** 2).sum()) / (people - 1) / people
    if trainings == 1:
        return _Squares(mean, by_unit, np.nan, np.nan, people, 1)
    by_training = float(((of_training_R - grand) ** 2).sum()) / (trainings - 1) / trainings
    rest_UR = values_UR - of_unit_U[:, None] - of_training_R + grand
    rest = float((rest_UR**2).sum()) / (people - 1) / (trainings - 1) / values_UR.size
    return _Squares(mean, by_unit, by_training, rest, people, trainings)


def _pooled(contrasts: Sequence[Contrast], found: Sequence[_Squares]) -> tuple[float, float, float]:
    """Variance of one training and of the rest in it, averaged over contrasts; the degrees of freedom of the first."""
    several = [place for place, item in enumerate(found) if item.trainings > 1]
    if not several:
        return 0.0, 0.0, np.nan
    weights = np.array([found[place].trainings - 1 for place in several], dtype=np.float64)
    spread, rest = (
        float(weights @ [getattr(found[place], name) * found[place].trainings for place in several])
        / weights.sum()
        for name in ("by_training", "rest")
    )
    pairs = [_alike(contrasts[one], contrasts[two]) for one in several for two in several]
    return spread, rest, float(weights.sum() ** 2 / sum(pairs))


def _alike(one: Contrast, two: Contrast) -> float:
    """r^2 times the degrees of freedom that two contrasts share: R - 1 on the same trainings."""
    same = (one.first == two.first) + (one.second == two.second)
    crossed = (one.first == two.second) + (one.second == two.first)
    shared, sizes = len({*one.trainings} & {*two.trainings}), (len(one.trainings), len(two.trainings))
    together = shared * (1 - 1 / sizes[0]) * (1 - 1 / sizes[1]) + shared * (shared - 1) / (
        sizes[0] * sizes[1]
    )
    return ((same - crossed) / 2) ** 2 * together


def _effect(found: _Squares, spread: float, rest: float, spread_df: float) -> Effect:
    mean, by_unit, unit_df = found.mean, found.by_unit, float(found.people - 1)
    by_training = spread / found.trainings
    inner = rest / found.trainings if found.trainings == 1 else found.rest
    variance = by_unit + by_training - inner
    sd = np.nan if np.isnan(spread_df) else float(np.sqrt(spread))
    parts = [(by_unit, unit_df), (by_training, spread_df)]
    if variance <= max(by_unit, by_training):
        variance, df = max(parts)
    else:
        df = variance**2 / sum(square**2 / count for square, count in parts)
    if not variance > 0:
        return Effect(mean, mean, mean, 0.0, df, sd, spread_df, 1.0 if mean == 0 else float("nan"))
    error = float(np.sqrt(variance))
    reach = float(stdtrit(df, (1 + LEVEL) / 2)) * error
    p = float(2 * stdtr(df, -abs(mean) / error))
    return Effect(mean, mean - reach, mean + reach, error, df, sd, spread_df, p)
