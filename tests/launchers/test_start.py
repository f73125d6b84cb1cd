"""The process that starts a sweep: the real command, with trainings that are fakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from launchers.sweep_fakes import Sweeps

FAKE = Path(__file__).with_name("fake_train.py")
HEAVY = [
    "torch",
    "pytorch_lightning",
    "lightning_fabric",
    "pandas",
    "timm",
    "mediapipe",
    "cv2",
    "wandb",
    "ray",
]

CODE = f"""
import sys
from occlufer import cli
from occlufer.launchers import base
base.train_command = lambda job, words, folders: [sys.executable, {str(FAKE)!r}, str(job.folder.folder)]
try:
    cli.main()
finally:
    print([name for name in {HEAVY!r} if name in sys.modules])
"""


def test_the_parent_of_a_sweep_loads_nothing_heavy_and_names_what_failed(tmp_path):
    sweeps = Sweeps(tmp_path)
    sweeps.ask({"seed1": "fail"})
    words = ["train", "-m", "hydra/launcher=local", "seed=0,1,2", "study=s", f"paths.outputs={tmp_path}"]
    result = subprocess.run(
        [sys.executable, "-c", CODE, *words], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert result.stdout.splitlines()[-1] == "[]"
    assert result.returncode == 1
    assert "1 of 3 jobs did not finish: job 1 (seed=1)" in result.stderr
    assert "the dog ate it" in result.stderr
    assert sweeps.attempts() == {0: 1, 1: 1, 2: 1}


def test_only_trainings_are_launched(tmp_path):
    words = ["report", "-m", "hydra/launcher=local", "study=a,b", f"paths.outputs={tmp_path}"]
    result = subprocess.run(
        [sys.executable, "-c", CODE, *words], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert result.returncode == 1
    assert "hydra/launcher=local starts trainings" in result.stderr
