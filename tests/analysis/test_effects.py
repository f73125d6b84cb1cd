from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

import fakes_runs
from occlufer.analysis.core.effects import effect
from occlufer.analysis.core.study import load_study
from occlufer.analysis.sections import study_tables


def test_one_training_is_the_t_test_of_the_faces() -> None:
    change = np.random.default_rng(0).integers(-1, 2, 80)
    found = effect(change[:, None], np.arange(80))
    expected = stats.ttest_1samp(change, 0)
    assert found.p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_people_of_equal_size_are_the_t_test_of_their_means() -> None:
    change = np.random.default_rng(1).integers(-1, 2, 60)
    people = np.repeat(np.arange(12), 5)
    found = effect(change[:, None], people)
    expected = stats.ttest_1samp(change.reshape(12, 5).mean(axis=1), 0)
    assert found.p == pytest.approx(expected.pvalue)


def test_two_trainings_that_disagree_are_no_evidence() -> None:
    """Faces alone would say p < .001; the trainings differ by 40 points."""
    rng = np.random.default_rng(2)
    change = np.stack([rng.random(500) < 0.45, rng.random(500) < 0.05], axis=1)
    found = effect(change, np.arange(500))
    assert effect(change.mean(axis=1, keepdims=True), np.arange(500)).p < 0.001
    assert found.p > 0.3
    assert found.low < 0 < found.high
    assert found.df < 1.2


@pytest.mark.parametrize("trainings", [2, 3, 5])
def test_false_positives_and_coverage_by_simulation(trainings: int) -> None:
    """People, trainings and noise vary; the true effect is .1. 400 studies: the rate has a standard error of .011."""
    rng = np.random.default_rng(trainings)
    people = np.repeat(np.arange(40), 5)
    covered = 0
    for _ in range(400):
        of_person = rng.normal(0, 0.15, 40)[people, None]
        change = 0.1 + of_person + rng.normal(0, 0.05, trainings) + rng.normal(0, 0.5, (200, trainings))
        found = effect(change, people)
        covered += found.low <= 0.1 <= found.high
    assert covered / 400 >= 0.92


def test_nothing_that_varies_has_no_p() -> None:
    assert np.isnan(effect(np.ones((9, 2)), np.arange(9)).p)
    assert effect(np.zeros((9, 2)), np.arange(9)).p == 1


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
