"""FERPlus's table of votes, and the published rule that makes a label of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from occlufer.datasets.csv_rows import BadRow, read_rows
from occlufer.types import EXPRESSIONS, IntArray

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
        usages: Training, PublicTest or PrivateTest, one a row; "" where the row cannot be read.
        has_name: whether the row has an image name, one a row; always true where there is no such column.
        votes_NC: int64 (N, 10), votes for each of `CHOICES`.
    """

    usages: tuple[str, ...]
    has_name: tuple[bool, ...]
    votes_NC: IntArray


def read_votes(path: Path, *, unreadable: str = "skip") -> tuple[Ballots, tuple[str, ...]]:
    """Parse a file of votes, see `occlufer.datasets.csv_rows.read_rows`; and a sentence about bad rows, if any.

    Args:
        path: the file.
        unreadable: "skip" leaves out rows with a cell missing or votes that are no whole numbers, "error" refuses
            the file.

    Raises:
        DatasetError: a file that is no text, a missing column, no rows.
    """

    def parse(cells: Mapping[str, str], _: str) -> tuple[str, bool, list[int]]:
        votes = [cells[choice.lower()] for choice in CHOICES]
        if not all(vote.isdecimal() for vote in votes):
            raise BadRow(f"{','.join(votes)[:80]!r} are no votes as whole numbers")
        return cells["usage"], cells.get("image name") != "", [int(vote) for vote in votes]

    rows, notes = read_rows(path, parse, wanted=("Usage", *CHOICES), policy=unreadable)
    usages, has_name, votes = zip(*(row or ("", True, [0] * len(CHOICES)) for row in rows), strict=True)
    return Ballots(usages, has_name, np.array(votes, np.int64)), notes


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
        if not ballots.usages[row]:
            reasons["in rows that cannot be read"] += 1
        elif not ballots.has_name[row]:
            reasons["without an image name"] += 1
        elif not clear[row]:
            reasons["without a majority"] += 1
        elif CHOICES[choice] in EXPRESSIONS:
            labels[row] = EXPRESSIONS.index(CHOICES[choice])
        else:
            reasons[_LEFT_OUT[CHOICES[choice]]] += 1
    return labels, reasons
