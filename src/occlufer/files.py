"""Writing files so that a kill at any moment leaves either the old file or the new one. Standard library only."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from occlufer.types import OccluferError


class StorageError(OccluferError):
    """A file or folder that cannot be written."""


def storage_error(path: Path, error: OSError) -> StorageError:
    """The sentence for a failed write: what was being written, why it failed, what to do."""
    advice = {
        errno.ENOSPC: "free some space, or point paths.outputs / paths.cache at another disk, and run it again",
        errno.EDQUOT: "free some of your quota, or point paths.outputs / paths.cache elsewhere, and run it again",
        errno.EACCES: "choose a folder that you may write with paths.outputs / paths.cache",
        errno.EPERM: "choose a folder that you may write with paths.outputs / paths.cache",
        errno.EROFS: "choose a folder that you may write with paths.outputs / paths.cache",
    }.get(error.errno or 0, "check the disk, and run it again")
    return StorageError(
        f"Could not write {path}: {error.strerror or error}. Nothing finished was lost; {advice}."
    )


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on a clean exit it is flushed to disk and renamed to `path`.

    On any error the temporary file is removed and `path` keeps what it held. An `OSError` becomes a `StorageError`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def clear_leftovers(folder: Path, names: str = "**/.*.tmp") -> None:
    """Remove what killed writers left of `atomic_path` below `folder`, under the given names (a glob).

    A writer that lives on this machine keeps its file. Of others nothing is known: hold a lock where they write.
    """
    for left in list(folder.glob(names)):
        writer = left.name.split(".")[-2]
        if writer.isdigit() and not _lives(int(writer)):
            with contextlib.suppress(OSError):
                left.unlink()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's process
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def locked(path: Path, *, on_wait: Callable[[str], None] = lambda message: None) -> Iterator[None]:
    """Hold the lock file `path`; says so once through `on_wait` if another process holds it.

    The operating system drops the lock when its holder dies, so a killed builder never blocks the next one.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait(f"Another process is at work under {path.parent}; waiting for it to finish.")
            started = time.monotonic()
            lock.acquire()
            on_wait(f"Waited {time.monotonic() - started:.0f} s.")
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        yield
    finally:
        lock.release()


def held(path: Path) -> bool:
    """Whether a live process, this one included, holds the lock file `path` (see `locked`). Writes nothing."""
    if not path.is_file():
        return False
    lock = FileLock(path, is_singleton=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # a folder of somebody else's: nobody who could train there told us
        return False
    lock.release()
    return False
