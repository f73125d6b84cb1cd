"""The three csv layouts of FER2013: `fer2013.csv`, `icml_face_data.csv` and `train.csv`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from occlufer.datasets.csv_rows import BadRow, read_rows
from occlufer.datasets.manifest import COLUMNS
from occlufer.types import EXPRESSIONS, DatasetError, UInt8Array

CSV_NAMES: tuple[str, ...] = ("fer2013.csv", "icml_face_data.csv", "train.csv")
"""Names under which the table is handed on, the most complete first."""

CSV_LABELS: tuple[str, ...] = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""Expression of each code 0..6 in the column `emotion`: not the order of the folders, nor ours."""

SIDE = 48
_USAGES = {"training": "train", "publictest": "validation", "privatetest": "test"}
_SPELLING = {"training": "Training", "publictest": "PublicTest", "privatetest": "PrivateTest"}


@dataclass(frozen=True, slots=True)
class CsvFaces:
    """A parsed file.

    Attributes:
        frame: the columns of a manifest; `source` is the row in `images_NHW`. PublicTest is validation when
            there is PrivateTest, else test.
        images_NHW: uint8 (N, 48, 48), 0 black; a place for every row of the file, blank for those that are bad.
        unlabelled: rows whose code stands for no expression here.
        notes: a sentence about bad rows, if any.
    """

    frame: pd.DataFrame
    images_NHW: UInt8Array
    unlabelled: int
    notes: tuple[str, ...]


def read_csv(path: Path, *, labels: Sequence[str | None] = CSV_LABELS, unreadable: str = "skip") -> CsvFaces:
    """Parse a FER2013 csv file, see `occlufer.datasets.csv_rows.read_rows`.

    Args:
        path: the file.
        labels: expression of each code from 0 in the column `emotion`; None for codes whose rows are left out of the
            table.
        unreadable: "skip" leaves out rows with a cell or pixels missing, or with what is no number; "error" refuses
            the file.

    Raises:
        DatasetError: a file that is no text, a missing column, no rows; a label or usage that is not FER2013's, as of
            a file with another meaning; the line is named.
    """

    def parse(cells: Mapping[str, str], where: str) -> tuple[str | None, tuple[str, str], UInt8Array]:
        expression = _expression(cells["emotion"], where, labels)
        return expression, _usage(cells.get("usage"), where), _pixels(cells["pixels"])

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy only warns about text that is no number
        rows, notes = read_rows(path, parse, wanted=("emotion", "pixels"), policy=unreadable)
    images_NHW = np.zeros((len(rows), SIDE, SIDE), np.uint8)
    faces: list[tuple[str, int, int, str, None]] = []
    unlabelled = 0
    for number, row in enumerate(rows):
        if row is None:
            continue
        expression, (spelling, split), images_NHW[number] = row
        if expression is None:
            unlabelled += 1
        else:
            faces.append((f"{spelling}_{number:05d}", number, EXPRESSIONS.index(expression), split, None))
    frame = pd.DataFrame(faces, columns=list(COLUMNS), dtype=object)
    if not (frame["split"] == "test").any():
        frame.loc[frame["split"] == "validation", "split"] = "test"
    return CsvFaces(frame, images_NHW, unlabelled, notes)


def _expression(emotion: str, where: str, labels: Sequence[str | None]) -> str | None:
    if not emotion:
        raise BadRow("no emotion")
    if emotion not in {str(code) for code in range(len(labels))}:
        codes = ", ".join(f"{code} {expression or 'left out'}" for code, expression in enumerate(labels))
        raise DatasetError(f"{where}: emotion {emotion[:20]!r} is not a FER2013 label. Wanted: {codes}.")
    return labels[int(emotion)]


def _usage(usage: str | None, where: str) -> tuple[str, str]:
    if usage is None:
        return "row", "train"
    if usage.lower() not in _USAGES:
        if any(known.startswith(usage.lower()) for known in _USAGES):
            raise BadRow(f"Usage {usage!r}. Was the file cut off?")
        raise DatasetError(
            f"{where}: Usage {usage[:20]!r} is not known. Wanted: {', '.join(_SPELLING.values())}."
        )
    return _SPELLING[usage.lower()], _USAGES[usage.lower()]


def _pixels(text: str) -> UInt8Array:
    """The image, uint8 (48, 48)."""
    try:
        values = np.fromstring(text or "0", dtype=np.int32, sep=" ")
    except (DeprecationWarning, ValueError):
        odd = next((word for word in text.split() if not word.isdecimal()), "?")
        raise BadRow(f"pixel {odd[:20]!r} is not a whole number") from None
    if len(values) != SIDE * SIDE:
        raise BadRow(f"{len(values)} pixels, wanted {SIDE * SIDE} ({SIDE}x{SIDE}). Was the file cut off?")
    if values.min() < 0 or values.max() > 255:
        raise BadRow(f"pixel values from {values.min()} to {values.max()}, wanted 0 to 255")
    return values.astype(np.uint8).reshape(SIDE, SIDE)
