from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

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
