"""The list of RAF-DB's test faces with real occlusions (Wang et al., "Region attention networks", TIP 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from occlufer.datasets.csv_rows import BadRow, read_lines, usable_rows, words
from occlufer.datasets.manifest import named
from occlufer.types import EXPRESSIONS, DatasetError

TYPES = ("1", "2", "3", "4")
"""Kinds of occlusion in the list's last column; the list does not say what they mean."""

PUBLISHED = 734
"""Faces in the list: 735 rows, of which one stands twice."""


def only_occluded(
    frame: pd.DataFrame, path: Path, *, name: str, codes: Mapping[str, str], unreadable: str = "skip"
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Leave out the test faces that the list does not name; the other splits stay as they are.

    Rows are `test_0003_aligned 3 4`: name, label from 0 in RAF-DB's order, type of occlusion.

    Args:
        frame: the columns of a manifest; keys are names without `_aligned`.
        path: the list.
        name: the dataset's name, for messages.
        codes: RAF-DB's labels from 1 -> expression.
        unreadable: "skip" leaves out rows that are none and counts them, "error" refuses the list.

    Returns:
        The frame with the column `occlusion_type` (0 for faces that are not in the list), and sentences.

    Raises:
        DatasetError: a file that cannot be read, a name that is no test face, a label that differs from the dataset's:
            the row is named.
    """
    test = frame[frame["split"] == "test"]
    label_of = dict(zip(test["key"], test["label"], strict=True))
    kind_of: dict[str, int] = {}
    disagree: list[str] = []

    def parse(text: str, where: str) -> str:
        image, code, kind = words(text, 3, "test_0003_aligned 3 4")
        if kind not in TYPES or not code.isdecimal():
            raise BadRow(f"{text[:60]!r}, wanted name, label from 0 to 6, type of occlusion from 1 to 4")
        key = image.removesuffix(".jpg").removesuffix("_aligned")
        if key not in label_of:
            raise DatasetError(
                f"{where}: {image!r} is no test face of {name}. Is the list for another dataset?"
            )
        listed, known = codes.get(str(int(code) + 1)), EXPRESSIONS[label_of[key]]
        if listed != known:
            line = where.rsplit(", ", 1)[1]
            disagree.append(f"{line}: {image} {code} ({listed or 'no label'}), not {known}")
        kind_of[key] = int(kind)
        return key

    listed_keys, bad = usable_rows(path, read_lines(path), parse, policy=unreadable)
    rows = len(listed_keys) - listed_keys.count(None)
    if disagree:
        order = ", ".join(f"{int(code) - 1} {expression}" for code, expression in codes.items())
        raise DatasetError(
            f"{name}: {len(disagree)} of {rows} rows of {path} carry another label than the dataset: "
            f"{named(disagree)}. Wanted: {order}. Take the list as it was published."
        )
    kept = frame[(frame["split"] != "test") | frame["key"].isin(list(kind_of))]
    kept = kept.assign(occlusion_type=[kind_of.get(key, 0) for key in kept["key"]])
    again = f", {rows - len(kind_of)} of them repeated" if rows > len(kind_of) else ""
    published = f"; the published list has {PUBLISHED}" if len(kind_of) != PUBLISHED else ""
    return kept, (
        *bad,
        f"The test part is the {len(kind_of)} faces of {path.name} ({rows} rows{again}{published}) out of {len(test)}.",
    )
