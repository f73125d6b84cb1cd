"""Two networks on the same faces: McNemar's test, its clustered form, and the matched odds ratio."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom, chi2
from statsmodels.stats.proportion import proportion_confint

from occlufer.analysis.core.statistics import LEVEL


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Exact McNemar test of two networks on the same faces.

    Attributes:
        only_first, only_second: faces that only the first or only the second classified correctly.
        p: two-sided; every face counts by itself.
        odds, odds_low, odds_high: matched odds ratio only_second / only_first with its exact 95 % interval (0 and
            infinity where one of them is none, NaN where both are).
    """

    only_first: int
    only_second: int
    p: float
    odds: float
    odds_low: float
    odds_high: float


def paired_test(first_N: ArrayLike, second_N: ArrayLike) -> PairedTest:
    """Exact McNemar test of two bool arrays (N,), "classified correctly", on the same faces in the same order.

    McNemar, *Psychometrika* 12, 1947; exact form: binomial with n = discordant faces, p = 1/2. The odds ratio and its
    bounds (Clopper & Pearson's) are those of the binomial share s of the discordant faces, as s / (1 - s): Breslow &
    Day, *Statistical Methods in Cancer Research* I, 1980, section 5.2.
    """
    first, second = np.asarray(first_N, dtype=bool), np.asarray(second_N, dtype=bool)
    assert first.shape == second.shape
    one, two = int((first & ~second).sum()), int((~first & second).sum())
    if not one + two:
        return PairedTest(0, 0, 1.0, np.nan, np.nan, np.nan)
    bounds = proportion_confint(two, one + two, alpha=1 - LEVEL, method="beta")
    odds = (share / (1 - share) if share < 1 else np.inf for share in (two / (one + two), *bounds))
    p = min(1.0, 2 * float(binom.cdf(min(one, two), one + two, 0.5)))
    return PairedTest(one, two, p, *(float(value) for value in odds))


def clustered_test(first_N: ArrayLike, second_N: ArrayLike, units_N: ArrayLike) -> float:
    """p of McNemar's test where faces of one person are alike, for bool arrays (N,) and the person of each face (N,).

    With b and c the faces of a person that only the first or only the second classified correctly, of n in all,
    [sum (b - c) / n]^2 / sum [(b - c) / n]^2 is chi-square with one degree of freedom: Durkalski, Palesch, Lipsitz &
    Rust, *Statistics in Medicine* 22, 2003. Every person counts alike. With few people its p is only roughly right.
    """
    change = np.asarray(first_N, dtype=np.float64) - np.asarray(second_N, dtype=np.float64)
    people_N = np.asarray(units_N)
    faces_U = np.bincount(people_N)
    share_U = np.bincount(people_N, change)[faces_U > 0] / faces_U[faces_U > 0]
    squares = float((share_U**2).sum())
    return float(chi2.sf(share_U.sum() ** 2 / squares, 1)) if squares > 0 else 1.0
