"""A training, its evaluation and its report ask no network, and with all landmarks in the cache need no mediapipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakes import tiny_fer2013

# Run by every Python that starts with this folder on its path: loaders and other children too.
GUARD = """
import importlib.abc, os, socket, sys, traceback

def forbid(what):
    with open(os.environ["TOLD"], "a") as told:
        told.write(what + "\\n" + "".join(traceback.format_stack()[-8:]))
    raise RuntimeError(what + " is forbidden here")

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "mediapipe":
            forbid("mediapipe")

sys.meta_path.insert(0, Finder())

def local(host):
    return host in (None, "", "localhost", "127.0.0.1", "::1", b"localhost", socket.gethostname())

def guarded(name):
    real = getattr(socket.socket, name)
    def call(self, address, *rest):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not local(address[0]):
            forbid(f"a connection to {address}")
        return real(self, address, *rest)
    setattr(socket.socket, name, call)

for name in ("connect", "connect_ex"):
    guarded(name)
resolve = socket.getaddrinfo
def getaddrinfo(host, *rest, **more):
    if not local(host):
        forbid(f"the address of {host}")
    return resolve(host, *rest, **more)
socket.getaddrinfo = getaddrinfo
"""


# Several commands one after the other in a process: `COMMANDS WORDS -- WORDS -- ...`; RUN is the one run that is there.
COMMANDS = """
import itertools, pathlib, sys
from occlufer.cli import main
for last, words in itertools.groupby(sys.argv[1:], lambda word: word == "--"):
    if not last:
        runs = [str(path.parent) for path in pathlib.Path().rglob("run.json")]
        sys.argv[1:] = [f"run={runs[0]}" if word == "run=RUN" else word for word in words]
        main()
"""


@pytest.mark.slow
def test_nothing_calls_home(tmp_path: Path) -> None:
    """With wandb, which a run with `logger=csv` does without."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sitecustomize.py").write_text(GUARD)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "guard"), os.environ.get("PYTHONPATH", "")]),
        "TOLD": str(tmp_path / "told"), "HOME": str(tmp_path),
    }  # fmt: skip
    for name in ("NO_ALBUMENTATIONS_UPDATE", "WANDB_ERROR_REPORTING"):
        environment.pop(name, None)

    inputs = tiny_fer2013(tmp_path)
    paths = [word for word in inputs if word.startswith("paths.")]
    train = ["train", *inputs, "study=s", "model=plain_cnn", "model.widths=[8,8]", "image.size=32",
             "loader.num_workers=1", "loader.batch_size=8", "trainer.max_epochs=1", "occlusion=mask",
             "augmentation=standard", "logger=wandb"]  # fmt: skip
    evaluate, report = ["evaluate", "run=RUN", "conditions=[headset]", *paths], ["report", "study=s", *paths]
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, *train, "--", *evaluate, "--", *report],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    told = (tmp_path / "told").read_text() if (tmp_path / "told").exists() else ""
    assert (done.returncode, told) == (0, ""), done.stderr[-3000:]
    assert list(tmp_path.rglob("report.html"))
