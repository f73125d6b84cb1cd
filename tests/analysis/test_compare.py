"""Studies side by side: differences recomputed from the prediction rows, on the same faces and on others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fakes_runs
from occlufer.analysis.compare import write_comparison
from occlufer.analysis.core.study import load_study
from occlufer.types import RunError


def study(root: Path, name: str, *, skill: float = 0.0, n: int = 200, dataset: str = "fakefaces") -> Path:
    for condition in ("none", "mask"):
        for seed in (0, 1):
            fakes_runs.make_run(root / name, condition=condition, seed=seed, tests=("none", "mask"), n=n, skill=skill,
                                dataset=dataset, people=20)  # fmt: skip
    return root / name


def accuracies(folder: Path, train: str, test: str, keys: set[str] | None = None) -> float:
    values = []
    for run in load_study(folder).runs:
        rows = run.rows(test)
        rows = rows if keys is None else rows[rows["key"].isin(keys)]
        if run.summary.condition == train:
            values.append((rows["label"] == rows["prediction"]).mean())
    return float(np.mean(values))


def test_differences_are_those_of_the_prediction_rows(tmp_path: Path) -> None:
    first, second = study(tmp_path, "plain"), study(tmp_path, "better", skill=0.15)
    page = write_comparison([first, second], tmp_path / "out").read_text(encoding="utf-8")
    table = pd.read_csv(tmp_path / "out" / "tables" / "compare.csv")
    assert len(table) == 4
    assert table["same_faces"].all()
    for row in table.itertuples():
        sides = [accuracies(folder, row.train, row.test) for folder in (first, second)]
        assert (row.accuracy_first, row.accuracy_second) == pytest.approx(sides)
        assert row.difference == pytest.approx(sides[1] - sides[0])
        assert row.low <= row.difference <= row.high
        assert f"{100 * row.accuracy_second:.1f}" in page
    assert "All studies meet the same faces" in page
    assert page.count("Behind it:") == 1
    beyond = table[(table["low"] > 0) | (table["high"] < 0)]
    most = beyond.loc[beyond["difference"].abs().idxmax()]
    assert f"better differs from plain in {len(beyond)} of 4 cells, most on " in page
    assert f": +{100 * most['difference']:.1f} points (95 % interval " in page
    assert "trained on" in page
    assert "<script" not in page


def test_shared_faces_are_paired_and_others_are_not(tmp_path: Path) -> None:
    first, fewer = study(tmp_path, "plain"), study(tmp_path, "fewer", n=150)
    other = study(tmp_path, "other", dataset="otherfaces", n=50)
    write_comparison([first, fewer, other], tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "tables" / "compare.csv")
    paired = table[table["second"] == "fewer"]
    keys = [set(load_study(folder).runs[0].predictions["key"]) for folder in (first, fewer)]
    shared = set.intersection(*keys)
    assert paired["same_faces"].all()
    assert set(paired["faces_first"]) == set(paired["faces_second"]) == {len(shared)}
    assert paired.iloc[0]["accuracy_first"] == pytest.approx(
        accuracies(first, paired.iloc[0]["train"], paired.iloc[0]["test"], shared)
    )
    alone = table[table["second"] == "other"]
    assert not alone["same_faces"].any()
    assert set(alone["faces_second"]) == {50}


def test_a_study_with_itself_differs_by_nothing_but_its_trainings(tmp_path: Path) -> None:
    folder = study(tmp_path, "plain")
    write_comparison([folder, folder], tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "tables" / "compare.csv")
    assert table["difference"].tolist() == [0.0] * 4


def test_a_study_without_a_finished_run_is_named(tmp_path: Path) -> None:
    fakes_runs.break_run(fakes_runs.make_run(tmp_path / "s", n=30), "failed")
    with pytest.raises(RunError, match="s holds no finished run"):
        write_comparison([tmp_path / "s", tmp_path / "s"], tmp_path)
