"""One configuration is one result: whatever the workers, or a kill on the way."""

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
        *inputs,
        *TINY_TRAINING,
        "trainer.max_epochs=4",
        "occlusion=mask",
        "scheduler=plateau",  # has a state of its own, as one_cycle has, under which tests/faults kills a training
        "scheduler.patience=0",
        "scheduler.factor=0.5",
        f"paths.outputs={folder}",
        *more,
    ]


def run_in(folder: Path) -> Run:
    (run,) = find_runs(folder / "fer2013")
    return run


@pytest.fixture
def expected(run_command, inputs: list[str], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in one go; skipped where it was trained before."""
    folder = tmp_path_factory.getbasetemp() / "undisturbed"
    run_command("train", words(inputs, folder))
    return run_in(folder)


def test_workers_change_nothing(run_command, inputs, expected, tmp_path):
    run_command("train", words(inputs, tmp_path, "loader.num_workers=2"))
    run = run_in(tmp_path)
    assert run.name == expected.name
    pd.testing.assert_frame_equal(run.predictions(), expected.predictions(), check_exact=True)


def test_a_killed_run_goes_on_to_the_same_result(run_command, inputs, expected, tmp_path, capsys):
    arguments = words(inputs, tmp_path)
    kill_after_epochs([sys.executable, "-m", "occlufer.cli", "train", *arguments], tmp_path, epochs=2)
    assert not run_in(tmp_path).finished
    capsys.readouterr()
    run_command("train", arguments)
    run = run_in(tmp_path)
    assert run.finished
    assert "going on after epoch" in capsys.readouterr().err
    pd.testing.assert_frame_equal(run.predictions(), expected.predictions(), check_exact=True)
    times = ["seconds"]
    pd.testing.assert_frame_equal(
        run.history().drop(columns=times), expected.history().drop(columns=times), check_exact=True
    )


def kill_after_epochs(command: list[str], folder: Path, *, epochs: int) -> None:
    """Start a training and SIGKILL it and its children as soon as so many epochs have a checkpoint."""
    process = subprocess.Popen(command, cwd=folder, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 600  # a machine may be busy
        while time.monotonic() < deadline and process.poll() is None:
            lasts = list(folder.glob("fer2013/*/checkpoints/last.ckpt"))
            if lasts and len(Run(lasts[0].parents[1]).history()) >= epochs:
                break
            time.sleep(0.02)
        assert process.poll() is None, "the training ended before it could be killed"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
