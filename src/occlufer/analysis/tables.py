"""Study -> pandas tables. Each is long and plain (one fact a row, shares 0..1), and lies as a CSV beside the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from occlufer.analysis.ablation import ablation_table
from occlufer.analysis.cell_tables import (
    BLOCK,
    confusion_table,
    intervals_table,
    recall_table,
    run_confusion_table,
)
from occlufer.analysis.comparisons import comparisons_table
from occlufer.analysis.core.cells import count_cells, in_matrix
from occlufer.analysis.core.conditions import condition_order, set_aside
from occlufer.analysis.core.metrics import STUDY_METRICS, score
from occlufer.analysis.core.selection import BY_TEST
from occlufer.analysis.core.statistics import RESAMPLES, spread
from occlufer.analysis.core.study import Block, ScoredRun, Study
from occlufer.analysis.factors import anova_table, contrasts_table, crossed_cells, crossed_table, tukey_table
from occlufer.analysis.published import published_table
from occlufer.analysis.severity import severity_table
from occlufer.types import EXPRESSIONS, SPLITS, RunError

EXTRAS = ("published", "settings", "mixed_model", "contrasts", "anova", "tukey", "extra_images",
          "severity")  # fmt: skip
"""Tables that only some studies have: re-runs of a published one, grids, several models, extra images, dials."""


def runs_table(study: Study) -> pd.DataFrame:
    """Every run folder found: name, what it is, state, and why it is left out (empty when it is in the numbers)."""
    scored = {run.run.name: run for run in (*study.runs, *study.not_chosen)}
    chosen = {run.run.name for run in study.runs}
    reasons = {item.name: item.reason for item in study.left_out}
    rows = []
    for found in study.found:
        row: dict[str, Any] = {
            "run": found.name,
            "state": "in the numbers" if found.name in chosen else "left out",
        }
        if (run := scored.get(found.name)) is not None:
            summary = run.summary
            row |= {"dataset": summary.dataset, "model": summary.model, "variant": run.block.variant,
                    "train": summary.condition, "seed": summary.seed, "fold": summary.fold, "setting": run.setting,
                    "epochs": summary.epochs,
                    "best_epoch": summary.best_epoch, "validation_f1_macro": summary.best_score,
                    "seconds": summary.seconds, "parameters": summary.parameters}  # fmt: skip
        other = (
            "Another setting of the grid was chosen."
            if found.name in scored and found.name not in chosen
            else ""
        )
        rows.append(row | {"reason": reasons.get(found.name, other)})
    columns = ["run", "dataset", "model", "variant", "train", "seed", "fold", "setting", "epochs", "best_epoch",
               "validation_f1_macro", "seconds", "parameters", "state", "reason"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).astype(
        dict.fromkeys(("seed", "fold", "epochs", "best_epoch", "parameters"), "Int64")
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


def settings_table(study: Study) -> pd.DataFrame:
    """Every setting that a grid search tried (`selection.Choice`), one row each, best first in its cell."""
    rows = []
    for choice in study.choices:
        row = asdict(choice)
        rows.append(row.pop("block") | row)
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows).rename(
        columns={"validation": "validation_f1_macro", "test": "test_accuracy", "by": "chosen_by"}
    )
    table["rank"] = table["validation_f1_macro"].where(table["chosen_by"] != BY_TEST, table["test_accuracy"])
    order = ["rank", "setting"]
    table = table.sort_values(order, ascending=[False, True]).drop(columns="rank")
    return sort_conditions(table.assign(test=table["train"])).drop(columns="test")


def fold_metrics(study: Study) -> pd.DataFrame:
    """The eight metrics of study A at full precision, a row each training and test condition, settings not chosen too.

    Columns: dataset, model, variant, setting, chosen, run, train, test, seed, fold, n, and `STUDY_METRICS`.
    """
    chosen = {run.run.name: run for run in study.runs}
    settings = {run.run.name: run.setting for run in (*study.runs, *study.not_chosen)}
    table = scores_table([*study.runs, *study.not_chosen])
    if not len(table):
        return table
    table = table.assign(setting=table["run"].map(settings), chosen=table["run"].isin(chosen))
    return table[[*BLOCK, "setting", "chosen", "run", "train", "test", "seed", "fold", "n", *STUDY_METRICS]]


def history_table(study: Study) -> pd.DataFrame:
    """history.csv of every run in the numbers, with its block, train condition, seed and fold."""
    frames = []
    for run in study.runs:
        history = run.run.history()
        history = history.drop(columns=[name for name in run.identity if name in history.columns])
        if len(history):
            identity = pd.DataFrame([run.identity] * len(history)).astype({"fold": "Int64"})
            frames.append(identity.join(history))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["run", "epoch"])


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


def study_tables(study: Study, *, resamples: int = RESAMPLES) -> dict[str, pd.DataFrame]:
    """Every table by the name of its CSV file.

    Always runs, dropped, matrix, recall, confusion, confusion_runs, comparisons, scores, history; and those of `EXTRAS`
    that have rows.

    Raises:
        RunError: the study holds no run folder.
    """
    if not study.found:
        raise RunError(f"{study.folder} holds no run folder. Train something with study={study.name} first.")
    every = count_cells(study, resamples=resamples)
    counted = in_matrix(every)
    scores = scores_table(study.runs)
    matrix = matrix_table(scores)
    tables = {
        "runs": runs_table(study),
        "dropped": dropped_table(study),
        "matrix": matrix.merge(intervals_table(counted), how="left", on=[*BLOCK, "train", "test"]),
        "recall": recall_table(counted),
        "comparisons": comparisons_table(counted),
        "confusion": confusion_table(counted),
        "confusion_runs": run_confusion_table(every),
        "scores": scores,
        "history": history_table(study),
    }
    designs = crossed_cells(counted)
    extras = (
        published_table(counted), settings_table(study), crossed_table(designs), contrasts_table(designs),
        anova_table(designs, scores), tukey_table(designs, scores), ablation_table(counted), severity_table(every),
    )  # fmt: skip
    return tables | {name: table for name, table in zip(EXTRAS, extras, strict=True) if len(table)}
