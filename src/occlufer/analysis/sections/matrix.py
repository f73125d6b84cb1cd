"""Train condition x test condition: the matrix, and what it rests on."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.metrics import (
    STUDY_METRICS,
    records,
)
from occlufer.analysis.core.scores import BLOCK, scores_table, sort_conditions
from occlufer.analysis.core.study import Block, Study
from occlufer.analysis.core.trainings import spread_words
from occlufer.analysis.core.words import condition_phrase, percent
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.drawing import (
    LIGHT,
    NORMAL,
    Theme,
    label_cells,
    shade,
    single,
)
from occlufer.analysis.sections.parts import (
    Details,
    Drawing,
    Entry,
    Files,
    Grid,
    bounds,
    fold_text,
    interval_words,
    named,
    without_folds,
)

_NAMES = {"accuracy": "Accuracy", "f1_macro": "Macro F1"}


class Matrix(Section):
    """Accuracy and macro F1 of every train and test condition, and all metrics of every run."""

    anchor, title, nav = "matrix", "Macro F1, and all metrics", "Macro F1, all metrics"
    lasting = ("matrix", "scores")

    def make_tables(self) -> dict[str, pd.DataFrame]:
        return {"matrix": self.core.matrix, "scores": self.core.scores}

    def block_parts(self, block: Block) -> list[Any]:
        matrix, suffix = self.matrix(block), self.core.suffix(block)
        pictures = [self._picture(matrix, metric, suffix) for metric in _NAMES]
        scores = Details("All metrics of every run", [scores_grid(self.of("scores", block))])
        return [*pictures, matrix_grid(matrix, "f1_macro"), scores]

    def _picture(self, matrix: pd.DataFrame, metric: str, suffix: str) -> Drawing:
        name = _NAMES[metric]
        return Drawing(
            lambda theme: matrix_figure(matrix, metric, theme), f"matrix_{metric}{suffix}",
            f"Heat map of {name}.", f"{name}: rows are train conditions, columns test conditions.", on_page=False,
        )  # fmt: skip

    def closing(self) -> list[Any]:
        words = "The eight metrics of every training at full precision, columns separated by semicolons:"
        return [Files(words, [("tables/metrics.csv", "metrics.csv")])]

    def answers(self, block: Block) -> list[tuple[str, str]]:
        rows = records(self.matrix(block))
        if len(rows) > 1:  # the effects answer
            return []
        (row,) = rows
        return [(
            "What is read",
            f"Networks trained on {condition_phrase(row['train'])} reach {percent(row['accuracy_mean'])} accuracy on "
            f"{condition_phrase(row['test'])} (95 % interval {bounds(row['accuracy_low'], row['accuracy_high'])}; "
            f"{spread_words(self.matrix(block))}; always answering the largest class: "
            f"{percent(row['majority_accuracy'])}).",
        )]  # fmt: skip

    def findings(self, block: Block) -> list[str]:
        rows = records(self.matrix(block))
        majority = percent(rows[0]["majority_accuracy"])
        return [
            f"Trained on {condition_phrase(row['train'])}, networks are no better on "
            f"{condition_phrase(row['test'])} ({percent(row['accuracy_mean'])}) than always answering the largest "
            f"class ({majority})."
            for row in rows
            if row["accuracy_mean"] <= row["majority_accuracy"]
        ]

    def cautions(self, block: Block) -> list[str]:
        if not self.matrix(block)["folds"].max():
            return []
        return [
            "Folds of one split share most of their training faces, so their spread is narrower than that of trainings "
            "on fresh data."
        ]


def matrix_figure(matrix: pd.DataFrame, metric: str, theme: Theme = LIGHT) -> Figure:
    """Heat map of train x test condition, with mean and sd over trainings printed in per cent.

    Args:
        matrix: rows of one block of `tables.matrix_table`.
        metric: `accuracy` or `f1_macro`.
    """
    trains, tests = condition_order(matrix["train"]), condition_order(matrix["test"])
    figure, axes = single(min(theme.width, 1.9 + 0.95 * len(tests)), 1.15 + 0.52 * len(trains), theme)
    shares = np.full((len(trains), len(tests)), np.nan)
    for row in records(matrix):
        shares[trains.index(row["train"]), tests.index(row["test"])] = row[f"{metric}_mean"]
    shade(axes, shares, theme)
    for row in records(matrix):
        mean, sd = row[f"{metric}_mean"], row[f"{metric}_sd"]
        text = f"{100 * mean:.1f}" + ("" if math.isnan(sd) else f"\n± {100 * sd:.1f}")
        axes.text(tests.index(row["test"]), trains.index(row["train"]), text, ha="center", va="center",
                  color=theme.text_on(mean), fontsize=NORMAL, linespacing=1.25)  # fmt: skip
    columns = [textwrap.fill(condition_phrase(name), 9) for name in tests]
    label_cells(
        axes, columns, [textwrap.fill(condition_phrase(name), 16) for name in trains], theme, rotation=0
    )
    axes.set_xlabel("tested on")
    axes.set_ylabel("trained on")
    name = {"accuracy": "Accuracy", "f1_macro": "Macro F1"}.get(metric, metric)
    axes.set_title(f"{name}, %", loc="left", fontsize=NORMAL, color=theme.ink)
    return figure


def matrix_grid(matrix: pd.DataFrame, metric: str) -> Grid:
    """Train x test condition of `accuracy` or `f1_macro`, per cent, from one block of the matrix table."""
    tests = condition_order(matrix["test"])
    rows = []
    for train in condition_order(matrix["train"]):
        cells = {str(row["test"]): row for _, row in matrix[matrix["train"] == train].iterrows()}
        rows.append(
            [
                Entry(condition_phrase(train)),
                *(_matrix_entry(cells.get(test), metric, train == test) for test in tests),
            ]
        )
    name = {"accuracy": "Accuracy", "f1_macro": "Macro F1"}[metric]
    baseline = ""
    if metric == "accuracy":
        baseline = f" Always answering the largest class: {percent(matrix['majority_accuracy'].iloc[0])}."
    caption = (
        f"{name} in per cent: {spread_words(matrix)}; below, the 95 % bootstrap interval over {interval_words(matrix)}."
        f"{baseline}"
    )
    return Grid(caption, ["trained on", *map(condition_phrase, tests)], rows, "matrix", over="tested on")


def _matrix_entry(row: Any, metric: str, own: bool) -> Entry:
    if row is None:
        return Entry("–")
    sd = row[f"{metric}_sd"]
    text = f"{100 * row[f'{metric}_mean']:.1f}" + ("" if math.isnan(sd) else f" ± {100 * sd:.1f}")
    small = bounds(row[f"{metric}_low"], row[f"{metric}_high"])
    return Entry(text, small, own, share=float(row[f"{metric}_mean"]))


def scores_grid(scores: pd.DataFrame) -> Grid:
    """The metrics of every run and test condition."""
    names = {"accuracy": "accuracy", "precision_macro": "precision, macro", "recall_macro": "recall, macro",
             "f1_macro": "F1, macro", "precision_weighted": "precision, weighted",
             "f1_weighted": "F1, weighted"}  # fmt: skip
    rows = []
    for _, row in scores.iterrows():
        line = [
            Entry(condition_phrase(row["train"]), row["run"]),
            *named(row["test"]),
            Entry(str(row["seed"])),
            Entry(fold_text(row["fold"])),
        ]
        line += [Entry(f"{100 * row[name]:.1f}") for name in names]
        rows.append([*line, Entry(f"{row['confusion_entropy_bits']:.2f}")])
    caption = "All metrics of every run in per cent, entropy in bits. Weighted recall is accuracy."
    header, rows = without_folds(
        ["trained on", "tested on", "seed", "fold", *names.values(), "entropy, bits"], rows
    )
    return Grid(caption, header, rows, "scores", heads=2)


def fold_metrics(study: Study, scores: pd.DataFrame) -> pd.DataFrame:
    """The eight metrics of study A at full precision, a row each training and test condition, settings not chosen too.

    Columns: dataset, model, variant, setting, chosen, run, train, test, seed, fold, n, and `STUDY_METRICS`. `scores` is
    `scores.scores_table` of the runs of the study.
    """
    chosen = {run.run.name: run for run in study.runs}
    settings = {run.run.name: run.setting for run in (*study.runs, *study.not_chosen)}
    others = scores_table(study.not_chosen)
    table = sort_conditions(pd.concat([scores, others], ignore_index=True)) if len(others) else scores
    if not len(table):
        return table
    table = table.assign(setting=table["run"].map(settings), chosen=table["run"].isin(chosen))
    return table[[*BLOCK, "setting", "chosen", "run", "train", "test", "seed", "fold", "n", *STUDY_METRICS]]
