from __future__ import annotations

import errno
import os
import resource
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import EarlyStopping

from occlufer.files import StorageError
from occlufer.learning.callbacks import MONITOR, AtomicCheckpointIO, History, checkpoint_callbacks


@pytest.fixture
def kept(tmp_path):
    """A checkpoint on disk that a failed write must not touch."""
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, path)
    return path


def unharmed(path: Any) -> bool:
    return torch.load(path, weights_only=True) == {"epoch": 1} and [
        found.name for found in path.parent.iterdir()
    ] == [path.name]


def test_a_checkpoint_replaces_the_one_before(kept):
    AtomicCheckpointIO().save_checkpoint({"epoch": 2}, kept)
    assert torch.load(kept, weights_only=True) == {"epoch": 2}
    assert [found.name for found in kept.parent.iterdir()] == [kept.name]


def test_a_disk_that_is_really_full_is_named_and_leaves_the_old_checkpoint(kept):
    """The system refuses to let the file grow; torch's own writer would say `unexpected pos`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(StorageError, match=r"Could not write .*last\.ckpt: File too large"):
            AtomicCheckpointIO().save_checkpoint({"weights": torch.zeros(1_000_000)}, kept)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert unharmed(kept)


def test_a_full_disk_says_what_to_do(kept, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"last\.ckpt: No space left on device.*free some space"):
        AtomicCheckpointIO().save_checkpoint({"epoch": 2}, kept)
    assert unharmed(kept)


def test_a_checkpoint_that_cannot_be_made_leaves_the_old_one(kept):
    with pytest.raises((AttributeError, TypeError), match=r"pickle|local object"):
        AtomicCheckpointIO().save_checkpoint({"bad": lambda: None}, kept)
    assert unharmed(kept)


def test_history_survives_its_checkpoint(tmp_path):
    first = History(lambda rows: None)
    first.rows = [{"epoch": 1, "val_loss": 1.5}, {"epoch": 2, "val_loss": 1.25}]
    path = tmp_path / "state.pt"
    torch.save(first.state_dict(), path)
    second = History(lambda rows: None)
    second.load_state_dict(torch.load(path, weights_only=True))
    assert second.rows == first.rows
    second.rows.append({"epoch": 3, "val_loss": 1.0})
    assert len(first.rows) == 2


def test_a_checkpoint_that_counted_epochs_from_zero_goes_on_from_one():
    history = History(lambda rows: None)
    history.load_state_dict(
        {"rows": [{"epoch": 0, "val_loss": 1.5}, {"epoch": 1, "val_loss": 1.2}], "seconds": 1.0}
    )
    assert [row["epoch"] for row in history.rows] == [1, 2]


def test_history_adds_the_seconds_of_earlier_sessions():
    history = History(lambda rows: None)
    history.load_state_dict({"rows": [], "seconds": 5000.0})
    assert 5000 <= history.seconds < 5100
    later = History(lambda rows: None)
    later.load_state_dict(history.state_dict())
    assert later.seconds >= history.state_dict()["seconds"] - 100


def test_early_stopping_is_there_when_asked():
    assert not [c for c in checkpoint_callbacks("x", patience=None) if isinstance(c, EarlyStopping)]  # type: ignore[arg-type]
    (stop,) = [c for c in checkpoint_callbacks("x", patience=3) if isinstance(c, EarlyStopping)]  # type: ignore[arg-type]
    assert (stop.monitor, stop.mode, stop.patience) == (MONITOR, "max", 3)
