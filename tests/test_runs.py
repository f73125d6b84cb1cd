from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from occlufer.environment import environment
from occlufer.runs import (
    FORMAT,
    PREDICTION_COLUMNS,
    PROBABILITY_COLUMNS,
    Run,
    RunSummary,
    find_runs,
)
from occlufer.settings import DRAWING
from occlufer.types import RunError

SUMMARY = RunSummary(
    name="mask_resnet10t_seed0_12345678", study="first", condition="mask", dataset="fer2013", model="resnet10t", seed=0,
    fold=None, config_hash="12345678", conditions=("none", "mask"), best_epoch=3, best_score=0.5, epochs=5,
    seconds=12.5, finished="2026-01-01T00:00:00+00:00", counts={"train": 7, "validation": 7, "test": 7, "dropped": 1},
    parameters=10, notes=("a note – with a dash",),
)  # fmt: skip

CONFIG = {
    "study": "first",
    "seed": 0,
    "names": {"dataset": "fer2013", "occlusion": "mask", "model": "resnet10t"},
}


def predictions() -> pd.DataFrame:
    frame = pd.DataFrame(np.eye(7, dtype=np.float32), columns=list(PROBABILITY_COLUMNS))
    return frame.assign(key=list("abcdefg"), subject=None, split="test", condition="none", label=range(7),
                        prediction=range(7), covered_share=np.float32(0), content="00ff")  # fmt: skip


@pytest.fixture
def run(tmp_path) -> Run:
    folder = tmp_path / "study" / SUMMARY.name
    folder.mkdir(parents=True)
    return Run(folder)


@pytest.fixture
def whole(run) -> Run:
    run.write_config(CONFIG)
    run.write_predictions(predictions())
    run.finish(SUMMARY)
    return run


def test_a_summary_comes_back_as_it_was(whole):
    assert whole.finished
    assert whole.summary() == SUMMARY
    assert whole.state() == "Finished."
    assert whole.name == SUMMARY.name


def test_a_run_without_run_json_is_unfinished(run):
    run.write_config(CONFIG)
    assert not run.finished
    with pytest.raises(
        RunError, match=r"is not a finished run: it has no run\.json\. Unfinished after 0 epochs; run"
    ):
        run.summary()


@pytest.mark.parametrize(("epochs", "told"), [(1, "after 1 epoch;"), (3, "after 3 epochs;")])
def test_an_unfinished_run_says_how_far_it_got(run, epochs, told):
    run.write_table("history.csv", pd.DataFrame({"epoch": range(epochs)}))
    assert told in run.state()


def test_a_failed_run_says_why_until_it_finishes(run):
    run.write_json("failure.json", {"error": "RunError", "message": "the loss became nan", "when": "now"})
    assert run.state() == "Failed: the loss became nan"
    with pytest.raises(RunError, match="Failed: the loss became nan"):
        run.summary()
    run.finish(SUMMARY)
    assert run.state() == "Finished."
    assert not (run.folder / "failure.json").exists()


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\x00", b"[]", b"{}"])
def test_a_damaged_failure_json_is_still_a_failure(run, content):
    (run.folder / "failure.json").write_bytes(content)
    assert run.state() == "Failed: its failure.json cannot be read."


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\x00", b"[1]", b"null"])
def test_a_damaged_run_json_is_named(whole, content):
    (whole.folder / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json cannot be read .*Delete the run folder and train again"):
        whole.summary()


def change_summary(run: Run, **fields: Any) -> None:
    path = run.folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize("found", [0, 1, 4, None, "3"])
def test_another_format_is_refused_in_both_directions(whole, found):
    change_summary(whole, format=found)
    with pytest.raises(
        RunError, match=rf"has format {found!r}, .* reads format 3\. Read it with the version that"
    ):
        whole.summary()


def test_a_run_that_counted_epochs_from_zero_is_read_from_one(whole):
    best = whole.summary().best_epoch
    change_summary(whole, format=2)
    assert whole.summary().best_epoch == best + 1
    assert whole.summary().format == FORMAT
    for epochs in ([0, 1, 2], [1, 2, 3]):
        whole.write_table("history.csv", pd.DataFrame({"epoch": epochs, "val_f1_macro": [0.1, 0.2, 0.3]}))
        assert whole.history()["epoch"].tolist() == [1, 2, 3]


def test_a_run_that_does_not_count_drawings_was_drawn_by_the_first(whole):
    assert whole.summary().drawing == DRAWING > 1
    content = json.loads((whole.folder / "run.json").read_text())
    del content["drawing"]
    whole.write_json("run.json", content)
    assert whole.summary().drawing == 1


def test_odd_fields_are_named(whole):
    change_summary(whole, colour="blue")
    with pytest.raises(RunError, match=r"unexpected or missing fields \['colour'\]"):
        whole.summary()
    content = json.loads((whole.folder / "run.json").read_text())
    del content["colour"], content["seed"]
    whole.write_json("run.json", content)
    with pytest.raises(RunError, match=r"\['seed'\]"):
        whole.summary()


def test_a_configuration_comes_back(whole):
    assert whole.config() == CONFIG
    assert list(whole.config()) == list(CONFIG)


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\x00", None])
def test_a_damaged_or_missing_configuration_is_named(run, content):
    if content is not None:
        (run.folder / "config.yaml").write_bytes(content)
    with pytest.raises(RunError, match=r"(?s)config\.yaml cannot be read .*a run folder\?"):
        run.config()


@pytest.mark.parametrize("content", ["", "- a list"])
def test_a_configuration_that_is_none_is_named(run, content):
    (run.folder / "config.yaml").write_text(content)
    with pytest.raises(RunError, match=r"config\.yaml holds no configuration"):
        run.config()


def test_a_stored_configuration_cannot_run_code(run):
    (run.folder / "config.yaml").write_text("!!python/object/apply:os.mkdir ['made']")
    with pytest.raises(RunError, match="cannot be read"):
        run.config()


def test_predictions_come_back_in_the_declared_order(whole):
    rows = whole.predictions()
    assert tuple(rows.columns) == PREDICTION_COLUMNS
    pd.testing.assert_frame_equal(rows, predictions()[list(PREDICTION_COLUMNS)])


@pytest.mark.parametrize("content", [b"", b"PAR1 nothing PAR1", None])
def test_damaged_or_missing_predictions_are_named(run, content):
    if content is not None:
        (run.folder / "predictions.parquet").write_bytes(content)
    with pytest.raises(RunError, match=r"predictions\.parquet cannot be read .*occlufer evaluate"):
        run.predictions()


def test_a_truncated_parquet_is_named(whole):
    path = whole.folder / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RunError, match="cannot be read"):
        whole.predictions()


def test_predictions_of_another_version_are_named(run):
    predictions().drop(columns=["covered_share", "prob_fear"]).to_parquet(run.folder / "predictions.parquet")
    with pytest.raises(RunError, match=r"lacks the columns prob_fear, covered_share; .*another version"):
        run.predictions()


def test_predictions_of_runs_from_before_the_contents_were_kept_are_read(run):
    predictions().drop(columns=["content"]).to_parquet(run.folder / "predictions.parquet")
    assert run.predictions()["content"].isna().all()


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00\x01", b'a,b\n"1,2,3\n4,5,6,7\n'])
def test_a_missing_or_damaged_table_is_an_empty_one(run, content):
    for name in ("history.csv", "coverage.csv"):
        if content is not None:
            (run.folder / name).write_bytes(content)
    assert len(run.history()) == 0
    assert list(run.history().columns)[:1] == ["epoch"]
    assert list(run.coverage().columns) == ["split", "expression", "faces", "used", "dropped"]


def test_runs_are_found_by_name_unfinished_ones_too(tmp_path, whole):
    other = Run(whole.folder.parent / "a_run")
    other.write_config(CONFIG)
    (whole.folder.parent / "not_a_run").mkdir()
    (whole.folder.parent / "report.html").write_text("")
    assert [found.name for found in find_runs(tmp_path / "study")] == ["a_run", SUMMARY.name]


def test_no_study_and_an_empty_study_are_told_apart(tmp_path):
    with pytest.raises(RunError, match=r"There is no study folder .*none\. Give study=NAME"):
        find_runs(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=r"holds no run folder\. .*study=empty first"):
        find_runs(tmp_path / "empty")


def test_the_commit_is_that_of_this_code_and_of_no_repository_around_it(tmp_path, monkeypatch):
    def git(*words: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e"]
        return subprocess.run(
            ["git", *identity, *words], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    module = tmp_path / "environment.py"
    module.write_text("1")
    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "-m", "theirs")
    monkeypatch.setattr("occlufer.environment.__file__", str(module))
    assert environment()["git_commit"] is None
    git("add", "environment.py")
    git("commit", "--quiet", "-m", "ours")
    commit = git("rev-parse", "--short=12", "HEAD").strip()
    assert environment()["git_commit"] == commit
    module.write_text("2")
    assert environment()["git_commit"] == f"{commit}+"


def test_the_environment_says_what_is_needed_and_no_secrets(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "s3cret-key-of-mine")
    monkeypatch.setenv("A_TOKEN_OF_MINE", "s3cret-token")
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/occlufer", "train", "seed=1"])
    found = environment()
    text = json.dumps(found)
    assert "s3cret" not in text
    assert "A_TOKEN_OF_MINE" not in text
    assert found["command"] == ["occlufer", "train", "seed=1"]
    assert all(found["packages"][name] for name in ("torch", "mediapipe"))
    names = {"packages", "python", "platform", "cpus", "threads", "command", "git_commit", "written"}
    assert set(found) == names
    blas = [pool for pool in found["threads"] if pool["internal_api"] == "openblas"]
    assert blas
    assert all(pool["num_threads"] >= 1 and pool["architecture"] for pool in blas)
    home = os.environ.get("HOME", "")
    assert len(home) < 4 or home not in text
