"""Accuracy along an occluder's dial: what networks still read when more and more of the face is covered."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from occlufer.analysis.core.cells import Counted
from occlufer.analysis.core.conditions import condition_order, dial, dial_lines
from occlufer.analysis.core.metrics import accuracy_of, f1_macro_of, recall_of
from occlufer.analysis.core.statistics import interval
from occlufer.analysis.core.study import Block
from occlufer.types import EXPRESSIONS


def severity_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """One row a train condition, occluder and place of its dial, for occluders with three places or more.

    `none` is place 0 of every dial. Columns: the block, train, occluder, test, severity (the place, 0..1),
    covered_share (mean over the test faces as measured), n, trainings, majority_accuracy, and accuracy, f1_macro and
    recall_<expression>, each with 95 % intervals over test faces (or people) as _low and _high.
    """
    rows: list[dict[str, Any]] = []
    for block, items in counted.items():
        for train in condition_order(item.train for item in items):
            trained = [item for item in items if item.train == train]
            for occluder, tests in dial_lines(item.test for item in trained).items():
                rows += [
                    asdict(block)
                    | {"train": train, "occluder": occluder}
                    | _row([item for item in trained if item.test == test], test)
                    for test in tests
                ]
    return pd.DataFrame(rows)


def _row(items: list[Counted], test: str) -> dict[str, Any]:
    cells = [item.cell for item in items]
    faces = cells[0].observed_77.sum(axis=1)
    shares = [item.run.rows(test)["covered_share"].mean() for item in items]
    row: dict[str, Any] = {
        "test": test, "severity": 0.0 if test == "none" else dial(test)[1], "covered_share": float(np.mean(shares)),
        "n": int(faces.sum()), "trainings": len(cells), "majority_accuracy": float(faces.max() / faces.sum()),
    }  # fmt: skip
    for name, statistic in (("accuracy", accuracy_of), ("f1_macro", f1_macro_of)):
        found = interval(statistic, cells)
        row |= {name: float(found.value), f"{name}_low": float(found.low), f"{name}_high": float(found.high)}
    recall = interval(recall_of, cells)
    for place, name in enumerate(EXPRESSIONS):
        row |= {f"recall_{name}": recall.value[place], f"recall_{name}_low": recall.low[place],
                f"recall_{name}_high": recall.high[place]}  # fmt: skip
    return row
