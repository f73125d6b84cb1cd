"""Tables of the cells of the matrix: intervals over test faces, recall by class, confusions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from occlufer.analysis.core.cells import Counted, by_cell
from occlufer.analysis.core.metrics import accuracy_of, f1_macro_of, recall_of
from occlufer.analysis.core.statistics import difference, interval
from occlufer.analysis.core.study import Block
from occlufer.types import EXPRESSIONS

BLOCK = ["dataset", "model", "variant"]
"""The columns that name a block."""


def intervals_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """95 % intervals over test faces of accuracy and macro F1 for each cell of the matrix, trainings averaged.

    `people` says how many people were resampled, and is empty where faces were.
    """
    rows = []
    for block, items in counted.items():
        for (train, test), cells in by_cell(items).items():
            people = pd.NA if items[0].people is None else items[0].people
            row: dict[str, Any] = asdict(block) | {"train": train, "test": test, "people": people}
            for name, statistic in (("accuracy", accuracy_of), ("f1_macro", f1_macro_of)):
                found = interval(statistic, cells)
                row |= {f"{name}_low": float(found.low), f"{name}_high": float(found.high)}
            rows.append(row)
    table = pd.DataFrame(rows, columns=None if rows else [*BLOCK, "train", "test", "people"])
    return table.astype({"people": "Int64"})


def recall_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """Recall by class for each train and test condition, and its change from the uncovered face.

    Trainings are averaged; `low`, `high` are 95 % intervals over test faces; `change` = recall here minus recall of the
    same networks on the condition none, with a paired interval; empty where there is no none, or it is none itself.
    """
    rows = []
    for block, items in counted.items():
        grid = by_cell(items)
        for (train, test), cells in grid.items():
            recall = interval(recall_of, cells)
            clean = grid.get((train, "none"))
            change = difference(recall_of, clean, cells) if clean and test != "none" else None
            faces = cells[0].observed_77.sum(axis=1)
            for place, name in enumerate(EXPRESSIONS):
                row = asdict(block) | {"train": train, "test": test, "expression": name, "n": int(faces[place]),
                       "trainings": len(cells), "recall": recall.value[place], "low": recall.low[place],
                       "high": recall.high[place]}  # fmt: skip
                for label in ("value", "low", "high"):
                    column = "change" if label == "value" else f"change_{label}"
                    row[column] = getattr(change, label)[place] if change else np.nan
                rows.append(row)
    return pd.DataFrame(rows, columns=None if rows else [*BLOCK, "train", "test", "expression"])


def confusion_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """Counts by train condition, test condition, truth and prediction over all trainings, and shares of the truth."""
    rows = []
    for block, items in counted.items():
        for (train, test), cells in by_cell(items).items():
            total = np.sum([cell.observed_77 for cell in cells], axis=0)
            for truth, counts in zip(EXPRESSIONS, total, strict=True):
                rows.append(
                    asdict(block)
                    | {"train": train, "test": test, "truth": truth}
                    | _counts_and_shares(counts)
                )
    return pd.DataFrame(rows, columns=None if rows else [*BLOCK, "train", "test", "truth"])


def run_confusion_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """`confusion_table` run by run: one row a run, test condition and truth."""
    rows = [
        item.run.identity | {"test": item.test, "truth": truth} | _counts_and_shares(counts)
        for items in counted.values()
        for item in items
        for truth, counts in zip(EXPRESSIONS, item.cell.observed_77, strict=True)
    ]
    return pd.DataFrame(rows, columns=None if rows else [*BLOCK, "run", "test", "truth"])


def _counts_and_shares(counts: NDArray[np.int64]) -> dict[str, Any]:
    """Predictions of the faces of one true class: `as_` counts, and `share_as_` of that class (NaN without faces)."""
    faces = int(counts.sum())
    named = list(zip(EXPRESSIONS, counts, strict=True))
    shares = {f"share_as_{name}": int(count) / faces if faces else np.nan for name, count in named}
    return {f"as_{name}": int(count) for name, count in named} | shares
