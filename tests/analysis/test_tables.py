from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import fakes_runs
from occlufer.analysis.core.metrics import score
from occlufer.analysis.core.scores import of_block
from occlufer.analysis.core.study import load_study
from occlufer.analysis.sections import study_tables
from occlufer.types import EXPRESSIONS


@pytest.fixture(scope="module")
def study(study_folder: Path):
    return load_study(study_folder)


@pytest.fixture(scope="module")
def tables(study):
    return study_tables(study, resamples=100)


def cell_of(table, train: str, test: str):
    return table[(table["train"] == train) & (table["test"] == test)]


def test_the_matrix_is_the_mean_over_seeds_of_the_runs_own_scores(study, tables) -> None:
    runs = [run for run in study.runs if run.summary.condition == "mask"]
    accuracies = [score(run.rows("headset"))["accuracy"] for run in runs]
    row = cell_of(tables["matrix"], "mask", "headset").iloc[0]
    assert row["seeds"] == 2
    assert row["n"] == 140
    assert row["accuracy_mean"] == pytest.approx(np.mean(accuracies))
    assert row["accuracy_sd"] == pytest.approx(np.std(accuracies, ddof=1))
    assert row["accuracy_low"] < row["accuracy_mean"] < row["accuracy_high"]
    assert row["majority_accuracy"] < 0.5


def test_conditions_are_in_report_order(tables) -> None:
    pairs = list(zip(tables["matrix"]["train"], tables["matrix"]["test"], strict=True))
    order = ["none", "mask", "headset"]
    assert pairs == [(train, test) for train in order for test in order]


def test_incomplete_runs_are_listed_but_in_no_number(tables) -> None:
    runs = tables["runs"].set_index("run")
    left_out = runs[runs["state"] == "left out"]
    assert len(runs) == 7
    assert len(left_out) == 1
    assert "Unfinished" in left_out["reason"].iloc[0]
    assert tables["scores"]["run"].nunique() == 6


def test_recall_drop_is_paired_with_the_uncovered_face(study, tables) -> None:
    recall = tables["recall"].set_index(["train", "test", "expression"])
    runs = [run for run in study.runs if run.summary.condition == "none"]
    happy = EXPRESSIONS.index("happiness")
    drops = [
        score(run.rows("mask"))["recall_by_class"][happy] - score(run.rows("none"))["recall_by_class"][happy]
        for run in runs
    ]
    row = recall.loc["none", "mask", "happiness"]
    assert row["change"] == pytest.approx(np.mean(drops))
    assert row["change_low"] <= row["change"] <= row["change_high"]
    assert np.isnan(recall.loc["none", "none", "happiness"]["change"])


def test_confusions_are_summed_over_seeds(tables) -> None:
    counts = cell_of(tables["confusion"], "none", "mask")
    assert counts[[f"as_{name}" for name in EXPRESSIONS]].to_numpy().sum() == 2 * 140


def test_comparisons_hold_each_pair_once_a_seed(tables) -> None:
    comparisons = tables["comparisons"]
    assert comparisons.groupby("kind").size().to_dict() == {"cover": 18, "train": 12, "own": 6}
    assert (comparisons["p_holm"] >= comparisons["p"]).all()
    gained = comparisons["only_second_right"] - comparisons["only_first_right"]
    assert (gained / comparisons["n"]).to_numpy() == pytest.approx(comparisons["difference"].to_numpy())


def test_people_count_in_the_paired_tests_only_where_they_are_known(tables, tmp_path: Path) -> None:
    assert tables["comparisons"]["p_clustered"].isna().all()
    folder = fakes_runs.make_study(tmp_path, conditions=("none", "mask"), n=140, people=10)
    study = load_study(folder)
    table = study_tables(study, resamples=10)["comparisons"]
    row = table[(table["kind"] == "cover") & (table["train_first"] == "none")].iloc[0]
    (run,) = (run for run in study.runs if run.summary.condition == "none")
    bare, masked = (run.rows(test).set_index("key") for test in ("none", "mask"))
    change = (bare["label"] == bare["prediction"]).astype(int) - (masked["label"] == masked["prediction"])
    by_person = change.groupby(bare["subject"]).mean()
    assert row["p_clustered"] == pytest.approx(stats.chi2.sf(by_person.sum() ** 2 / (by_person**2).sum(), 1))
    assert row["p_clustered_holm"] >= row["p_clustered"]


def test_the_stability_of_ranks_stands_in_the_recall_table(tables) -> None:
    recall = tables["recall"].set_index(["train", "test"])
    stable = recall.loc[("none", "mask"), ["worst_one", "worst_two"]].drop_duplicates()
    assert len(stable) == 1
    assert ((stable > 0) & (stable <= 1)).all(axis=None)
    assert recall.loc[("none", "none"), "worst_two"].isna().all()


def test_dropped_faces_by_split_and_class(tables) -> None:
    dropped = tables["dropped"]
    assert list(dropped["split"].unique()) == ["train", "validation", "test"]
    assert list(dropped[dropped["split"] == "test"]["expression"]) == list(EXPRESSIONS)
    assert (dropped["faces"] == dropped["used"] + dropped["dropped"]).all()


def test_two_models_get_one_block_each(tmp_path: Path) -> None:
    folder = fakes_runs.make_study(tmp_path, conditions=("none", "mask"), models=("big", "small"), n=40)
    study = load_study(folder)
    tables = study_tables(study, resamples=20)
    assert [block.model for block in study.blocks] == ["big", "small"]
    assert [len(of_block(tables["matrix"], block)) for block in study.blocks] == [4, 4]


def test_a_study_without_a_finished_run_still_has_its_tables(tmp_path: Path) -> None:
    run = fakes_runs.make_run(tmp_path / "s", n=20)
    fakes_runs.break_run(run, "failed")
    tables = study_tables(load_study(tmp_path / "s"))
    assert list(tables["runs"]["state"]) == ["left out"]
    assert all(len(table) == 0 for name, table in tables.items() if name != "runs")


def test_the_same_study_gives_the_same_tables(study, tables) -> None:
    again = study_tables(study, resamples=100)
    for name, table in tables.items():
        assert table.equals(again[name]), name
