"""Cross-validation inside the training part: which faces are held out for validation in fold K. Test is untouched."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from occlufer.datasets.base import FaceDataset, left_out_table
from occlufer.datasets.manifest import Manifest, named
from occlufer.types import (
    EXPRESSIONS,
    ConfigError,
    DatasetError,
    FloatArray,
    ImageError,
    IntArray,
    UInt8Array,
)


@final
class Fold(FaceDataset):
    """A dataset in which fold `fold` of the training part is the validation split, and the other folds are train.

    The training part is train and validation together: what a dataset carved out for validation is put back first. Its
    faces are taken by key, so that the folds do not depend on the order on disk.

    Args:
        faces: the dataset.
        fold: which fold is held out, 0 to `count` - 1.
        count: folds, at least 2.
        seed: of the shuffle; the same for all folds of a cross-validation.
        honest: True keeps all faces of a subject in one fold (scikit-learn's `StratifiedGroupKFold`; faces without a
            subject are subjects of their own) where the data name subjects, and takes training faces out that are byte
            for byte a face of the held-out fold. False is `StratifiedKFold` by image, as published studies do.

    Raises:
        ConfigError: a fold, count or seed that cannot be.
        DatasetError: fewer faces of an expression, or fewer subjects, than folds.
    """

    def __init__(self, faces: FaceDataset, *, fold: int, count: int, seed: int, honest: bool) -> None:
        check_fold(fold, count, seed)
        self._faces = faces
        self.name, self.covered, self.left_out = faces.name, faces.covered, faces.left_out
        held, rest, way = _parts(faces.manifest, fold=fold, count=count, seed=seed, honest=honest)
        frame = faces.manifest.frame
        frame.loc[held, "split"] = "validation"
        frame.loc[rest, "split"] = "train"
        copies = _copies(faces, held, rest) if honest else np.empty(0, np.int64)
        self._rows = np.delete(np.arange(len(frame)), copies)
        self.manifest = Manifest.from_frame(
            frame.iloc[self._rows], name=faces.name, classes=faces.manifest.classes
        )
        notes = [f"Fold {fold} of {count} ({way}, shuffled with seed {seed}): {len(held)} of "
                 f"{len(held) + len(rest)} training faces are held out for validation."]  # fmt: skip
        if len(copies):
            more = left_out_table(
                frame.iloc[copies], ["a copy of it stands in the held-out fold"] * len(copies)
            )
            self.left_out = pd.concat([self.left_out, more], ignore_index=True)
            notes.append(
                f"{len(copies)} training faces are byte for byte faces of that fold: dropped from train."
            )
        self.notes = (*faces.notes, *notes)

    def load_image(self, index: int) -> UInt8Array:
        """Read one image, uint8 RGB (H, W, 3)."""
        return self._faces.load_image(int(self._rows[index]))

    def content_digest(self, index: int) -> bytes:
        """16 bytes of the stored image."""
        return self._faces.content_digest(int(self._rows[index]))

    def true_landmarks(self, index: int) -> FloatArray | None:
        """As the dataset knows them."""
        return self._faces.true_landmarks(int(self._rows[index]))


def check_fold(fold: object, count: object, seed: object) -> None:
    """Refuse what is no fold of a cross-validation, see `Fold`; raises `ConfigError`."""
    for name, value, least in (("fold", fold, 0), ("fold_count", count, 2), ("fold_seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"{name} must be a whole number, at least {least}; found {value!r}.")
    assert isinstance(fold, int)
    assert isinstance(count, int)
    if fold >= count:
        raise ConfigError(
            f"fold={fold} is not one of the {count} folds, which are counted from 0. Give fold=0 to "
            f"fold={count - 1}, or raise fold_count."
        )


def _parts(
    manifest: Manifest, *, fold: int, count: int, seed: int, honest: bool
) -> tuple[IntArray, IntArray, str]:
    """Rows held out, rows to train on, and how they were told apart."""
    pool = np.flatnonzero(manifest.splits != "test")
    pool = pool[np.argsort(manifest.keys[pool].astype(str), kind="stable")]
    labels = manifest.labels[pool]
    subjects = manifest.frame["subject"].to_numpy()[pool]
    known = np.array([subject is not None for subject in subjects], dtype=np.bool_)
    if honest and known.any():
        owners = np.where(known, subjects, manifest.keys[pool]).astype(str)
        folds, way = _by_subject(manifest, labels, owners, count, seed), "by subject"
    else:
        folds, way = _by_image(manifest, labels, count, seed), "stratified by expression"
    for number, (rest, held) in enumerate(folds):
        if number == fold:
            return pool[held], pool[rest], way
    raise AssertionError(f"{count} folds, and none of them is {fold}")


def _by_image(
    manifest: Manifest, labels: IntArray, count: int, seed: int
) -> Iterator[tuple[IntArray, IntArray]]:
    from sklearn.model_selection import StratifiedKFold  # a second to import, and seldom needed

    sizes = np.bincount(labels, minlength=len(EXPRESSIONS))
    few = [f"{EXPRESSIONS[label]} ({sizes[label]})" for label in np.unique(labels) if sizes[label] < count]
    if few:
        raise DatasetError(
            f"{manifest.name}: fewer training faces than the {count} folds of {named(few)}. Lower fold_count, or add "
            "faces."
        )
    yield from StratifiedKFold(n_splits=count, shuffle=True, random_state=seed).split(labels, labels)


def _by_subject(
    manifest: Manifest, labels: IntArray, owners: NDArray[np.str_], count: int, seed: int
) -> Iterator[tuple[IntArray, IntArray]]:
    from sklearn.model_selection import StratifiedGroupKFold

    if (people := len(np.unique(owners))) < count:
        raise DatasetError(
            f"{manifest.name}: {people} subjects in train cannot fill {count} folds. Lower fold_count, or say "
            "protocol=published to part the faces of a subject."
        )
    with warnings.catch_warnings():  # about classes rarer than folds; an empty class is found by the manifest
        warnings.simplefilter("ignore", UserWarning)
        splitter = StratifiedGroupKFold(n_splits=count, shuffle=True, random_state=seed)
        yield from splitter.split(labels, labels, owners)


def _copies(faces: FaceDataset, held: IntArray, rest: IntArray) -> IntArray:
    """Rows of `rest` whose stored bytes stand in `held` too: they would be scored from memory."""
    digests = {_digest(faces, int(row)) for row in held} - {None}
    return np.array([row for row in rest if _digest(faces, int(row)) in digests], dtype=np.int64)


def _digest(faces: FaceDataset, row: int) -> bytes | None:
    try:
        return faces.content_digest(row)
    except ImageError:  # it cannot be read, and leaves with the faces that have no landmarks
        return None
