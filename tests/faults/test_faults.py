"""What goes wrong around a training: each fault says what to do, and following it ends as if nothing had happened."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import wandb

from fakes import TINY_TRAINING, tiny_fer2013
from occlufer.data.faces import ConditionedFaces
from occlufer.files import StorageError
from occlufer.learning.module import ExpressionClassifier
from occlufer.runs import Run, find_runs
from occlufer.tasks.loading import loading
from occlufer.tasks.recording import Recorder
from occlufer.types import DatasetError, OccluferError, RunError

CAPABILITIES = 0x20080522  # linux/capability.h: version 3, two words a set


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def inputs(folder: Path) -> list[str]:
    return tiny_fer2013(folder)


class Bench:
    """Trains with the fault of a test; a finished run of another seed lies beside it, and must not be touched.

    Attributes:
        expected: the run of an undisturbed training.
    """

    def __init__(
        self, train: Callable[[list[str]], Any], inputs: list[str], folder: Path, expected: Run
    ) -> None:
        self._train, self._inputs, self.folder, self.expected = train, inputs, folder, expected
        self.study = folder / "fer2013"
        self.other = Path(shutil.copytree(expected.folder, self.study / "none_other_seed7_00000000"))
        self._before = self.contents()

    def contents(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in self.other.rglob("*") if path.is_file()}

    def train(self, *words: str) -> Run:
        self._train(words_of(self._inputs, self.folder, *words))
        return self.run

    def fails(self, error: type[OccluferError], message: str, *words: str) -> str:
        """The training fails with that error, and its run folder says the same."""
        with pytest.raises(error, match=message) as caught:
            self.train(*words)
        told = str(caught.value)
        assert len(told) < 700, "a message, not a traceback"
        assert not self.run.finished
        assert self.run.state() == f"Failed: {told}"
        self.check_others()
        return told

    @property
    def run(self) -> Run:
        (run,) = (run for run in find_runs(self.study) if run.folder != self.other)
        return run

    def check_others(self) -> None:
        assert self.contents() == self._before

    def check_same(self, run: Run) -> None:
        """The run ended as the undisturbed one, and left nothing temporary."""
        assert run.finished
        pd.testing.assert_frame_equal(run.predictions(), self.expected.predictions(), check_exact=True)
        histories = (each.history().drop(columns="seconds") for each in (run, self.expected))
        pd.testing.assert_frame_equal(*histories, check_exact=True)
        assert not (run.folder / "failure.json").exists()
        assert not list(self.folder.rglob("*.tmp"))
        self.check_others()


def words_of(inputs: list[str], folder: Path, *words: str) -> list[str]:
    paths = [word for word in inputs if not word.startswith("paths.outputs")]
    return [
        *paths,
        *TINY_TRAINING,
        "trainer.max_epochs=3",
        "conditions=[none]",
        f"paths.outputs={folder}",
        *words,
    ]


@pytest.fixture
def bench(run_command, inputs, folder, tmp_path) -> Bench:
    """The first test that asks trains the undisturbed run, for the others it is skipped."""

    def train(words: list[str]) -> None:
        run_command("train", words)

    train(words_of(inputs, folder / "undisturbed"))
    (expected,) = find_runs(folder / "undisturbed" / "fer2013")
    return Bench(train, inputs, tmp_path, expected)


def after_epochs(count: int, monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Do something once so many rows are in history.csv; the checkpoint of the last one is not written yet."""
    write = Recorder.write_history

    def then_act(self: Recorder, rows: list[dict[str, float]]) -> None:
        write(self, rows)
        if len(rows) == count:
            act()

    monkeypatch.setattr(Recorder, "write_history", then_act)


# --- The disk.


def test_a_disk_that_is_full_after_an_epoch(bench, monkeypatch):
    fsync, room = os.fsync, 2  # best.ckpt and last.ckpt of the first epoch

    def full(descriptor: int) -> None:
        nonlocal room
        if ".ckpt." in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            if room == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            room -= 1
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    bench.fails(
        StorageError, r"\.ckpt: No space left.*Nothing finished was lost; free some space.*paths\.outputs"
    )
    assert torch.load(bench.run.checkpoint_last, weights_only=True)["epoch"] == 0
    monkeypatch.undo()
    bench.check_same(bench.train())


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


@pytest.fixture
def ordinary() -> Iterator[None]:
    """Root as an ordinary owner: without the capabilities that let it write where the permissions do not."""
    if os.geteuid() != 0:
        yield
        return
    libc, header = ctypes.CDLL(None, use_errno=True), _Header(CAPABILITIES, 0)
    kept = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, twice
    assert libc.capget(ctypes.byref(header), ctypes.byref(kept)) == 0
    less = type(kept)(*kept)
    less[0] &= ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    assert libc.capset(ctypes.byref(header), ctypes.byref(less)) == 0
    yield
    assert libc.capset(ctypes.byref(header), ctypes.byref(kept)) == 0


@pytest.fixture
def sealed(bench, ordinary) -> Iterator[Bench]:
    """A study that may be read and not written."""
    folders = [bench.study, *(path for path in bench.study.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    yield bench
    for path in folders:
        path.chmod(0o755)


def test_outputs_that_are_read_only(sealed, run_command, capsys):
    study = f"study={sealed.study}"
    with pytest.raises(
        StorageError, match=r"Permission denied.*a folder that you may write with paths\.outputs"
    ):
        sealed.train()
    with pytest.raises(StorageError, match=r"Could not write .*Permission denied.*may write"):
        run_command("report", [study])
    run_command("status", [study])
    assert "1 done" in capsys.readouterr().out
    sealed.check_others()
    assert [path.name for path in sealed.study.iterdir()] == [sealed.other.name]


# --- The dataset.


def training_face(inputs: list[str]) -> Path:
    root = Path(
        next(word for word in inputs if word.startswith("dataset.root=")).removeprefix("dataset.root=")
    )
    return max((root / "train" / "fear").iterdir())


@pytest.fixture
def face(inputs, tmp_path) -> Iterator[Path]:
    """An image of the training part; put back at the end."""
    path = training_face(inputs)
    shutil.copy(path, tmp_path / "kept")
    yield path
    shutil.copy(tmp_path / "kept", path)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_vanishes_between_epochs(bench, face, monkeypatch, tmp_path, workers):
    """Read in the training process or in a loader worker, whose error torch wraps in a traceback."""
    after_epochs(1, monkeypatch, face.unlink)
    told = bench.fails(
        DatasetError,
        rf"{face.name}: cannot be opened: No such file.*Put it back",
        f"loader.num_workers={workers}",
    )
    assert "Traceback" not in told
    monkeypatch.undo()
    shutil.copy(tmp_path / "kept", face)
    bench.check_same(bench.train())


def test_an_image_that_vanishes_before_a_run_goes_on(bench, face, monkeypatch, tmp_path):
    """A folder lists what it holds: nobody but the run knows that a face is missing."""

    def interrupt() -> None:
        face.unlink()
        raise OccluferError("stopped here")

    after_epochs(2, monkeypatch, interrupt)
    bench.fails(OccluferError, "stopped here")
    monkeypatch.undo()
    bench.fails(
        RunError, r"faces have changed since .* began: 21 train.* then, 20 train.* now\. Put them back"
    )
    shutil.copy(tmp_path / "kept", face)
    bench.check_same(bench.train())


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_goes_on_to_the_same_result_with_any_workers(bench, monkeypatch, workers):
    """Workers that load ahead once began a resumed epoch with the order and the draws of the first one."""

    def interrupt() -> None:
        raise OccluferError("stopped here")

    after_epochs(2, monkeypatch, interrupt)
    bench.fails(OccluferError, "stopped here", f"loader.num_workers={workers}")
    monkeypatch.undo()
    bench.check_same(bench.train(f"loader.num_workers={workers}"))


# --- The training.


def test_a_loss_that_becomes_nan_in_the_second_epoch(bench, monkeypatch):
    begin = ExpressionClassifier.on_train_epoch_start

    def poisoned(self: ExpressionClassifier) -> None:
        begin(self)
        if self.current_epoch == 1:
            with torch.no_grad():
                next(self.network.parameters()).fill_(float("nan"))

    monkeypatch.setattr(ExpressionClassifier, "on_train_epoch_start", poisoned)
    bench.fails(RunError, r"loss became nan in epoch 2\. Lower optimizer\.lr.*epoch before is kept")
    weights = torch.load(bench.run.checkpoint_last, weights_only=True)["state_dict"]
    assert all(torch.isfinite(value).all() for value in weights.values())
    monkeypatch.undo()
    bench.check_same(bench.train())


@pytest.mark.parametrize("moment", ["training", "test"])
def test_a_loader_worker_that_is_killed_for_memory(bench, monkeypatch, moment):
    load = ConditionedFaces.__getitem__

    def greedy(self: ConditionedFaces, ticket: tuple[int, int]) -> Any:
        here = (
            ticket[0] == 1
            if moment == "training"
            else "test" in self.renderer.faces.manifest.splits[self.indices]
        )
        if here and torch.utils.data.get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)  # as the system's out-of-memory killer does
        return load(self, ticket)

    monkeypatch.setattr(ConditionedFaces, "__getitem__", greedy)
    bench.fails(
        RunError,
        r"loader worker was killed \((Killed|no signal is known)\).*memory.*loader\.num_workers=0",
        "loader.num_workers=1",
    )
    bench.check_same(bench.train("loader.num_workers=0"))  # as the message says, while memory is still short


@pytest.mark.parametrize(
    ("said", "message"),
    [
        # torch 2.14's words, as met; the worker's own error is what was being handled
        ("DataLoader worker (pid(s) 7, 8) exited unexpectedly", "no signal is known"),
        ("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that ...", r"\(Bus error\)"),
        ("[/__w/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:51115",
         "Another process of this training ended.*run the same command"),
    ],
)  # fmt: skip
def test_what_torch_says_is_translated(said, message):
    with pytest.raises(RunError, match=message), loading():
        raise RuntimeError(said)


def test_other_errors_pass_as_they_are():
    for error in (RuntimeError("shapes do not fit"), RunError("ours"), KeyError("bug")):
        with pytest.raises(type(error)) as caught, loading():
            raise error
        assert caught.value is error


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_a_checkpoint_that_is_cut_off(bench, name):
    """Following the message ends in the same run. The best one is asked for when a scoring goes on."""
    bench.train()
    (bench.run.folder / "run.json").unlink()
    if name == "last.ckpt":
        (bench.run.folder / "trained.json").unlink()
    path = bench.run.folder / "checkpoints" / name
    path.write_bytes(path.read_bytes()[:1000])
    told = bench.fails(RunError, rf"{name} is damaged .*; other runs are not touched\.")
    if "Delete it to" in told:
        path.unlink()
    else:
        assert f"Delete the run folder {bench.run.folder} to" in told
        shutil.rmtree(bench.run.folder)
    bench.check_same(bench.train())


# --- wandb.


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # wandb's own
def test_a_wandb_that_does_not_answer_in_time_costs_no_result(bench, monkeypatch):
    def silent(**settings: Any) -> None:
        assert settings["settings"].init_timeout <= 60
        raise wandb.errors.CommError("Run initialization has timed out after 30.0 sec.")

    monkeypatch.setattr(wandb, "init", silent)
    with pytest.warns(UserWarning, match=r"timed out after 30\.0 sec.*the run goes on without it"):
        run = bench.train("logger=wandb")
    bench.check_same(run)


@pytest.mark.slow
def test_a_wandb_that_is_killed_in_the_middle_costs_no_result(inputs, bench, tmp_path):
    """The real one, in a real process: its service dies after the first epoch."""
    home = dict.fromkeys(
        ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"), str(tmp_path / "home")
    )
    command = [sys.executable, "-m", "occlufer.cli", "train", *words_of(inputs, tmp_path, "logger=wandb")]
    # A service that another test started in this process is not to be shared.
    own = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    log = tmp_path / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=stream, stderr=stream, env=own | home | {"COLUMNS": "200"}
        )
        try:
            wait_until(lambda: "epoch 1 of" in log.read_text() or process.poll() is not None)
            killed = [
                pid for pid in children(process.pid) if "wandb" in Path(f"/proc/{pid}/cmdline").read_text()
            ]
            for pid in killed:
                os.kill(pid, signal.SIGKILL)
            assert process.wait(timeout=240) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()
    assert killed, "there was no service to kill"
    assert "the run goes on without it. Its record is complete in the run folder." in log.read_text()
    bench.check_same(bench.run)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    return [
        int(word)
        for path in Path(f"/proc/{pid}/task").glob("*/children")
        for word in path.read_text().split()
    ]
