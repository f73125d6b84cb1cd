"""The three csv layouts of FER2013: `fer2013.csv`, `icml_face_data.csv` and `train.csv`."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

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
        images_NHW: uint8 (N, 48, 48), 0 black.
    """

    frame: pd.DataFrame
    images_NHW: UInt8Array


def read_csv(path: Path, *, labels: Sequence[str | None] = CSV_LABELS) -> CsvFaces:
    """Parse a FER2013 csv file; columns are found by name, spaces around names and values do not matter.

    Args:
        path: the file.
        labels: expression of each code from 0 in the column `emotion`; None for codes whose rows are left out of the
            table (their images stay in the array, so that `source` counts rows of the file).

    Raises:
        DatasetError: a file that is no csv text, a missing column, no rows, or a row with a bad label, usage,
            pixel count or pixel; the line of the file is named.
    """
    rows: list[tuple[str, int, int, str, None]] = []
    pixels = bytearray()
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle, warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy only warns about text that is no number
            for number, (line, emotion, usage, text) in enumerate(_cells(path, csv.reader(handle))):
                where = f"{path}, line {line}"
                expression = _expression(emotion, where, labels)
                spelling, split = _usage(usage, where)
                pixels += _pixels(text, where).tobytes()
                if expression is not None:
                    label = EXPRESSIONS.index(expression)
                    rows.append((f"{spelling}_{number:05d}", number, label, split, None))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            f"{path} cannot be read as a csv file: {error}. Unpack the dataset again."
        ) from None
    if not rows:
        raise DatasetError(f"{path} holds column names but no rows. Unpack the dataset again.")
    frame = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    if not (frame["split"] == "test").any():
        frame.loc[frame["split"] == "validation", "split"] = "test"
    return CsvFaces(frame, np.frombuffer(bytes(pixels), np.uint8).reshape(-1, SIDE, SIDE))


def _cells(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[int, str, str | None, str]]:
    """Line number (from 1), emotion, usage or None, pixels; empty lines are passed over."""
    header = [column.strip().lower() for column in next(reader, [])]
    missing = [column for column in ("emotion", "pixels") if column not in header]
    if missing:
        raise DatasetError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}. Wanted: emotion, "
            f"pixels, and Usage where there is one; found: {', '.join(header)[:200] or 'an empty file'}."
        )
    emotion, pixels = header.index("emotion"), header.index("pixels")
    usage = header.index("usage") if "usage" in header else None
    for line, row in enumerate(reader, start=2):
        if not any(row):
            continue
        if len(row) != len(header):
            raise DatasetError(
                f"{path}, line {line}: {len(row)} cells, {len(header)} column names. Was the file cut off?"
            )
        yield line, row[emotion].strip(), None if usage is None else row[usage].strip(), row[pixels]


def _expression(emotion: str, where: str, labels: Sequence[str | None]) -> str | None:
    if emotion not in {str(code) for code in range(len(labels))}:
        codes = ", ".join(f"{code} {expression or 'left out'}" for code, expression in enumerate(labels))
        raise DatasetError(f"{where}: emotion {emotion[:20]!r} is not a FER2013 label. Wanted: {codes}.")
    return labels[int(emotion)]


def _usage(usage: str | None, where: str) -> tuple[str, str]:
    if usage is None:
        return "row", "train"
    if usage.lower() not in _USAGES:
        raise DatasetError(
            f"{where}: Usage {usage[:20]!r} is not known. Wanted: {', '.join(_SPELLING.values())}."
        )
    return _SPELLING[usage.lower()], _USAGES[usage.lower()]


def _pixels(text: str, where: str) -> UInt8Array:
    if not text.strip():
        text = "0"  # counted below as too few
    try:
        values = np.fromstring(text, dtype=np.int32, sep=" ")
    except (DeprecationWarning, ValueError):
        odd = next((word for word in text.split() if not word.isdecimal()), "?")
        raise DatasetError(f"{where}: pixel {odd[:20]!r} is not a whole number.") from None
    if len(values) != SIDE * SIDE:
        raise DatasetError(
            f"{where}: {len(values)} pixels, wanted {SIDE * SIDE} ({SIDE}x{SIDE}). Was the file cut off?"
        )
    if values.min() < 0 or values.max() > 255:
        raise DatasetError(f"{where}: pixel values from {values.min()} to {values.max()}, wanted 0 to 255.")
    return values.astype(np.uint8)


def write_csv(
    path: Path,
    faces: Iterable[tuple[str, int, UInt8Array]],
    *,
    labels: Sequence[str] = CSV_LABELS,
    names: Sequence[str] = EXPRESSIONS,
) -> Path:
    """Write (usage, label, uint8 (48, 48)) rows in the layout that the file's name stands for; for tests.

    A label is an index into `names`; what is written is the name's place in `labels`.

    Raises:
        DatasetError: a file name that is neither in `CSV_NAMES` nor `ckextended.csv`, which has the same columns.
    """
    columns = {
        "fer2013.csv": ["emotion", "pixels", "Usage"],
        "icml_face_data.csv": ["emotion", " Usage", " pixels"],
        "train.csv": ["emotion", "pixels"],
        "ckextended.csv": ["emotion", "pixels", "Usage"],
    }
    if path.name not in columns:
        raise DatasetError(f"There is no csv layout {path.name!r}. Known: {', '.join(columns)}.")
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(columns[path.name])
        for usage, label, image in faces:
            cells = {
                "emotion": labels.index(names[label]),
                "pixels": " ".join(map(str, image.ravel().tolist())),
                "Usage": usage,
            }
            writer.writerow([cells[column.strip()] for column in columns[path.name]])
    return path
