from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import fakes_runs
from occlufer.analysis.core.grouping import design, telling_apart
from occlufer.analysis.core.study import load_study
from occlufer.analysis.core.trainings import Training
from occlufer.runs import Run
from occlufer.settings import DRAWING
from occlufer.types import RunError


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("unfinished", "Unfinished after 3 epochs"),
        ("failed", "no space left on device"),
        ("damaged", "predictions.parquet cannot be read"),
        ("older", "has format 0"),
    ],
)
def test_runs_that_cannot_be_trusted_are_named_with_the_reason(tmp_path: Path, how: str, reason: str) -> None:
    study = load_study(fakes_runs.make_study(tmp_path, conditions=("none", "mask"), n=30, break_one=how))
    assert len(study.runs) == 2
    assert len(study.left_out) == 1
    assert study.left_out[0].name.startswith("none_small_cnn_seed1")
    assert reason in study.left_out[0].reason


def test_json_of_the_wrong_shape_leaves_the_run_out(tmp_path: Path) -> None:
    folder = fakes_runs.make_study(tmp_path, conditions=("none", "mask", "headset"), n=30)
    none, mask, headset = sorted(
        folder.iterdir(), key=lambda path: ("none", "mask", "headset").index(path.name.split("_")[0])
    )
    text = (mask / "run.json").read_text()
    (mask / "run.json").write_text(text.replace('"seed": 0', '"seed": "zero"'))
    (headset / "run.json").write_text("[1, 2")
    study = load_study(folder)
    assert [run.run.folder for run in study.runs] == [none]
    assert {item.name: item.reason for item in study.left_out}[mask.name].endswith(
        "seed must be int, found 'zero'."
    )
    assert "cannot be read" in {item.name: item.reason for item in study.left_out}[headset.name]


def test_repeated_rows_leave_the_run_out(tmp_path: Path) -> None:
    run = fakes_runs.make_run(tmp_path / "s", n=20)
    rows = run.predictions()
    run.write_predictions(pd.concat([rows, rows.head(2)]))
    assert "2 rows" in load_study(tmp_path / "s").left_out[0].reason


def test_only_shared_faces_are_compared_and_the_reader_is_told(tmp_path: Path) -> None:
    folder = fakes_runs.make_study(tmp_path, conditions=("none", "mask"), n=40)
    run = next(Run(path) for path in folder.iterdir() if path.name.startswith("mask"))
    run.write_predictions(run.predictions().query("key >= 'test/00010'").sample(frac=1, random_state=0))
    study = load_study(folder)
    keys = [run.rows(test)["key"].tolist() for run in study.runs for test in run.conditions]
    assert len(keys) == 4
    assert all(found == keys[0] for found in keys)
    assert len(keys[0]) == 30
    assert any(
        "only the 30 faces that every run and condition shares (of up to 40)" in text
        for text in study.warnings
    )


def test_a_run_on_other_faces_is_left_out(tmp_path: Path) -> None:
    folder = fakes_runs.make_study(tmp_path, conditions=("none", "mask"), n=40)
    run = next(Run(path) for path in folder.iterdir() if path.name.startswith("mask"))
    rows = run.predictions()
    run.write_predictions(rows.assign(key="other/" + rows["key"]))
    study = load_study(folder)
    assert [item.reason for item in study.left_out] == [
        "It shares only 0 of its 40 test faces with the other runs on fakefaces."
    ]


def test_two_datasets_stay_apart(tmp_path: Path) -> None:
    for dataset in ("one", "two"):
        fakes_runs.make_run(tmp_path / "s", dataset=dataset, n=20)
    study = load_study(tmp_path / "s")
    assert [block.dataset for block in study.blocks] == ["one", "two"]
    assert any("several datasets (one, two)" in text for text in study.warnings)


def test_unlike_settings_are_never_averaged(tmp_path: Path) -> None:
    for rate in (0.1, 0.01):
        for seed in (0, 1):
            fakes_runs.make_run(tmp_path / "s", seed=seed, learning_rate=rate, n=20)
    study = load_study(tmp_path / "s")
    assert [block.variant for block in study.blocks] == ["optimizer.lr=0.01", "optimizer.lr=0.1"]
    assert study.blocks[0].title == "small_cnn on fakefaces (optimizer.lr=0.01)"
    assert [len(study.of(block)) for block in study.blocks] == [2, 2]


def test_settings_that_follow_the_seed_or_the_occlusion_tell_nothing_apart() -> None:
    designs = [
        design(
            condition,
            Training(seed, None),
            {"seed": seed, "data": {"seed": seed}, "occlusion": {"name": condition}, "depth": 0},
        )
        for condition in ("none", "mask")
        for seed in (0, 1)
    ]
    assert telling_apart(designs) == ([], [])


def test_a_setting_that_differs_between_conditions_is_reported() -> None:
    designs = [
        design("none", Training(0, None), {"epochs": 10}),
        design("mask", Training(0, None), {"epochs": 20}),
    ]
    assert telling_apart(designs) == ([], ["epochs"])


def test_a_missing_or_empty_study_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no study folder"):
        load_study(tmp_path / "absent")
    with pytest.raises(RunError, match="holds no run folder"):
        load_study(tmp_path)


def test_runs_under_other_drawings_of_the_occluders_are_kept_apart_and_told(tmp_path: Path) -> None:
    folder = fakes_runs.make_study(tmp_path, conditions=("mask",), n=30)
    assert not any("drawn by different versions" in told for told in load_study(folder).warnings)
    later = load_study(folder).runs[0].run
    earlier = fakes_runs.make_run(folder, condition="mask", seed=7, n=30)
    earlier.finish(replace(earlier.summary(), drawing=1))
    later.write_config(later.config() | {"drawing": 2})
    told = [told for told in load_study(folder).warnings if "drawn by different versions" in told]
    assert f"1 run by version 1, 1 run by version {DRAWING}" in told[0]
    assert "drawing" in telling_apart(
        [design("mask", Training(run.summary().seed, None), run.config()) for run in (earlier, later)]
    )[0]  # fmt: skip
