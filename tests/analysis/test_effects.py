from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

import fakes_runs
from interval_coverage import SPREADS, World, simulate
from occlufer.analysis.core.core import Core
from occlufer.analysis.core.effects import Contrast, Effect, Place, effects
from occlufer.analysis.core.study import load_study
from occlufer.analysis.core.trainings import Training
from occlufer.analysis.sections import effects as effects_section
from occlufer.analysis.sections import study_tables


def one(change_NR: np.ndarray, units_N: np.ndarray) -> Effect:
    """The effect of a family of one contrast."""
    return family([change_NR], units_N, [(("a", "x"), ("b", "x"))])[0]


def family(changes: list[np.ndarray], units_N: np.ndarray, places: list[tuple[Place, Place]]) -> list[Effect]:
    contrasts = [
        Contrast(*sides, tuple(Training(seed, None) for seed in range(change.shape[1])), change)
        for change, sides in zip(changes, places, strict=True)
    ]
    return effects(contrasts, units_N)


def test_one_training_is_the_t_test_of_the_faces() -> None:
    change = np.random.default_rng(0).integers(-1, 2, 80)
    found = one(change[:, None], np.arange(80))
    expected = stats.ttest_1samp(change, 0)
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert np.isnan(found.spread_df)


def test_people_of_equal_size_are_the_t_test_of_their_means() -> None:
    change = np.random.default_rng(1).integers(-1, 2, 60)
    people = np.repeat(np.arange(12), 5)
    found = one(change[:, None], people)
    expected = stats.ttest_1samp(change.reshape(12, 5).mean(axis=1), 0)
    assert found.p == pytest.approx(expected.pvalue)


def test_two_trainings_that_disagree_are_no_evidence_by_themselves() -> None:
    """Faces alone would say p < .001; the trainings differ by 40 points."""
    rng = np.random.default_rng(2)
    change = np.stack([rng.random(500) < 0.45, rng.random(500) < 0.05], axis=1)
    found = one(change, np.arange(500))
    assert one(change.mean(axis=1, keepdims=True), np.arange(500)).p < 0.001
    assert found.p > 0.3
    assert found.low < 0 < found.high
    assert found.df < 1.2


def test_contrasts_of_other_networks_are_the_pooled_t_test() -> None:
    """Every face alike, so that trainings are all that varies: the pooled variance of an analysis of variance."""
    rows_CR = np.array([[0.1, 0.2, 0.3], [0.5, 0.4, 0.9], [0.0, 0.1, 0.1]])
    changes = [np.tile(row, (8, 1)) for row in rows_CR]
    places = [((f"first {place}", "x"), (f"second {place}", "x")) for place in range(3)]
    found = family(changes, np.arange(8), places)
    variance = rows_CR.var(axis=1, ddof=1).mean()
    reach = stats.t.ppf(0.975, 6) * np.sqrt(variance / 3)
    for effect, row in zip(found, rows_CR, strict=True):
        assert effect.spread == pytest.approx(np.sqrt(variance))
        assert (effect.spread_df, effect.df) == pytest.approx((6, 6))
        assert (effect.low, effect.high) == pytest.approx((row.mean() - reach, row.mean() + reach))


def test_contrasts_that_share_a_cell_count_less_than_two() -> None:
    """x against a and x against b: r = 1/2, so (1 + 1)^2 / (1 + 1 + 2 / 4) = 1.6 for each degree of freedom."""
    rng = np.random.default_rng(3)
    changes = [rng.normal(0, 1, (6, 3)) for _ in range(2)]
    shared = [(("x", "t"), ("a", "t")), (("x", "t"), ("b", "t"))]
    assert family(changes, np.arange(6), shared)[0].spread_df == pytest.approx(1.6 * 2)
    again = [shared[0], shared[0]]
    assert family(changes, np.arange(6), again)[0].spread_df == pytest.approx(2)
    with_one_missing = family([changes[0], changes[1][:, :1]], np.arange(6), shared)
    assert with_one_missing[1].spread_df == pytest.approx(2)
    assert with_one_missing[1].error > one(changes[1][:, :1], np.arange(6)).error


def test_contrasts_of_another_pool_do_not_count() -> None:
    rng = np.random.default_rng(3)
    wide, narrow = (rng.normal(0, 1, (6, 1)) + np.array([[0, apart]]) for apart in (3, 0.01))
    trainings = (Training(0, None), Training(1, None))
    contrasts = [
        Contrast(("a", "t"), ("b", "t"), trainings, wide),
        Contrast(("c", "t"), ("d", "t"), trainings, narrow, "same networks"),
    ]
    found = effects(contrasts, np.arange(6))
    assert [effect.spread for effect in found] == pytest.approx([3 / np.sqrt(2), 0.01 / np.sqrt(2)])
    assert found[0] == effects(contrasts[:1], np.arange(6))[0]


def test_designs_that_differ_in_the_test_alone_are_a_pool(tmp_path: Path) -> None:
    for train, score in (("none", 0.5), ("none+flips", 0.5), ("mixed", 0.6)):
        for seed in (0, 1):
            fakes_runs.make_run(tmp_path / "s", condition=train, seed=seed, n=60, best_score=score + seed / 7)
    core = Core(load_study(tmp_path / "s"), resamples=5)
    table = (
        effects_section.Effects(core).tables["effects"].query("family == 'primary' and test_second == 'mask'")
    )
    spread = table.set_index(["kind", "train_second"])["spread"]
    assert spread["cover", "none"] == spread["train", "mixed"] != spread["train", "none+flips"]


@pytest.mark.parametrize(("seeds", "sd"), [(2, 0.1), (3, 0.1), (2, 0.05), (5, 0.1)])
@pytest.mark.parametrize("spread", ["equal", "unequal, plain widest"])
def test_coverage_and_false_positives_by_simulation(seeds: int, sd: float, spread: str) -> None:
    """200 studies of six contrasts; benchmarks/interval_coverage.py draws 1,000. One contrast alone covers .89 here."""
    world = World(seeds=seeds, sd=sd, factors=SPREADS[spread], people=50, bare=0.5, seen=0.5, unseen=0.5)
    found = simulate(world, 200, np.random.default_rng(1))
    assert 0.93 <= found.coverage <= 0.97
    assert found.positives == pytest.approx(1 - found.coverage)
    assert found.families <= 0.08


def test_equivalence_is_that_of_statsmodels_and_the_detectable_difference_has_its_power() -> None:
    change = np.random.default_rng(4).choice([-1, 0, 1], 300, p=[0.05, 0.9, 0.05])
    found = one(change[:, None], np.arange(300))
    assert found.p_equivalent(0.05) == pytest.approx(DescrStatsW(change).ttost_mean(-0.05, 0.05)[0])
    assert found.p_equivalent(0.08) < 0.05 < found.p_equivalent(0.05)
    power = TTestPower().solve_power(nobs=300, alpha=0.05, power=0.8) * change.std(ddof=1)
    assert found.detectable == pytest.approx(power, rel=0.01)


def test_nothing_that_varies_has_no_p() -> None:
    assert np.isnan(one(np.ones((9, 2)), np.arange(9)).p)
    nothing = one(np.zeros((9, 2)), np.arange(9))
    assert (nothing.p, nothing.p_equivalent(0.01), nothing.detectable) == (1, 0, 0)


def test_holm_runs_within_the_primary_family_of_bare_faces_and_recoveries(tmp_path: Path) -> None:
    folder = fakes_runs.make_study(tmp_path, seeds=(0, 1), n=120)
    for seed in (0, 1):
        fakes_runs.make_run(folder, condition="mixed", seed=seed, n=120)
    table = study_tables(load_study(folder), resamples=20)["effects"]
    primary = table[table["family"] == "primary"]
    questions = set(zip(primary["kind"], primary["train_second"], primary["test_second"], strict=True))
    assert questions == {
        ("cover", "none", "mask"), ("cover", "none", "headset"), ("train", "mask", "mask"), ("train", "mixed", "mask"),
        ("train", "headset", "headset"), ("train", "mixed", "headset"),
    }  # fmt: skip
    assert primary["p_holm"].to_numpy() == pytest.approx(multipletests(primary["p"], method="holm")[1])
    assert table.loc[table["family"] != "primary", "p_holm"].isna().all()
    row = primary[(primary["kind"] == "cover") & (primary["test_second"] == "mask")].iloc[0]
    rows = [pd.read_parquet(path) for path in sorted(folder.glob("none_*/predictions.parquet"))]
    by_hand = [
        {name: (part["label"] == part["prediction"]).mean() for name, part in table.groupby("condition")}
        for table in rows
    ]
    assert row["difference"] == pytest.approx(np.mean([score["mask"] - score["none"] for score in by_hand]))


@pytest.mark.parametrize(
    ("p", "p_equivalent", "words"),
    [(0.001, 1, effects_section._SHOWN), (0.6, 0.01, "equivalent within 3 points"),
     (0.2, 0.9, "not shown to be more than chance")],
)  # fmt: skip
def test_the_verdict_says_what_was_shown(p: float, p_equivalent: float, words: str) -> None:
    assert effects_section._verdict({"p_holm": p, "p_equivalent_holm": p_equivalent}, 0.03) == words


def test_two_seeds_of_two_designs_are_said_to_be_too_few(tmp_path: Path) -> None:
    folder = fakes_runs.make_study(tmp_path, conditions=("none", "mask"), seeds=(0, 1), n=120)
    core = Core(load_study(folder), resamples=5)
    section = effects_section.Effects(core)
    (text,) = (text for text in section.cautions(core.study.blocks[0]) if "spread" in text)
    assert "alike in 2 contrasts" in text
    assert "1.6 degrees of freedom" in text
    assert "Train more seeds" in text
    assert "p_equivalent_holm" in section.tables["effects"]
