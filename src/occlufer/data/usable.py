"""Which faces a dataset gives to every condition, which not, and why; without torch, as `prepare` needs none."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from occlufer.datasets.base import NOT_IN_DATASET, FaceDataset
from occlufer.landmarks.cache import LandmarkCache
from occlufer.occlusion.promise import are_in_image
from occlufer.types import EXPRESSIONS, SPLITS, BoolArray, ImageError

_UNREADABLE = "the image cannot be read"
_NOT_LOOKED_AT = "no landmarks were looked for"
_OUTSIDE = "eyes, nose or mouth lie outside the image"


def usable_faces(faces: FaceDataset, cache: LandmarkCache) -> BoolArray:
    """For each face whether it is used, bool (len(faces),): see `reasons_left_out`."""
    usable: BoolArray = reasons_left_out(faces, cache) == ""
    return usable


def reasons_left_out(faces: FaceDataset, cache: LandmarkCache) -> NDArray[np.object_]:
    """For each face why it is in no condition, or "": an array of text (len(faces),)."""
    if faces.covered:
        return np.array([_why_unreadable(faces, index) for index in range(len(faces))], dtype=object)
    digests = [_digest(faces, index) for index in range(len(faces))]
    known = np.array(
        [index for index, digest in enumerate(digests) if digest is not None and cache.contains(digest)],
        np.int64,
    )
    reasons = np.array(
        [_UNREADABLE if digest is None else _NOT_LOOKED_AT for digest in digests], dtype=object
    )
    looked_at = [digest for index in known if (digest := digests[index]) is not None]
    reasons[known] = cache.stages(looked_at)[0]
    for places, landmarks_BN3, hw_B2 in cache.found(looked_at):
        inside_B = are_in_image(landmarks_BN3, hw_B2)
        reasons[known[places]] = np.where(inside_B, "", _OUTSIDE).astype(object)
    return reasons


def _why_unreadable(faces: FaceDataset, index: int) -> str:
    # Where landmarks are looked for, an image that is damaged half-way is found then.
    try:
        faces.load_image(index)
    except ImageError:
        return _UNREADABLE
    return ""


def _digest(faces: FaceDataset, index: int) -> bytes | None:
    try:
        return faces.content_digest(index)
    except ImageError:
        return None


def coverage_table(faces: FaceDataset, usable: BoolArray) -> pd.DataFrame:
    """Columns split, expression, faces, used, dropped; a row for each pair that has faces, in the fixed orders."""
    manifest = faces.manifest
    rows = []
    for split in SPLITS:
        for label, expression in enumerate(EXPRESSIONS):
            here = (manifest.splits == split) & (manifest.labels == label)
            total, used = int(here.sum()), int((here & usable).sum())
            if total:
                rows.append((split, expression, total, used, total - used))
    return pd.DataFrame(rows, columns=["split", "expression", "faces", "used", "dropped"])


def left_out_faces(faces: FaceDataset, reasons: NDArray[np.object_]) -> pd.DataFrame:
    """Columns split, expression, key, reason: every face with a reason (`reasons_left_out`), then what is in no row."""
    rows, manifest = np.flatnonzero(reasons != ""), faces.manifest
    expressions = [EXPRESSIONS[label] for label in manifest.labels[rows]]
    unused = pd.DataFrame(
        {"split": manifest.splits[rows], "expression": expressions, "key": manifest.keys[rows],
         "reason": reasons[rows]}, dtype=object
    )  # fmt: skip
    return pd.concat([unused, faces.left_out], ignore_index=True)


def left_out_notes(left_out: pd.DataFrame) -> list[str]:
    """A sentence for each reason but missing landmarks, which the coverage counts, and those that the dataset says."""
    notes = []
    for reason, faces in left_out.groupby("reason", sort=False):
        if not str(reason).startswith(("missed", NOT_IN_DATASET)):
            counts = (faces["split"] + " " + faces["expression"]).value_counts(sort=False)
            told = ", ".join(f"{group} {count}" for group, count in counts.items())
            notes.append(f"Left out of all conditions, as {reason}: {told} (dropped.csv names the files).")
    return notes
