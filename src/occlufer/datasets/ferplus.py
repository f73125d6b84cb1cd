"""FERPlus (Barsoum et al., "Crowd-sourced label distribution", ICMI 2016): ten votes for each face of FER2013."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from occlufer.datasets.assembly import Assembly, StoredFaces, existing_root
from occlufer.datasets.fakes import FakeImages, grey48, texture
from occlufer.datasets.fer2013_csv import CSV_NAMES, read_csv, write_csv
from occlufer.datasets.ferplus_votes import CHOICES, Ballots, majority, read_votes
from occlufer.datasets.layouts import wrong_layout
from occlufer.datasets.stores import ArrayStore
from occlufer.types import EXPRESSIONS, DatasetError, IntArray, UInt8Array

VOTES_FILE = "fer2013new.csv"

PUBLISHED = {"Training": 28_709, "PublicTest": 3_589, "PrivateTest": 3_589}

_LEAST_AGREEMENT = 0.4  # by chance it would be about .2
_WANTED = (
    f"{VOTES_FILE} of FERPlus beside fer2013.csv or icml_face_data.csv of FER2013 (class folders do not serve: "
    "they do not say which row a face is), or the folder that holds both"
)


@final
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
        root: FER2013's csv file, or the folder that holds it; None raises with the way to give one.
        votes: the file of votes; None for `fer2013new.csv` beside FER2013's csv file, or in `root`.
        name: short name for caches and run folders.
        validation_share, split_seed, duplicates, limit: see `occlufer.datasets.assembly.Assembly`.

    Raises:
        DatasetError: a missing root, another layout, a file that is no table of votes, rows that do not belong to
            each other, labels that disagree as swapped columns would, leaks under `duplicates=error`.
    """

    def __init__(
        self,
        *,
        root: str | Path | None,
        votes: str | Path | None = None,
        name: str = "ferplus",
        validation_share: float = 0.1,
        split_seed: int = 0,
        duplicates: str = "drop",
        limit: int | None = None,
    ) -> None:
        assembly = Assembly(
            validation_share=validation_share,
            test_share=0.1,  # never carved: a file without test rows does not fit the votes
            split_seed=split_seed,
            duplicates=duplicates,
            unreadable="error",  # pixels in a table are always readable
            limit=limit,
        )
        self.name = name
        self.root, votes_path = _locate(existing_root(root, name=name, wanted=_WANTED), votes, name)
        faces, ballots = read_csv(self.root), read_votes(votes_path)
        _check_rows(faces.frame, ballots, f"{name}: {self.root} and {votes_path}")
        labels, left_out = majority(ballots)
        kept = labels >= 0
        agreement = _check_labels(faces.frame["label"].to_numpy(np.int64)[kept], labels[kept], name)
        frame = faces.frame.assign(label=labels)[kept]
        notes = _notes(ballots, left_out, agreement)
        self._assemble(assembly, frame, ArrayStore(faces.images_NHW), notes=notes)


def _locate(root: Path, votes: str | Path | None, name: str) -> tuple[Path, Path]:
    """FER2013's csv file and the file of votes."""
    places = [folder / csv_name for folder in (root, root / "fer2013") for csv_name in CSV_NAMES]
    table = next((path for path in (root, *places) if path.is_file()), None)
    if table is None or table.name == VOTES_FILE:
        raise wrong_layout(root, name=name, title="csv file of FER2013", option="ferplus", wanted=_WANTED)
    beside = [Path(votes).expanduser()] if votes else [table.parent / VOTES_FILE, root / VOTES_FILE]
    found = next((path for path in beside if path.is_file()), None)
    if found is None:
        raise DatasetError(
            f"{name}: no file of votes: looked for {' and '.join(map(str, dict.fromkeys(beside)))}. Download "
            f"{VOTES_FILE} of FERPlus (github.com/microsoft/FERPlus), and give dataset.votes=FILE if it does not lie "
            f"beside {table.name}."
        )
    return table, found


def _check_rows(frame: pd.DataFrame, ballots: Ballots, where: str) -> None:
    """Refuse tables whose rows cannot belong to each other; keys begin with the usage of their row."""
    if len(frame) != len(ballots.usages):
        raise DatasetError(
            f"{where}: {len(frame):,} and {len(ballots.usages):,} rows; they must be as many, since row i of the votes "
            "is for row i of the faces. Wanted: both files whole, as they were published."
        )
    usages = frame["key"].str.rsplit("_", n=1).str[0].str.lower()
    for row, (usage, voted) in enumerate(zip(usages, ballots.usages, strict=True)):
        if usage != voted.lower():
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


def make_fake(
    root: Path, *, layout: str = "fer2013.csv", per_class: int = 4, images: FakeImages = texture
) -> Path:
    """Write a tiny FER2013 csv file with its votes for tests, and return what to give as `root`.

    Five more training faces are those that the majority rule leaves out: no image name, contempt, unknown, no
    majority, single votes only.

    Args:
        root: a folder, made if it is not there.
        layout: "fer2013.csv" or "icml_face_data.csv".
        per_class: faces of each expression in Training, PublicTest and PrivateTest.
        images: (label in the order of `EXPRESSIONS`, running number) -> uint8 (H, W) or (H, W, 3); made grey
            and 48x48. The number is different for every image.
    """
    faces: list[tuple[str, int, UInt8Array]] = []
    lines = [f"Usage,Image name,{','.join(CHOICES)}"]

    def add(usage: str, label: int, votes: dict[str, int], image: str | None = None) -> None:
        number = len(faces)
        faces.append((usage, label, grey48(images(label, number))))
        cells = [usage, f"fer{number:07d}.png" if image is None else image]
        lines.append(",".join([*cells, *(str(votes.get(choice, 0)) for choice in CHOICES)]))

    for votes in ({"contempt": 8, "anger": 2}, {"unknown": 6, "fear": 4}, {"sadness": 5, "neutral": 5},
                  dict.fromkeys(CHOICES, 1)):  # fmt: skip
        add("Training", 0, votes)
    add("Training", 0, {"NF": 10}, image="")
    for usage in PUBLISHED:
        for label, expression in enumerate(EXPRESSIONS):
            for _ in range(per_class):
                add(usage, label, {expression: 6, EXPRESSIONS[label - 1]: 3, "unknown": 1})
    root.mkdir(parents=True, exist_ok=True)
    write_csv(root / layout, faces)
    (root / VOTES_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root
