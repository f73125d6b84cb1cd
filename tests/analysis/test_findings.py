from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import fakes_runs
from occlufer.analysis.core.study import load_study
from occlufer.analysis.findings import cautions, findings, p_value, signed
from occlufer.analysis.tables import study_tables


def sentences(folder: Path) -> str:
    tables = study_tables(load_study(folder), resamples=100)
    parts = (tables["matrix"], tables["recall"], tables["comparisons"])
    return "\n".join([*findings(*parts), *cautions(parts[0], parts[2])])


def test_sentences_are_built_from_the_numbers(study_folder: Path) -> None:
    text = sentences(study_folder)
    matrix = study_tables(load_study(study_folder), resamples=10)["matrix"].set_index(["train", "test"])
    clean, covered = (100 * matrix.loc[("none", test), "accuracy_mean"] for test in ("none", "mask"))
    assert f"networks fell from {clean:.1f} % to {covered:.1f} % under mask" in text
    assert "always answering the largest class would reach" in text
    assert "significant with each of the 2 seeds (largest p < .001)" in text
    assert "With 2 seeds a cell" in text


def test_one_seed_is_said_to_be_one_seed(tmp_path: Path) -> None:
    text = sentences(fakes_runs.make_study(tmp_path, conditions=("none", "mask"), n=60))
    assert "Every cell rests on one seed only" in text
    assert "one seed)" in text


def test_networks_tested_on_their_own_condition_alone_are_set_against_uncovered_faces(tmp_path: Path) -> None:
    text = sentences(fakes_runs.make_grid(tmp_path, models={"vgg16": 0.0}, folds=range(2), n=300))
    assert "Networks trained and tested on faces under study_a_mask stand at −" in text
    assert "significant with each of the 2 folds" in text
    assert "under study_a_mask, " in text.split("Each occluder with networks trained for it")[1]
    assert "With 2 folds a cell" in text
    assert "Folds of one split share most of their training faces" in text


def comparison(p_holm: float, difference: float) -> dict[str, object]:
    return {"kind": "own", "train_first": "mask", "test_first": "mask", "train_second": "headset",
            "test_second": "headset", "p_holm": p_holm, "difference": difference, "seed": 0, "fold": None}  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(0.2, 0.01), (0.9, -0.01)], "not shown to differ with any of the 2 seeds"),
        ([(0.01, 0.01), (0.9, 0.01)], "significant with 1 of 2 seeds only"),
        ([(0.01, 0.01), (0.01, -0.01)], "the seeds disagree on the direction"),
        ([(0.01, 0.01), (0.02, 0.02)], "significant with each of the 2 seeds (largest p = .020)"),
        ([(0.2, 0.01)], "not shown to differ (p = .200; one seed)"),
        ([], "no paired test was possible"),
    ],
)
def test_significance_is_claimed_only_from_the_paired_test(
    rows: list[tuple[float, float]], words: str
) -> None:
    matrix = pd.DataFrame(
        {"train": ["mask", "headset"], "test": ["mask", "headset"], "accuracy_mean": [0.5, 0.6], "n": 10,
         "majority_accuracy": 0.3, "trainings": 2, "seeds": 2, "folds": 0}
    )  # fmt: skip
    recall = pd.DataFrame(
        columns=["train", "test", "expression", "recall", "change", "change_low", "change_high"]
    )
    comparisons = pd.DataFrame([comparison(*row) for row in rows])
    assert words in "\n".join(findings(matrix, recall, comparisons))


def test_no_better_than_the_largest_class_is_said() -> None:
    matrix = pd.DataFrame(
        {
            "train": ["none"],
            "test": ["none"],
            "accuracy_mean": [0.3],
            "n": 10,
            "majority_accuracy": 0.3,
            "trainings": 1,
            "seeds": 1,
            "folds": 0,
        }
    )
    assert "no better on uncovered faces" in "\n".join(
        findings(matrix, matrix.assign(change_high=0), pd.DataFrame())
    )


def test_numbers_are_written_plainly() -> None:
    assert [signed(value) for value in (-0.123, 0.05, -0.0001, float("nan"))] == ["−12.3", "+5.0", "0.0", "–"]
    assert [p_value(value) for value in (1e-9, 0.012, 1.0, 0.9999)] == ["< .001", ".012", "1", "1.000"]
