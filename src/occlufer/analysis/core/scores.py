"""Scores of runs and of the cells of the matrix as plain tables: one fact a row, shares 0..1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from occlufer.analysis.core.cells import Counted, by_cell
from occlufer.analysis.core.conditions import condition_order, set_aside
from occlufer.analysis.core.intervals import accuracy_interval, interval
from occlufer.analysis.core.metrics import f1_macro_of, score
from occlufer.analysis.core.statistics import spread
from occlufer.analysis.core.study import Block, ScoredRun
from occlufer.types import EXPRESSIONS

BLOCK = ["dataset", "model", "variant"]
"""The columns that name a block."""


def of_block(table: pd.DataFrame, block: Block) -> pd.DataFrame:
    """The rows of one block."""
    if not len(table):
        return table
    keep = (table["dataset"] == block.dataset) & (table["model"] == block.model)
    return table[keep & (table["variant"] == block.variant)]


def sort_conditions(table: pd.DataFrame) -> pd.DataFrame:
    """Rows by dataset, model and variant, then by train and test condition in report order."""
    names = [name for name in [*BLOCK, "train", "test"] if name in table.columns]
    conditions = [name for name in ("train", "test") if name in names]
    order = condition_order(str(value) for name in conditions for value in table[name].unique())
    return table.sort_values(
        names, key=lambda column: column.map(order.index) if column.name in conditions else column,
        ignore_index=True, kind="stable",
    )  # fmt: skip


def scores_table(runs: Sequence[ScoredRun]) -> pd.DataFrame:
    """All metrics of `metrics.score` for every run and test condition, recomputed from the predictions."""
    rows = []
    for run in runs:
        for test in run.conditions:
            scores = score(run.rows(test))
            recall = dict(zip(EXPRESSIONS, scores.pop("recall_by_class"), strict=True))
            scores.pop("confusion_matrix")
            rows.append(
                run.identity
                | {"test": test}
                | scores
                | {f"recall_{name}": value for name, value in recall.items()}
            )
    return sort_conditions(pd.DataFrame(rows).astype({"fold": "Int64"})) if rows else pd.DataFrame()


def matrix_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Train condition x test condition from `scores_table`: mean and sd over trainings (NaN for one).

    Many places of a dial are left out, as they have a table of their own (`severity.severity_table`).
    Columns: dataset, model, variant, train, test, n (faces), trainings (runs), seeds and folds (how many different
    ones; no folds: 0), majority_accuracy, and accuracy and f1_macro each as `_mean` and `_sd`.
    """
    rows = []
    if not len(scores):
        return pd.DataFrame(columns=[*BLOCK, "train", "test"])
    for key, group in scores.groupby([*BLOCK, "train", "test"], sort=False):
        row = dict(zip([*BLOCK, "train", "test"], key, strict=True))
        row |= {"n": int(group["n"].iloc[0]), "trainings": len(group), "seeds": group["seed"].nunique(),
                "folds": group["fold"].nunique(), "majority_accuracy": group["majority_accuracy"].iloc[0]}  # fmt: skip
        for name in ("accuracy", "f1_macro"):
            row[f"{name}_mean"], row[f"{name}_sd"], _ = spread(group[name].tolist())
        rows.append(row)
    return sort_conditions(_without_dials(pd.DataFrame(rows)))


def _without_dials(matrix: pd.DataFrame) -> pd.DataFrame:
    """Without the places of dials that stand beside the severity figure alone (`conditions.set_aside`)."""
    parts = [
        part[~part["test"].isin(set_aside(zip(part["train"], part["test"], strict=True)))]
        for _, part in matrix.groupby(BLOCK, sort=False)
    ]
    return pd.concat(parts, ignore_index=True)


def intervals_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """95 % intervals over faces and trainings of accuracy and macro F1 for each cell of the matrix.

    `people` says how many people were resampled, and is empty where faces were.
    """
    rows = []
    for block, items in counted.items():
        for (train, test), cells in by_cell(items).items():
            people = pd.NA if items[0].people is None else items[0].people
            row: dict[str, Any] = asdict(block) | {"train": train, "test": test, "people": people}
            for name, found in (
                ("accuracy", accuracy_interval(cells)),
                ("f1_macro", interval(f1_macro_of, cells)),
            ):
                row |= {f"{name}_low": float(found.low), f"{name}_high": float(found.high)}
            rows.append(row)
    table = pd.DataFrame(rows, columns=None if rows else [*BLOCK, "train", "test", "people"])
    return table.astype({"people": "Int64"})
