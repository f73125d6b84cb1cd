"""FERPlus's table of votes, and the published rule that makes a label of them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from occlufer.types import EXPRESSIONS, DatasetError, IntArray

CHOICES: tuple[str, ...] = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
)
"""What could be voted for, as the columns are called."""

_LEFT_OUT = {
    "contempt": "contempt (not one of the seven expressions)",
    "unknown": "of an unknown expression",
    "NF": "not of a face",
}


@dataclass(frozen=True, slots=True)
class Ballots:
    """A parsed file of votes.

    Attributes:
        usages: Training, PublicTest or PrivateTest, one a row.
        has_name: whether the row has an image name, one a row; always true where there is no such column.
        votes_NC: int64 (N, 10), votes for each of `CHOICES`.
    """

    usages: tuple[str, ...]
    has_name: tuple[bool, ...]
    votes_NC: IntArray


def read_votes(path: Path) -> Ballots:
    """Parse a file of votes; columns are found by name, spaces around names and case do not matter.

    Raises:
        DatasetError: a file that is no csv text, a missing column, no rows, or votes that are no whole numbers;
            the line of the file is named.
    """
    usages, has_name, votes = [], [], []
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            for usage, image, counts in _cells(path, csv.reader(handle)):
                usages.append(usage)
                has_name.append(image is None or bool(image))
                votes.append(counts)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read as a csv file: {error}. Download it again.") from None
    if not votes:
        raise DatasetError(f"{path} holds column names but no rows. Download it again.")
    return Ballots(tuple(usages), tuple(has_name), np.array(votes, np.int64))


def _cells(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[str, str | None, list[int]]]:
    """Usage, image name or None, votes in the order of `CHOICES`; empty lines are passed over."""
    header = [column.strip().lower() for column in next(reader, [])]
    missing = [column for column in ("Usage", *CHOICES) if column.lower() not in header]
    if missing:
        raise DatasetError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}. Wanted: Usage, Image name, "
            f"{', '.join(CHOICES)}; found: {', '.join(header)[:200] or 'an empty file'}."
        )
    usage, places = header.index("usage"), [header.index(choice.lower()) for choice in CHOICES]
    image = header.index("image name") if "image name" in header else None
    for line, row in enumerate(reader, start=2):
        if not any(row):
            continue
        if len(row) != len(header) or not all(row[place].strip().isdecimal() for place in places):
            raise DatasetError(
                f"{path}, line {line}: {','.join(row)[:80]!r} is no row of votes. Wanted {len(header)} cells, the "
                "votes as whole numbers. Was the file cut off?"
            )
        name = None if image is None else row[image].strip()
        yield row[usage].strip(), name, [int(row[place]) for place in places]


def majority(ballots: Ballots) -> tuple[IntArray, Counter[str]]:
    """The label of each row by the published majority rule, and how many rows have none, by reason.

    Returns:
        int64 (N,): index into `EXPRESSIONS`, or -1; and the numbers of rows left out.
    """
    counted = np.where(ballots.votes_NC > 1, ballots.votes_NC, 0)
    clear = counted.max(axis=1) > counted.sum(axis=1) / 2
    labels = np.full(len(counted), -1, np.int64)
    reasons: Counter[str] = Counter()
    for row, choice in enumerate(counted.argmax(axis=1)):
        if not ballots.has_name[row]:
            reasons["without an image name"] += 1
        elif not clear[row]:
            reasons["without a majority"] += 1
        elif CHOICES[choice] in EXPRESSIONS:
            labels[row] = EXPRESSIONS.index(CHOICES[choice])
        else:
            reasons[_LEFT_OUT[CHOICES[choice]]] += 1
    return labels, reasons
