"""Sweeps and signals, with real trainings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fakes import TINY_TRAINING, tiny_fer2013
from occlufer.runs import Run, find_runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return tiny_fer2013(tmp_path_factory.mktemp("inputs"))


def test_a_ddp_job_of_a_sweep_gives_one_folder_and_every_face_once(occlufer, inputs, tmp_path):
    words = [
        "train", "-m", *inputs, *TINY_TRAINING, "trainer.max_epochs=1", f"paths.outputs={tmp_path}", "trainer=ddp_cpu",
        "conditions=[none,mask]", "occlusion=mask", "hydra/launcher=local", "hydra.launcher.cpus=2",
        "hydra.launcher.cpus_per_job=1",
    ]  # fmt: skip
    result = occlufer(*words, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (run,) = find_runs(tmp_path / "fer2013")
    rows, faces = run.predictions(), run.summary().counts["test"]
    assert faces % 2 == 1, "an odd number of faces would show one scored twice"
    for condition in ("none", "mask"):
        keys = rows.loc[rows.condition == condition, "key"]
        assert len(keys) == keys.nunique() == faces
    assert len(run.history()) == 1
    again = occlufer(*words, cwd=tmp_path)
    assert again.returncode == 0
    assert "1 job: 1 skipped" in again.stderr
    assert "running" not in again.stderr


def test_a_module_in_the_working_directory_is_not_taken_for_a_library(tmp_path):
    """Jobs run by `python -m`, which looks there first; they end here with their own sentence, not with an import."""
    for name in ("yaml.py", "signal.py", "ctypes.py", "submitit.py"):
        (tmp_path / name).write_text("raise SystemExit('a stray module')")
    words = [
        "dataset=image_folder",
        "dataset.root=nowhere",
        "seed=0",
        "study=s",
        "paths.outputs=o",
        "paths.cache=c",
    ]
    command = [sys.executable, "-P", "-m", "occlufer", "train", "-m", "hydra/launcher=local", *words]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert result.returncode == 1
    assert "nowhere" in result.stderr
    assert "stray" not in result.stderr + "".join(log.read_text() for log in tmp_path.glob("o/s/logs/*"))


def test_sigterm_stops_a_run_cleanly_and_ends_its_sweep(inputs, tmp_path):
    words = [
        *inputs,
        *TINY_TRAINING,
        f"paths.outputs={tmp_path}",
        "trainer.max_epochs=500",
        "loader.num_workers=1",
    ]
    command = [sys.executable, "-m", "occlufer.cli", "train", "-m", *words, "occlusion=none,mask"]
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and not list(tmp_path.glob("fer2013/*/checkpoints/last.ckpt")):
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGTERM)  # with the loader workers, as a queue or a container does
        assert process.wait(timeout=120) == 143
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    (run,) = find_runs(tmp_path / "fer2013")
    assert run.failure is None
    assert not run.running
    assert Path(run.checkpoint_last).is_file()
    assert "run the same command to go on" in Run(run.folder).state()
