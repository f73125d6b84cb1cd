"""Near-duplicate images across splits: the same picture in another compression, brightness, or nearly the same crop."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from occlufer.datasets.base import FaceDataset
from occlufer.datasets.near_search import NearSearch, small_versions
from occlufer.files import write_text
from occlufer.types import SPLITS, DatasetError, FloatArray, ImageError

COLUMNS = ("first", "second", "first_split", "second_split", "first_label", "second_label", "likeness")
"""Of the table of pairs: keys, splits and labels of both, and the correlation of their differences, 0..1."""

LEAST_LIKENESS = 0.7
"""Chosen by eye on FER2013: 48 of 48 pairs from .70 to .73 show the same picture, about half from .60 to .63."""

_FALSE_SHARE = 0.1  # of the pairs reported, at most: mirrored copies count as false ones too
_MARGIN = 0.05  # of likeness above mirror images: the most alike of two samples of strangers differ by chance
_CANDIDATES = 16  # of one image that are compared closely
_VERSION = 2  # of the search: pairs found by another are looked for anew


def find_near_duplicates(
    faces: FaceDataset, *, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> pd.DataFrame:
    """Find images of one split that are nearly images of an earlier split, see `occlufer.datasets.near_search`.

    How alike strangers are is measured on the set itself: every image is also looked for in its mirror image, which is
    as much a face of this set, cut and lit in the same way, but no copy of any. What is reported is at least
    `LEAST_LIKENESS` alike, and so much that at most one mirror image would be reported for ten pairs (decoys: J.
    Elias, S. Gygi, "Target-decoy search strategy", Nature Methods 4, 2007). In sets of aligned faces of strangers
    nothing is left to report but copies.

    Args:
        faces: the dataset; images that cannot be read are like nothing.
        on_progress: called with (images read, images to read).

    Returns:
        The columns `COLUMNS`, a row a pair, most alike first. `first` stands in the earlier split.
    """
    small_NHW = small_versions(faces, on_progress)
    manifest = faces.manifest
    place = np.array([SPLITS.index(split) for split in manifest.splits], np.int64)
    search = NearSearch(small_NHW, place, candidates=_CANDIDATES)
    first, second, likeness = search.pairs()
    _, _, of_strangers = search.pairs(mirrored=True)
    kept = likeness >= least_likeness(likeness, of_strangers)
    first, second, likeness = first[kept], second[kept], likeness[kept]
    keys, splits, labels = manifest.keys, manifest.splits, manifest.labels
    columns = (keys[first], keys[second], splits[first], splits[second], labels[first], labels[second])
    table = pd.DataFrame(dict(zip(COLUMNS, (*columns, likeness.astype(np.float64).round(4)), strict=True)))
    return table.sort_values(
        ["likeness", "first", "second"], ascending=[False, True, True], ignore_index=True
    )


def least_likeness(found: FloatArray, of_strangers: FloatArray) -> float:
    """From which likeness on pairs are reported, over 1 for none: see `find_near_duplicates`.

    Args:
        found, of_strangers: likenesses of the pairs of images, and of images with mirror images, float (N,) and (M,).
    """
    found, of_strangers = np.sort(found)[::-1], np.sort(of_strangers)
    found = found[found >= LEAST_LIKENESS]
    false = len(of_strangers) - np.searchsorted(
        of_strangers, found - _MARGIN
    )  # were each of these the threshold
    fits = np.flatnonzero(false <= _FALSE_SHARE * np.arange(1, len(found) + 1))
    return float(found[fits[-1]]) if len(fits) else 2.0


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
    digest = hashlib.blake2b(
        f"{_VERSION} {LEAST_LIKENESS} {faces.manifest.digest()}".encode(), digest_size=16
    )
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
