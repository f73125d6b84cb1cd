"""Sets of drawn faces on disk: drawn once, trusted only when complete, drawn anew when damaged.

A set is a folder with

    images.npy       uint8 (N, S, S, 3) RGB
    landmarks.npy    float32 (N, 468, 3)
    faces.parquet    one row a face, `faces.DrawnFace.facts`
    complete.json    written last: what was drawn, and the BLAKE2b digest of each file

It is made under a temporary name and renamed when complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from occlufer.files import locked, storage_error
from occlufer.processes import spawn_context
from occlufer.synthesis.faces import VERSION
from occlufer.synthesis.pool import Task, draw_all
from occlufer.types import LANDMARK_COUNT

IMAGES, LANDMARKS, TABLE, COMPLETE = "images.npy", "landmarks.npy", "faces.parquet", "complete.json"

Progress = Callable[[int, int], None]


def set_folder(root: Path, task: Task) -> Path:
    """Where a set lies below the cache folder `root`."""
    return root / f"v{VERSION}_{task.difficulty}_{task.size}x{task.image_size}px_seed{task.seed}"


def ensure(
    root: Path,
    task: Task,
    *,
    workers: int | None,
    on_progress: Progress = lambda done, total: None,
    on_message: Callable[[str], None] = lambda message: None,
) -> Path:
    """The folder of a complete set, drawn now if it is missing or damaged.

    Args:
        root: cache folder, made if need be.
        task: the set.
        workers: see `pool.draw_all`.
        on_progress: called with (faces drawn, faces to draw).
        on_message: called with sentences for the user.

    Raises:
        StorageError: the folder cannot be written.
        OccluferError: a worker was killed.
    """
    folder = set_folder(root, task)
    if problem(folder, task) is None:
        return folder
    spawn_context()  # before the lock, for which a script without a guard would wait for ever
    with locked(root / f"{folder.name}.lock", on_wait=on_message):
        found = problem(folder, task)  # again: another process may have drawn it meanwhile
        if found is None:
            return folder
        if folder.exists():
            on_message(f"The drawn faces in {folder} are damaged ({found}); drawing them anew.")
        try:
            _clear(root, folder)
            _build(root, folder, task, workers, on_progress)
        except OSError as error:
            raise storage_error(folder, error) from error
    return folder


def problem(folder: Path, task: Task) -> str | None:
    """Why a set cannot be trusted; None when it can. Reads all of it: about a second for a gigabyte."""
    try:
        record = json.loads((folder / COMPLETE).read_text(encoding="utf-8"))
        digests = record["digests"]
        if record["version"] != VERSION or record["task"] != asdict(task):
            return "it holds other faces"
        for name in (IMAGES, LANDMARKS, TABLE):
            if _digest(folder / name) != digests[name]:
                return f"{name} has changed"
    except OSError as error:
        return f"{Path(str(error.filename)).name}: {error.strerror}"
    except (ValueError, KeyError, TypeError):
        return f"{COMPLETE} cannot be read"
    return None


def _clear(root: Path, folder: Path) -> None:
    """Remove what a killed process left; whoever holds the lock is the only builder."""
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob(f".{folder.name}.*.tmp"):
        shutil.rmtree(left, ignore_errors=True)
    if folder.exists():
        shutil.rmtree(folder)


def _build(root: Path, folder: Path, task: Task, workers: int | None, on_progress: Progress) -> None:
    temporary = root / f".{folder.name}.{os.getpid()}.tmp"
    temporary.mkdir()
    try:
        _draw_into(temporary, task, workers, on_progress)
        digests = {name: _digest(temporary / name) for name in (IMAGES, LANDMARKS, TABLE)}
        record = {"version": VERSION, "task": asdict(task), "digests": digests}
        with (temporary / COMPLETE).open("w", encoding="utf-8") as handle:
            json.dump(record, handle, indent=2)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _draw_into(folder: Path, task: Task, workers: int | None, on_progress: Progress) -> None:
    """Plain writes rather than a memory map, which would kill the process when the disk is full."""
    facts = []
    side = task.image_size
    with (
        (folder / IMAGES).open("wb") as images,
        (folder / LANDMARKS).open("wb") as landmarks,
        contextlib.closing(draw_all(task, workers)) as faces,
    ):
        _header(images, (task.size, side, side, 3), "|u1")
        _header(landmarks, (task.size, LANDMARK_COUNT, 3), "<f4")
        on_progress(0, task.size)
        for done, face in enumerate(faces, start=1):
            images.write(face.image_HWC.tobytes())
            landmarks.write(face.landmarks_N3.astype("<f4").tobytes())
            facts.append(face.facts)
            on_progress(done, task.size)
        for handle in (images, landmarks):
            handle.flush()
            os.fsync(handle.fileno())
    pd.DataFrame(facts).to_parquet(folder / TABLE, index=False)


def _header(handle: BinaryIO, shape: tuple[int, ...], dtype: str) -> None:
    """The head of a .npy file, version 1 (numpy.lib.format); dtype as numpy spells it in files."""
    fields = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(handle, fields)


def _digest(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
