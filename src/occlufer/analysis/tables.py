"""Study -> pandas tables. Each is long and plain (one fact a row, shares 0..1), and lies as a CSV beside the report."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from occlufer.analysis.cells import Counted, by_cell, count_cells
from occlufer.analysis.comparisons import comparisons_table
from occlufer.analysis.metrics import accuracy_of, condition_order, f1_macro_of, recall_of, score
from occlufer.analysis.statistics import RESAMPLES, difference, interval, spread
from occlufer.analysis.study import Block, ScoredRun, Study
from occlufer.types import EXPRESSIONS, SPLITS, RunError


def runs_table(study: Study) -> pd.DataFrame:
    """Every run folder found: name, what it is, state, and why it is left out (empty when it is in the numbers)."""
    scored = {run.run.name: run for run in study.runs}
    reasons = {item.name: item.reason for item in study.left_out}
    rows = []
    for found in study.found:
        row: dict[str, Any] = {
            "run": found.name,
            "state": "left out" if found.name in reasons else "in the numbers",
        }
        if (run := scored.get(found.name)) is not None:
            summary = run.summary
            row |= {"dataset": summary.dataset, "model": summary.model, "variant": run.block.variant,
                    "train": summary.condition, "seed": summary.seed, "epochs": summary.epochs,
                    "best_epoch": summary.best_epoch, "validation_f1_macro": summary.best_score,
                    "seconds": summary.seconds, "parameters": summary.parameters}  # fmt: skip
        rows.append(row | {"reason": reasons.get(found.name, "")})
    columns = ["run", "dataset", "model", "variant", "train", "seed", "epochs", "best_epoch", "validation_f1_macro",
               "seconds", "parameters", "state", "reason"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).astype(
        dict.fromkeys(("seed", "epochs", "best_epoch", "parameters"), "Int64")
    )


def dropped_table(study: Study) -> pd.DataFrame:
    """Faces without landmarks by dataset, split and expression: faces, used, dropped, dropped_share."""
    columns = ["dataset", "split", "expression", "faces", "used", "dropped"]
    frames = []
    for run in study.runs:
        coverage = run.run.coverage()
        if set(columns[1:]) <= set(coverage.columns):
            frames.append(coverage.assign(dataset=run.summary.dataset)[columns])
    if not frames:
        return pd.DataFrame(columns=[*columns, "dropped_share"])
    # All runs on one dataset drop the same faces; should they not, the largest count is the honest one to show.
    table = pd.concat(frames).sort_values("dropped").drop_duplicates(columns[:3], keep="last")
    order = {name: place for place, name in enumerate([*SPLITS, *EXPRESSIONS])}
    table = table.sort_values(
        columns[:3], key=lambda column: column.map(order).fillna(column) if column.name != "dataset" else column,
        ignore_index=True,
    )  # fmt: skip
    return table.assign(dropped_share=table["dropped"] / table["faces"].where(table["faces"] > 0))


def scores_table(study: Study) -> pd.DataFrame:
    """All metrics of `metrics.score` for every run and test condition, recomputed from the predictions."""
    rows = []
    for run in study.runs:
        for test in run.conditions:
            scores = score(run.rows(test))
            recall = dict(zip(EXPRESSIONS, scores.pop("recall_by_class"), strict=True))
            scores.pop("confusion_matrix")
            rows.append(
                asdict(run.block)
                | {
                    "run": run.run.name,
                    "train": run.summary.condition,
                    "seed": run.summary.seed,
                    "test": test,
                }
                | scores
                | {f"recall_{name}": value for name, value in recall.items()}
            )
    return sort_conditions(pd.DataFrame(rows)) if rows else pd.DataFrame()


def history_table(study: Study) -> pd.DataFrame:
    """history.csv of every run in the numbers, with its block, train condition and seed."""
    frames = []
    for run in study.runs:
        history = run.run.history()
        for place, (name, value) in enumerate(_identity(run).items()):
            if name in history.columns:
                history = history.drop(columns=name)
            history.insert(place, name, value)
        if len(history):
            frames.append(history)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["run", "epoch"])


def matrix_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Train condition x test condition from `scores_table`: mean, sd over seeds (NaN for one) and number of seeds.

    Columns: dataset, model, variant, train, test, n (faces), seeds, majority_accuracy, and accuracy and f1_macro each
    as `_mean` and `_sd`.
    """
    rows = []
    if not len(scores):
        return pd.DataFrame(columns=[*_BLOCK, "train", "test"])
    for key, group in scores.groupby([*_BLOCK, "train", "test"], sort=False):
        row = dict(zip([*_BLOCK, "train", "test"], key, strict=True))
        row |= {"n": int(group["n"].iloc[0]), "seeds": len(group),
                "majority_accuracy": group["majority_accuracy"].iloc[0]}  # fmt: skip
        for name in ("accuracy", "f1_macro"):
            row[f"{name}_mean"], row[f"{name}_sd"], _ = spread(group[name].tolist())
        rows.append(row)
    return sort_conditions(pd.DataFrame(rows))


_BLOCK = ["dataset", "model", "variant"]


def of_block(table: pd.DataFrame, block: Block) -> pd.DataFrame:
    """The rows of one block."""
    if not len(table):
        return table
    keep = (table["dataset"] == block.dataset) & (table["model"] == block.model)
    return table[keep & (table["variant"] == block.variant)]


def sort_conditions(table: pd.DataFrame) -> pd.DataFrame:
    """Rows by dataset, model and variant, then by train and test condition in report order."""
    names = [name for name in [*_BLOCK, "train", "test"] if name in table.columns]
    conditions = [name for name in ("train", "test") if name in names]
    order = condition_order(str(value) for name in conditions for value in table[name].unique())
    return table.sort_values(
        names, key=lambda column: column.map(order.index) if column.name in conditions else column,
        ignore_index=True, kind="stable",
    )  # fmt: skip


def _identity(run: ScoredRun) -> dict[str, Any]:
    return asdict(run.block) | {"run": run.run.name, "train": run.summary.condition, "seed": run.summary.seed}


def intervals_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """95 % intervals over test faces of accuracy and macro F1 for each cell of the matrix, seeds averaged."""
    rows = []
    for block, items in counted.items():
        for (train, test), cells in by_cell(items).items():
            row: dict[str, Any] = asdict(block) | {"train": train, "test": test}
            for name, statistic in (("accuracy", accuracy_of), ("f1_macro", f1_macro_of)):
                found = interval(statistic, cells)
                row |= {f"{name}_low": float(found.low), f"{name}_high": float(found.high)}
            rows.append(row)
    return pd.DataFrame(rows, columns=None if rows else [*_BLOCK, "train", "test"])


def recall_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """Recall by class for each train and test condition, and its change from the uncovered face.

    Seeds are averaged; `low`, `high` are 95 % intervals over test faces; `change` = recall here minus recall of the
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
                       "seeds": len(cells), "recall": recall.value[place], "low": recall.low[place],
                       "high": recall.high[place]}  # fmt: skip
                for label in ("value", "low", "high"):
                    column = "change" if label == "value" else f"change_{label}"
                    row[column] = getattr(change, label)[place] if change else np.nan
                rows.append(row)
    return pd.DataFrame(rows, columns=None if rows else [*_BLOCK, "train", "test", "expression"])


def confusion_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """Counts by train condition, test condition, truth and prediction, summed over the seeds."""
    rows = []
    for block, items in counted.items():
        for (train, test), cells in by_cell(items).items():
            total = np.sum([cell.observed_77 for cell in cells], axis=0)
            for truth, counts in zip(EXPRESSIONS, total, strict=True):
                rows.append(
                    asdict(block)
                    | {"train": train, "test": test, "truth": truth}
                    | {f"as_{name}": int(count) for name, count in zip(EXPRESSIONS, counts, strict=True)}
                )
    return pd.DataFrame(rows, columns=None if rows else [*_BLOCK, "train", "test", "truth"])


def study_tables(study: Study, *, resamples: int = RESAMPLES) -> dict[str, pd.DataFrame]:
    """Every table by the name of its CSV file: runs, dropped, matrix, recall, confusion, comparisons, scores, history.

    Raises:
        RunError: the study holds no run folder.
    """
    if not study.found:
        raise RunError(f"{study.folder} holds no run folder. Train something with study={study.name} first.")
    counted = count_cells(study, resamples=resamples)
    scores = scores_table(study)
    matrix = matrix_table(scores)
    return {
        "runs": runs_table(study),
        "dropped": dropped_table(study),
        "matrix": matrix.merge(intervals_table(counted), how="left", on=[*_BLOCK, "train", "test"]),
        "recall": recall_table(counted),
        "comparisons": comparisons_table(counted),
        "confusion": confusion_table(counted),
        "scores": scores,
        "history": history_table(study),
    }
