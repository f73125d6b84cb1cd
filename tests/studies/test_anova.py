from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multicomp import pairwise_tukeyhsd

from occlufer.studies.anova import is_balanced, refusal, tukey, two_way


def scores(cells: dict[tuple[str, str], list[float]]) -> pd.DataFrame:
    rows = [
        {"model": model, "condition": condition, "y": value}
        for (model, condition), values in cells.items()
        for value in values
    ]
    return pd.DataFrame(rows)


# Two models x two conditions x two folds; the sums of squares are worked out by hand below.
SMALL = scores({("a", "none"): [8, 10], ("a", "mask"): [4, 6], ("b", "none"): [6, 8], ("b", "mask"): [6, 8]})


def test_sums_of_squares_and_effect_sizes_by_hand() -> None:
    # Cell means 9, 5, 7, 7, grand mean 7: models 7 and 7, conditions 8 and 6; 2 a cell, each 1 from its mean.
    table = two_way(SMALL, "y").set_index("term")
    assert table["sum_sq"].to_dict() == pytest.approx(
        {"model": 0, "condition": 8, "model × condition": 8, "residual": 8}, abs=1e-9
    )
    assert table["df"].tolist() == [1, 1, 1, 4]
    assert table.loc["condition", "F"] == pytest.approx(4)
    assert table.loc["condition", "p"] == pytest.approx(stats.f.sf(4, 1, 4))
    assert table.loc["condition", "eta_sq"] == pytest.approx(8 / 24)
    assert table.loc["condition", "partial_eta_sq"] == pytest.approx(8 / 16)
    assert table.loc["condition", "omega_sq"] == pytest.approx((8 - 2) / (24 + 2))
    assert np.isnan(table.loc["residual", "eta_sq"])


def test_one_factor_without_effect_agrees_with_scipy() -> None:
    """With two equal halves as models, the condition's sum of squares is that of the one-way analysis."""
    rng = np.random.default_rng(0)
    frame = scores(
        {
            (model, condition): list(rng.normal(place, 1, 6))
            for model, (place, condition) in itertools.product("ab", enumerate(("none", "mask", "headset")))
        }
    )
    found = two_way(frame, "y").set_index("term")
    groups = [group["y"] for _, group in frame.groupby("condition")]
    between = sum(len(group) * (group.mean() - frame["y"].mean()) ** 2 for group in groups)
    assert found.loc["condition", "sum_sq"] == pytest.approx(between)
    assert found["sum_sq"].sum() == pytest.approx(((frame["y"] - frame["y"].mean()) ** 2).sum())


def test_scores_without_any_spread_give_no_p_value() -> None:
    frame = scores({(m, c): [place, place] for place, (m, c) in enumerate(itertools.product("ab", "xy"))})
    table = two_way(frame, "y")
    assert table[["F", "p", "eta_sq"]].isna().all(axis=None)
    assert tukey(frame, "y", "model")["p"].isna().all()


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({("a", "none"): [1, 2], ("a", "mask"): [1, 2]}, "at least two models; here is one (a)"),
        ({("a", "none"): [1, 2], ("b", "none"): [1, 2]}, "at least two conditions; here is one (none)"),
        ({("a", "none"): [1, 2], ("a", "mask"): [1, 2], ("b", "none"): [1, 2]}, "missing: b under mask"),
        ({pair: [1] for pair in itertools.product("ab", "xy")}, "at least two seeds or folds a cell"),
        ({pair: [1, 2] for pair in itertools.product("ab", "xy")}, ""),
    ],
)
def test_a_design_that_allows_no_analysis_is_refused_with_the_reason(cells, reason: str) -> None:
    found = refusal(scores(cells))
    assert reason in found
    assert bool(reason) == bool(found)


def test_unequal_cells_are_seen() -> None:
    assert is_balanced(SMALL)
    assert not is_balanced(SMALL.iloc[1:])


@pytest.mark.parametrize("sizes", [(4, 4, 4, 4), (4, 3, 5, 4)], ids=["balanced", "Kramer"])
def test_cells_against_each_other_agree_with_statsmodels(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    pairs = itertools.product("ab", ("mask", "none"))
    frame = scores(
        {
            pair: list(rng.normal(sum(map(ord, "".join(pair))) % 3, 1, n))
            for pair, n in zip(pairs, sizes, strict=True)
        }
    )
    found = tukey(frame, "y", "model × condition")
    wanted = pairwise_tukeyhsd(frame["y"], frame["model"] + " · " + frame["condition"])
    assert found["difference"].to_numpy() == pytest.approx(wanted.meandiffs)
    assert found[["low", "high"]].to_numpy() == pytest.approx(wanted.confint, abs=1e-3)
    assert found["p"].to_numpy() == pytest.approx(wanted.pvalues, abs=1e-3)


def test_two_levels_give_the_p_value_of_the_analysis_itself() -> None:
    """With two levels, Tukey's q is sqrt(2 F)."""
    table = two_way(SMALL, "y").set_index("term")
    found = tukey(SMALL, "y", "condition").iloc[0]
    assert found["p"] == pytest.approx(table.loc["condition", "p"], abs=1e-6)
    assert found["difference"] == pytest.approx(-2)
    assert found["low"] < found["difference"] < found["high"]
