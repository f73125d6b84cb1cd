"""The published way: a two-way analysis of variance over folds, model x condition, and Tukey's comparisons after it.

It takes the score of each training as an independent replicate. `analysis.core.crossed` holds the honest pair.
"""

from __future__ import annotations

import functools
import itertools
import warnings

import numpy as np
import pandas as pd
from scipy.stats import studentized_range
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

LEVEL = 0.95
TERMS = ("model", "condition", "model × condition")


def refusal(scores: pd.DataFrame) -> str:
    """Why no two-way analysis of variance is possible, as a sentence; empty when it is.

    Args:
        scores: one row a training, with columns `model`, `condition` and a metric each.
    """
    models, conditions = sorted(set(scores["model"])), list(dict.fromkeys(scores["condition"]))
    if len(models) < 2:
        return f"It needs at least two models; here is one ({', '.join(models) or 'none'})."
    if len(conditions) < 2:
        return f"It needs at least two conditions; here is one ({', '.join(conditions) or 'none'})."
    counts = scores.groupby(["model", "condition"]).size()
    empty = [pair for pair in itertools.product(models, conditions) if pair not in counts.index]
    if empty:
        cells = ", ".join(f"{model} under {condition}" for model, condition in empty)
        return f"It needs every model under every condition; missing: {cells}."
    if counts.min() < 2:
        single = ", ".join(f"{model} under {condition}" for model, condition in counts[counts < 2].index)
        return (
            f"It needs at least two seeds or folds a cell, as it measures effects by the spread inside the cells; "
            f"one only: {single}."
        )
    return ""


def is_balanced(scores: pd.DataFrame) -> bool:
    """Whether every model and condition has the same number of trainings."""
    return scores.groupby(["model", "condition"]).size().nunique() == 1


def two_way(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Two-way analysis of variance with interaction, type II sums of squares (statsmodels).

    Args:
        scores: columns `model`, `condition` and `metric`, one row a training; `refusal` must be empty.
        metric: which column.

    Returns:
        Rows `TERMS` and `residual`: term, sum_sq, df, F, p, and the effect sizes eta_sq = SS / SS_total,
        partial_eta_sq = SS / (SS + SS_residual), omega_sq = (SS - df MS_residual) / (SS_total + MS_residual)
        (Olejnik & Algina, *Psychological Methods* 8, 2003), not cut off at zero. F, p and what builds on them are NaN
        where all trainings of every cell score alike, as there is no spread to measure by.
    """
    frame = pd.DataFrame({"y": scores[metric], "model": scores["model"], "condition": scores["condition"]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # 0 / 0 where nothing varies
        table = anova_lm(ols("y ~ C(model) * C(condition)", data=frame).fit(), typ=2)
    table = table.set_axis([*TERMS, "residual"], axis="index")
    ss, df = table["sum_sq"], table["df"]
    error, total = float(ss["residual"]), float(ss.sum())
    mean_square = error / float(df["residual"])
    effect = ss.index != "residual"
    found = pd.DataFrame(
        {"term": ss.index, "sum_sq": ss, "df": df.astype(int), "F": table["F"], "p": table["PR(>F)"]}
    )
    # Rounding leaves something like 1e-32 where all scores of a cell are equal.
    spread = error > 1e-12 * max(total, 1e-300)
    for name, values in {
        "eta_sq": ss / total if total > 0 else ss * np.nan,
        "partial_eta_sq": ss / (ss + error),
        "omega_sq": (ss - df * mean_square) / (total + mean_square),
    }.items():
        found[name] = values.where(effect & spread)
    found.loc[~np.asarray(effect & spread), ["F", "p"]] = np.nan
    return found.reset_index(drop=True)


def tukey(scores: pd.DataFrame, metric: str, factor: str) -> pd.DataFrame:
    """Tukey's honestly significant differences between the levels of one factor, after `two_way`.

    The error is the residual mean square of the two-way analysis. Levels of unequal size: Tukey-Kramer
    (Kramer, *Biometrics* 12, 1956).

    Args:
        factor: `model`, `condition`, or `model × condition` for all cells against each other.

    Returns:
        factor, first, second, difference (second minus first), low, high (95 % intervals for the whole family), p
        (corrected for the family; NaN where nothing varies inside the cells).
    """
    cells = scores.groupby(["model", "condition"])[metric]
    df = len(scores) - cells.ngroups
    error = float((cells.var(ddof=1) * (cells.size() - 1)).sum()) / df
    names = scores["model"] + " · " + scores["condition"] if factor == TERMS[2] else scores[factor]
    levels = scores[metric].groupby(names, sort=False)
    means, sizes = levels.mean(), levels.size()
    rows = []
    for first, second in itertools.combinations(means.index, 2):
        change = float(means[second] - means[first])
        scale = np.sqrt(error / 2 * (1 / sizes[first] + 1 / sizes[second]))
        reach = _critical(len(means), df) * scale
        p = float(studentized_range.sf(abs(change) / scale, len(means), df)) if scale > 0 else np.nan
        rows.append(
            {"factor": factor, "first": first, "second": second, "difference": change, "low": change - reach,
             "high": change + reach, "p": p}
        )  # fmt: skip
    return pd.DataFrame(rows)


@functools.lru_cache(maxsize=64)
def _critical(levels: int, df: int) -> float:
    return float(studentized_range.ppf(LEVEL, levels, df))
