"""Faces that are drawn, not photographed: `dataset=synthetic` needs no data at all. See `occlufer.synthesis`."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from occlufer.datasets.base import FaceDataset
from occlufer.datasets.manifest import Manifest
from occlufer.progress import progress, say
from occlufer.synthesis import store
from occlufer.synthesis.expressions import difficulty_named
from occlufer.synthesis.faces import FACES_A_PERSON
from occlufer.synthesis.pool import Task
from occlufer.types import SPLITS, ConfigError, FloatArray, UInt8Array

_SIZE_RANGE = (24, 512)  # pixels


class SyntheticFaces(FaceDataset):
    """Drawn faces with known landmarks, action units and identities; every person shows all seven expressions.

    The faces are drawn when they are first asked for and kept below `cache`. Splits are by person. Beside the usual
    columns the manifest has those of `occlufer.synthesis.faces.DrawnFace.facts`.

    Args:
        cache: folder for drawn sets.
        size: faces, all splits together; at least 21.
        image_size: height and width in pixels, 24..512.
        seed: 0 or more; another seed draws other people.
        difficulty: easy, default or hard, see `occlufer.synthesis.expressions`.
        validation_share, test_share: of the people; at least one each.
        workers: processes that draw; None: one a core; 1: this process.
        name: of the dataset.
        on_progress: called with (faces drawn, faces to draw); None: a progress bar, or a few lines where
            there is no terminal.

    Raises:
        ConfigError: an argument out of its range.
        StorageError: the cache cannot be written.
    """

    def __init__(
        self,
        *,
        cache: str,
        size: int = 6000,
        image_size: int = 96,
        seed: int = 0,
        difficulty: str = "default",
        validation_share: float = 0.1,
        test_share: float = 0.15,
        workers: int | None = None,
        name: str = "synthetic",
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        _check(size, image_size, seed, validation_share, test_share, workers)
        difficulty_named(difficulty)
        task = Task(size=size, seed=seed, difficulty=difficulty, image_size=image_size)
        with (
            progress("Drawing faces")
            if on_progress is None
            else contextlib.nullcontext(on_progress) as update
        ):
            self._folder = store.ensure(
                Path(cache), task, workers=workers, on_progress=update, on_message=say
            )
        self.name = name
        self.manifest = _manifest(self._folder, name, seed, validation_share, test_share)
        self.notes = (
            f"{size} drawn faces of {-(-size // FACES_A_PERSON)} people, {image_size} px, "
            f"difficulty {difficulty}; no photograph.",
        )
        self._images: UInt8Array | None = None
        self._landmarks: FloatArray | None = None

    def __getstate__(self) -> dict[str, object]:
        """Without the arrays: every process maps the files for itself."""
        return {**self.__dict__, "_images": None, "_landmarks": None}

    def load_image(self, index: int) -> UInt8Array:
        """One drawn face, uint8 RGB (S, S, 3)."""
        return np.array(self._image(index))

    def content_digest(self, index: int) -> bytes:
        """16 bytes (BLAKE2b) of the array's shape and bytes."""
        image = self._image(index)
        return hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16).digest()

    def true_landmarks(self, index: int) -> FloatArray:
        """Where the renderer put the 468 points, float32 (468, 3) in pixels."""
        if self._landmarks is None:
            self._landmarks = np.load(self._folder / store.LANDMARKS, mmap_mode="r")
        return np.array(self._landmarks[self._place(index)])

    def _image(self, index: int) -> UInt8Array:
        if self._images is None:
            self._images = np.load(self._folder / store.IMAGES, mmap_mode="r")
        image: UInt8Array = self._images[self._place(index)]
        return image

    def _place(self, index: int) -> int:
        return int(self.manifest.row(index).source)


def _check(
    size: int,
    image_size: int,
    seed: int,
    validation_share: float,
    test_share: float,
    workers: int | None,
) -> None:
    least = 3 * FACES_A_PERSON
    low, high = _SIZE_RANGE
    if size < least:
        raise ConfigError(
            f"dataset.size is {size}; wanted at least {least}: one person with seven expressions in each split."
        )
    if not low <= image_size <= high:
        raise ConfigError(f"dataset.image_size is {image_size}; wanted {low} to {high} pixels.")
    if seed < 0:
        raise ConfigError(f"dataset.seed is {seed}; wanted 0 or more.")
    if min(validation_share, test_share) <= 0 or validation_share + test_share >= 1:
        raise ConfigError(
            f"dataset.validation_share is {validation_share} and dataset.test_share {test_share}; wanted both above 0 "
            "and less than 1 together, so that something is left to train on."
        )
    if workers is not None and workers < 0:
        raise ConfigError(f"dataset.workers is {workers}; wanted null (one a core) or 0 and more.")


def _manifest(folder: Path, name: str, seed: int, validation_share: float, test_share: float) -> Manifest:
    facts = pd.read_parquet(folder / store.TABLE)
    person = facts.pop("person").to_numpy(np.int64)
    whole = len(facts) // FACES_A_PERSON  # people with all expressions; a last, partial one goes to train
    validation = max(1, round(whole * validation_share))
    test = min(max(1, round(whole * test_share)), whole - validation - 1)
    # Test and validation first: people are drawn independently of each other, so any order is as good.
    split = np.where(person < test, SPLITS[2], np.where(person < test + validation, SPLITS[1], SPLITS[0]))
    required = pd.DataFrame(
        {
            "key": [f"synthetic-{seed}-{index:06d}" for index in range(len(facts))],
            "source": np.arange(len(facts)),
            "split": split,
            "subject": [f"person-{number:05d}" for number in person],
        }
    )
    return Manifest.from_frame(pd.concat([required, facts], axis=1), name=name)
