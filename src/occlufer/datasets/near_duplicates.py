"""Near-duplicate images across splits: the same picture in another compression, brightness, or nearly the same crop."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from occlufer.datasets.base import FaceDataset
from occlufer.files import write_text
from occlufer.types import SPLITS, DatasetError, FloatArray, ImageError, IntArray, UInt8Array

COLUMNS = ("first", "second", "first_split", "second_split", "first_label", "second_label", "likeness")
"""Of the table of pairs: keys, splits and labels of both, and the correlation of their differences, 0..1."""

LEAST_LIKENESS = 0.7
"""Chosen by eye on FER2013: 48 of 48 pairs from .70 to .73 show the same picture, about half from .60 to .63."""

_SIDE = 24  # pixels of the small grey version
_FAINT = 1.0  # grey levels between neighbours: an image with less has nothing to be recognised by
_ROWS = 1024  # images compared at once: bounds the memory of a product to 4 kB an image of the other split


def find_near_duplicates(
    faces: FaceDataset,
    *,
    least: float = LEAST_LIKENESS,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """Compare every image with every image of the other splits.

    Two images are alike when the differences between neighbouring pixels of their small grey versions correlate: the
    quantity whose signs are the difference hash (N. Krawetz, "Kind of Like That", hackerfactor.com, 2013), without the
    loss of rounding it to bits. One matrix product compares them all, so that no pair is missed by an index.
    Brightness and contrast do not count. Mirrored images and crops moved by more than a few percent are not found.

    Args:
        faces: the dataset; images that cannot be read have no likeness.
        least: the least correlation that is reported, over 0 and at most 1.
        on_progress: called with (images read, images to read).

    Returns:
        The columns `COLUMNS`, a row a pair, most alike first. `first` stands in the earlier split.
    """
    features_ND = _features(faces, on_progress)
    manifest = faces.manifest
    found: list[tuple[IntArray, IntArray, FloatArray]] = []
    for earlier, later in combinations(SPLITS, 2):
        these, those = manifest.indices(earlier), manifest.indices(later)
        for start in range(0, len(these), _ROWS):
            part = these[start : start + _ROWS]
            likeness = features_ND[part] @ features_ND[those].T
            i, j = np.nonzero(likeness >= least)
            found.append((part[i], those[j], likeness[i, j]))
    empty = np.empty(0, np.int64)
    first = np.concatenate([empty, *(pair[0] for pair in found)])
    second = np.concatenate([empty, *(pair[1] for pair in found)])
    values = np.concatenate([np.empty(0, np.float32), *(pair[2] for pair in found)])
    keys, splits, labels = manifest.keys, manifest.splits, manifest.labels
    columns = (keys[first], keys[second], splits[first], splits[second], labels[first], labels[second])
    table = pd.DataFrame(dict(zip(COLUMNS, (*columns, values.astype(np.float64).round(4)), strict=True)))
    return table.sort_values(
        ["likeness", "first", "second"], ascending=[False, True, True], ignore_index=True
    )


def _features(faces: FaceDataset, on_progress: Callable[[int, int], None]) -> FloatArray:
    """Differences between neighbouring pixels of each small grey version, of length 1 (0 where unreadable)."""
    features_ND = np.zeros((len(faces), 2 * _SIDE * (_SIDE - 1)), np.float32)
    for index in range(len(faces)):
        try:
            features_ND[index] = _differences(faces.load_image(index))
        except ImageError:  # it has no landmarks either, and leaves
            continue
        finally:
            on_progress(index + 1, len(faces))
    return features_ND


def _differences(image_HWC: UInt8Array) -> FloatArray:
    grey = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    differences: FloatArray = np.concatenate([np.diff(small, axis=1).ravel(), np.diff(small, axis=0).ravel()])
    length = max(float(np.linalg.norm(differences)), _FAINT * differences.size**0.5)
    return differences / np.float32(length)


def near_duplicate_notes(pairs: pd.DataFrame) -> tuple[str, ...]:
    """A sentence for each pair of splits that share near-duplicates: how many images, labels, the most alike."""
    notes = []
    for (earlier, later), part in pairs.groupby(["first_split", "second_split"], sort=False):
        other = int((part["first_label"] != part["second_label"]).sum())
        most = part.iloc[0]
        notes.append(
            f"{part['first'].nunique():,} {earlier} images are near-duplicates of {part['second'].nunique():,} {later} "
            f"images ({len(part):,} pairs, {other:,} with different labels; the most alike: {most['first']} and "
            f"{most['second']}): KEPT."
        )
    return tuple(notes)


def pairs_path(folder: Path, faces: FaceDataset) -> Path:
    """Where the pairs of these faces are kept: another name for other images, labels or splits."""
    digest = hashlib.blake2b(f"{_SIDE} {LEAST_LIKENESS} {faces.manifest.digest()}".encode(), digest_size=16)
    for index in range(len(faces)):
        try:
            digest.update(faces.content_digest(index))
        except ImageError:
            digest.update(b"unreadable")
    return folder / f"{faces.name}_{digest.hexdigest()}.csv"


def write_pairs(path: Path, pairs: pd.DataFrame) -> None:
    """Write the table atomically; raises `StorageError`."""
    write_text(path, pairs.to_csv(index=False))


def read_pairs(path: Path) -> pd.DataFrame | None:
    """What `write_pairs` wrote; None when there is no such file. Raises `DatasetError` when it is damaged."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{path} cannot be read ({error}). Delete it, and run `occlufer prepare`."
        ) from error
    try:
        pairs = pd.read_csv(io.StringIO(text), dtype={"first": str, "second": str}, keep_default_na=False)
    except ValueError:  # pandas' own errors are kinds of it
        pairs = pd.DataFrame()
    if tuple(pairs.columns) != COLUMNS:
        raise DatasetError(f"{path} is no table of near-duplicates. Delete it, and run `occlufer prepare`.")
    return pairs
