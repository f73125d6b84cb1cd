from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from occlufer.files import StorageError, atomic_path, clear_leftovers, locked, storage_error, write_text
from occlufer.types import OccluferError, RunError


def test_a_file_appears_whole_with_its_folders(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert [found.name for found in path.parent.iterdir()] == ["file.txt"]


def test_text_is_utf8_and_replaces_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old and longer")
    write_text(path, "größer")
    assert path.read_bytes() == "größer".encode()


@pytest.mark.parametrize("error", [RunError("told as it is"), KeyError("bug"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_file_and_passes_as_it_is(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(type(error)) as caught, atomic_path(path) as temporary:  # noqa: PT012
        temporary.write_text("new")
        raise error
    assert caught.value is error
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["file.txt"]


def test_a_full_disk_leaves_the_old_file_and_says_what_to_do(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(StorageError, match=r"file\.txt: No space left.*free some space.*paths\.outputs"):  # noqa: PT012, SIM117
        with atomic_path(path) as temporary:
            temporary.write_text("ne")
            raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["file.txt"]


def test_a_file_in_the_way_of_the_folder_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Could not write"), atomic_path(tmp_path / "file" / "inside.txt"):
        pass
    with pytest.raises(StorageError, match="Could not write"), locked(tmp_path / "file" / ".lock"):
        pass


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "free some space"), (errno.EDQUOT, "quota"), (errno.EACCES, "folder that you may write"),
     (errno.EROFS, "folder that you may write"), (errno.EIO, "check the disk")],
)  # fmt: skip
def test_each_fault_has_its_advice(number, advice):
    error = storage_error(Path("a/b.txt"), OSError(number, os.strerror(number)))
    assert isinstance(error, OccluferError)
    for part in ("a/b.txt", os.strerror(number), advice):
        assert part in str(error)


def test_leftovers_of_dead_writers_go_and_those_of_the_living_stay(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "checkpoints").mkdir()
    for name in (
        f"checkpoints/.last.ckpt.{dead.pid}.tmp",
        f".run.json.{os.getpid()}.tmp",
        ".mine.tmp",
        "a.1.tmp",
    ):
        (tmp_path / name).touch()
    clear_leftovers(tmp_path)
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {f".run.json.{os.getpid()}.tmp", ".mine.tmp", "a.1.tmp"}


_HOLD = """
import pathlib, sys
from occlufer.files import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
    pathlib.Path(sys.argv[2]).write_text("done before the lock was given up")
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds `.lock` until its input ends."""
    command = [sys.executable, "-c", _HOLD, str(tmp_path / ".lock"), str(tmp_path / "done")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_waits_for_the_other_process_and_says_so(tmp_path, holder):
    said = []

    def on_wait(message: str) -> None:
        said.append(message)
        if len(said) == 1:
            assert not (tmp_path / "done").exists()
            holder.stdin.close()
            holder.stdin = None

    with locked(tmp_path / ".lock", on_wait=on_wait):
        assert (tmp_path / "done").exists()
    assert len(said) == 2
    assert str(tmp_path) in said[0]


def test_a_killed_holder_gives_up_the_lock(tmp_path, holder):
    with locked(tmp_path / ".lock", on_wait=lambda message: holder.kill()):
        pass
    assert not (tmp_path / "done").exists()


def test_a_free_lock_says_nothing_and_is_given_back_after_an_error(tmp_path):
    said: list[str] = []
    for _ in range(2):
        with pytest.raises(KeyError), locked(tmp_path / "new" / ".lock", on_wait=said.append):
            raise KeyError
    assert said == []
