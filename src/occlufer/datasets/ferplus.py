"""FERPlus (Barsoum et al., "Crowd-sourced label distribution", ICMI 2016): ten votes for each face of FER2013."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from occlufer.datasets.assembly import Listing, StoredFaces
from occlufer.datasets.base import Layout
from occlufer.datasets.fer2013_csv import CSV_NAMES, CsvFaces, read_csv
from occlufer.datasets.ferplus_votes import Ballots, majority, read_votes
from occlufer.datasets.stores import ArrayStore
from occlufer.types import EXPRESSIONS, DatasetError, IntArray

VOTES_FILE = "fer2013new.csv"

PUBLISHED = {"Training": 28_709, "PublicTest": 3_589, "PrivateTest": 3_589}

_LEAST_AGREEMENT = 0.4  # by chance it would be about .2


@final
@dataclass(kw_only=True, eq=False, repr=False)
class FERPlus(StoredFaces):
    """FER2013's faces with the labels that most of FERPlus's ten voters chose.

    The published majority rule: choices with a single vote do not count; the choice with the most votes is the
    label if it has more than half of those left. Faces without such a choice, and those for which it is
    unknown or not a face, are left out and counted; so are faces for which it is contempt, which has no place
    among the seven expressions, and rows without an image name.

    Row i of the votes is row i of FER2013's csv file; that is checked by the column Usage and by how the labels
    of both agree. Keys are those of FER2013's csv file (`PublicTest_00017`), so that a face has one key in both
    datasets; PublicTest is validation, PrivateTest is test.

    Args:
        root: FER2013's csv file, or the folder that holds it.
        votes: the file of votes; None for `fer2013new.csv` beside FER2013's csv file, or in `root`.

    Rows that do not belong to each other, and labels that disagree as swapped columns would, are a `DatasetError`.
    """

    name: str = "ferplus"
    votes: str | Path | None = None
    title = "csv file of FER2013"
    option = "ferplus"
    wanted = (
        f"{VOTES_FILE} of FERPlus beside fer2013.csv or icml_face_data.csv of FER2013 (class folders do not serve: "
        "they do not say which row a face is), or the folder that holds both"
    )
    layouts = (Layout("FERPlus", option, (VOTES_FILE, "*.csv")),)

    def locate(self, root: Path) -> Path | None:
        """FER2013's csv file."""
        places = [folder / csv_name for folder in (root, root / "fer2013") for csv_name in CSV_NAMES]
        table = next((path for path in (root, *places) if path.is_file()), None)
        return None if table is None or table.name == VOTES_FILE else table

    def list_faces(self, root: Path) -> Listing:
        """The rows whose votes agree on one of the seven expressions."""
        votes_path = self._votes_file(root)
        faces = read_csv(root, unreadable=self.unreadable)
        ballots, bad = read_votes(votes_path, unreadable=self.unreadable)
        _check_rows(faces, ballots, f"{self.name}: {root} and {votes_path}")
        labels, left_out = majority(ballots)
        labels = labels[faces.frame["source"].to_numpy(np.int64)]
        kept = labels >= 0
        agreement = _check_labels(faces.frame["label"].to_numpy(np.int64)[kept], labels[kept], self.name)
        frame = faces.frame.assign(label=labels)[kept]
        notes = (*faces.notes, *bad, *_notes(ballots, left_out, agreement))
        return Listing(frame, ArrayStore(faces.images_NHW), notes)

    def _votes_file(self, table: Path) -> Path:
        above = table.parent.parent if table.parent.name == "fer2013" else table.parent
        beside = [table.parent / VOTES_FILE, above / VOTES_FILE]
        if self.votes:
            beside = [Path(self.votes).expanduser()]
        found = next((path for path in beside if path.is_file()), None)
        if found is None:
            raise DatasetError(
                f"{self.name}: no file of votes: looked for {' and '.join(map(str, dict.fromkeys(beside)))}. Download "
                f"{VOTES_FILE} of FERPlus (github.com/microsoft/FERPlus), and give dataset.votes=FILE if it does not "
                f"lie beside {table.name}."
            )
        return found


def _check_rows(faces: CsvFaces, ballots: Ballots, where: str) -> None:
    """Refuse tables whose rows cannot belong to each other; keys begin with the usage of their row."""
    rows = len(faces.images_NHW)
    if rows != len(ballots.usages):
        raise DatasetError(
            f"{where}: {rows:,} and {len(ballots.usages):,} rows; they must be as many, since row i of the votes "
            "is for row i of the faces. Wanted: both files whole, as they were published."
        )
    usages = faces.frame["key"].str.rsplit("_", n=1).str[0].str.lower()
    for row, usage in zip(faces.frame["source"], usages, strict=True):
        if (voted := ballots.usages[row]) and usage != voted.lower():
            raise DatasetError(
                f"{where}: row {row} (from 0) is {usage} in one and {voted} in the other. Wanted: both files in "
                "the order in which they were published."
            )


def _check_labels(given: IntArray, voted: IntArray, name: str) -> float:
    """Share of faces for which FER2013's own label is the voted one; refuses what swapped columns or rows give."""
    from scipy.optimize import linear_sum_assignment

    if not len(voted):
        return 1.0  # the manifest will say that there are no faces
    agreement = float((given == voted).mean())
    both = np.zeros((len(EXPRESSIONS), len(EXPRESSIONS)), np.int64)
    np.add.at(both, (voted, given), 1)
    best = linear_sum_assignment(both, maximize=True)[1]
    if both[np.arange(len(best)), best].sum() > np.trace(both):
        swapped = [f"{EXPRESSIONS[row]} is mostly {EXPRESSIONS[column]} there"
                   for row, column in enumerate(best) if row != column]  # fmt: skip
        raise DatasetError(
            f"{name}: the votes fit FER2013's labels better in another order: {', '.join(swapped)}. Were the columns "
            "renamed, or FER2013's numbers changed? Take both files as they were published."
        )
    if agreement < _LEAST_AGREEMENT:
        raise DatasetError(
            f"{name}: votes and FER2013's labels agree for only {agreement:.0%} of the faces. Row i of the votes must "
            "be for row i of the faces: take both files as they were published."
        )
    return agreement


def _notes(ballots: Ballots, left_out: Counter[str], agreement: float) -> Iterator[str]:
    sizes = Counter(ballots.usages)
    if dict(sizes) != PUBLISHED:
        unlike = [
            f"{usage} {sizes[usage]:,} for {size:,}"
            for usage, size in PUBLISHED.items()
            if sizes[usage] != size
        ]
        yield f"Not the published number of rows of FERPlus; found for published: {', '.join(unlike)}."
    if left_out:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(left_out.items()))
        yield f"{left_out.total():,} faces are left out by FERPlus's majority rule: {reasons}."
    yield f"FER2013's own labels are the voted ones for {agreement:.1%} of the faces kept."
