"""Writes csv files in the layouts of FER2013."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from occlufer.datasets.fer2013_csv import CSV_LABELS
from occlufer.types import EXPRESSIONS, UInt8Array

_COLUMNS = {
    "fer2013.csv": ["emotion", "pixels", "Usage"],
    "icml_face_data.csv": ["emotion", " Usage", " pixels"],
    "train.csv": ["emotion", "pixels"],
    "ckextended.csv": ["emotion", "pixels", "Usage"],
}


def write_csv(
    path: Path,
    faces: Iterable[tuple[str, int, UInt8Array]],
    *,
    labels: Sequence[str] = CSV_LABELS,
    names: Sequence[str] = EXPRESSIONS,
) -> Path:
    """Write (usage, label, uint8 (48, 48)) rows in the layout that the file's name stands for.

    A label is an index into `names`; what is written is the name's place in `labels`.
    """
    columns = _COLUMNS[path.name]
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns)
        for usage, label, image in faces:
            cells = {
                "emotion": labels.index(names[label]),
                "pixels": " ".join(map(str, image.ravel().tolist())),
                "Usage": usage,
            }
            writer.writerow([cells[column.strip()] for column in columns])
    return path
