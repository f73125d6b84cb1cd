"""One configuration is one result: whatever the workers, the devices, or a kill on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from fakes import TINY_TRAINING, tiny_fer2013
from occlufer.runs import Run, find_runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return tiny_fer2013(tmp_path_factory.mktemp("inputs"))


def words(inputs: list[str], folder: Path, *more: str) -> list[str]:
    return [
        "train",
        *inputs,
        *TINY_TRAINING,
        "trainer.max_epochs=5",
        "occlusion=mask",
        f"paths.outputs={folder}",
        *more,
    ]


def run_in(folder: Path) -> Run:
    (run,) = find_runs(folder / "fer2013")
    return run


def finished(result: subprocess.CompletedProcess[str], folder: Path) -> Run:
    assert result.returncode == 0, result.stderr
    return run_in(folder)


@pytest.fixture(scope="module")
def undisturbed(inputs: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A run in one go, for each schedule that has its own state."""
    runs = {}
    for schedule in ("one_cycle", "plateau"):
        folder = tmp_path_factory.mktemp(schedule)
        command = [sys.executable, "-m", "occlufer.cli", *words(inputs, folder, *schedule_words(schedule))]
        runs[schedule] = finished(subprocess.run(command, cwd=folder, capture_output=True, text=True), folder)
    return runs


def schedule_words(schedule: str) -> list[str]:
    return [
        f"scheduler={schedule}",
        *(["scheduler.patience=0", "scheduler.factor=0.5"] if schedule == "plateau" else []),
    ]


def test_workers_change_nothing(occlufer, inputs, undisturbed, tmp_path):
    run = finished(occlufer(*words(inputs, tmp_path, "loader.num_workers=2"), cwd=tmp_path), tmp_path)
    assert run.name == undisturbed["one_cycle"].name
    pd.testing.assert_frame_equal(run.predictions(), undisturbed["one_cycle"].predictions(), check_exact=True)


@pytest.mark.parametrize("schedule", ["one_cycle", "plateau"])
def test_a_killed_run_goes_on_to_the_same_result(occlufer, inputs, undisturbed, tmp_path, schedule):
    arguments = words(inputs, tmp_path, *schedule_words(schedule))
    kill_after_epochs([sys.executable, "-m", "occlufer.cli", *arguments], tmp_path, epochs=2)
    assert not run_in(tmp_path).finished
    result = occlufer(*arguments, cwd=tmp_path)
    run = finished(result, tmp_path)
    assert "going on after epoch" in result.stderr
    expected = undisturbed[schedule]
    pd.testing.assert_frame_equal(run.predictions(), expected.predictions(), check_exact=True)
    times = ["seconds"]
    pd.testing.assert_frame_equal(
        run.history().drop(columns=times), expected.history().drop(columns=times), check_exact=True
    )


def kill_after_epochs(command: list[str], folder: Path, *, epochs: int) -> None:
    """Start a training and SIGKILL it and its children as soon as so many epochs have a checkpoint."""
    process = subprocess.Popen(command, cwd=folder, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            lasts = list(folder.glob("fer2013/*/checkpoints/last.ckpt"))
            if lasts and len(Run(lasts[0].parents[1]).history()) >= epochs:
                break
            time.sleep(0.02)
        assert process.poll() is None, "the training ended before it could be killed"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_two_ddp_processes_score_every_face_once(occlufer, inputs, tmp_path):
    result = occlufer(*words(inputs, tmp_path, "trainer=ddp_cpu", "trainer.max_epochs=1"), cwd=tmp_path)
    run = finished(result, tmp_path)
    rows = run.predictions()
    faces = run.summary().counts["test"]
    assert faces % 2 == 1, "an odd number of faces would show one scored twice"
    for condition in ("none", "mask", "headset"):
        keys = rows.loc[rows.condition == condition, "key"]
        assert len(keys) == keys.nunique() == faces
    assert len(run.history()) == 1
