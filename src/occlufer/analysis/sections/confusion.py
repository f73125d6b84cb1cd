"""Confusion matrices, of each train condition and of single runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from occlufer.analysis.core.cells import Counted, by_cell
from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.scores import BLOCK
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.words import condition_phrase
from occlufer.analysis.sections.base import Section, slug
from occlufer.analysis.sections.drawing import (
    LIGHT,
    SMALL,
    Theme,
    label_cells,
    numbers,
    panels,
    shade,
)
from occlufer.analysis.sections.parts import (
    Drawing,
    Files,
)
from occlufer.types import EXPRESSIONS


class Confusion(Section):
    """Which expression is taken for which."""

    anchor, title, nav = "confusion", "Confusion matrices", "Confusions"
    lasting = ("confusion", "confusion_runs")

    def make_tables(self) -> dict[str, pd.DataFrame]:
        return {
            "confusion": confusion_table(self.core.counted),
            "confusion_runs": run_confusion_table(self.core.every),
        }

    def block_parts(self, block: Block) -> list[Any]:
        table = self.of("confusion", block)
        return [self._drawing(table[table["train"] == train], train, self.core.suffix(block))
                for train in condition_order(table["train"])]  # fmt: skip

    def _drawing(self, rows: pd.DataFrame, train: str, suffix: str) -> Drawing:
        return Drawing(
            lambda theme: confusion_figure(rows, theme), f"confusion_{slug(train)}{suffix}",
            f"Confusion matrices of the networks trained on {condition_phrase(train)}; confusion.csv holds the counts.",
            f"Trained on {condition_phrase(train)}. Upper number and shade: per cent of the true class; below: faces, "
            "all trainings.",
            least=820, scale=1.5,
        )  # fmt: skip

    def closing(self) -> list[Any]:
        links = [(f"tables/{name}.csv", f"{name}.csv") for name in ("confusion", "confusion_runs")]
        return [Files("Behind them, summed and run by run (as_ columns are counts, share_as_ columns shares of "
                      "the true "
                      "class):", links)]  # fmt: skip


def confusion_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """Counts by train condition, test condition, truth and prediction over all trainings, and shares of the truth."""
    rows = []
    for block, items in counted.items():
        for (train, test), cells in by_cell(items).items():
            total = np.sum([cell.observed_77 for cell in cells.values()], axis=0)
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


def confusion_figure(confusion: pd.DataFrame, theme: Theme = LIGHT) -> Figure:
    """Confusion matrices of the networks of one train condition: one panel a test condition.

    Colour and upper number are the share of the true class in per cent; the lower number is the count.
    `confusion` holds the rows of one block and train condition of `tables.confusion_table`.
    """
    tests = condition_order(confusion["test"])
    figure, drawn, across = panels(len(tests), 2.65, theme, each=2.08)
    for axes, test in zip(drawn, tests, strict=True):
        rows = confusion[confusion["test"] == test].set_index("truth").loc[list(EXPRESSIONS)]
        _draw_counts(axes, rows[[f"as_{name}" for name in EXPRESSIONS]].to_numpy(), theme)
        axes.set_title(
            f"tested on {condition_phrase(test)}", loc="left", fontsize=SMALL + 0.5, color=theme.ink
        )
        axes.set_xlabel("predicted")
    for axes in drawn[::across]:
        axes.set_ylabel("true expression")
    return figure


def _draw_counts(axes: Axes, counts: NDArray[np.int64], theme: Theme) -> None:
    faces = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, faces, out=np.zeros(counts.shape), where=faces > 0)
    shade(axes, shares, theme)
    axes.set_aspect("equal")
    rows, columns = np.nonzero(counts)
    colours = [theme.text_on(share) for share in shares[rows, columns]]
    percents = [f"{100 * share:.0f}" for share in shares[rows, columns]]
    numbers(axes, np.stack([columns, rows - 0.13], axis=1), percents, colours, 6.8)
    faces_there = [str(count) for count in counts[rows, columns]]
    numbers(axes, np.stack([columns, rows + 0.27], axis=1), faces_there, colours, 4.8)
    label_cells(axes, EXPRESSIONS, EXPRESSIONS, theme, rotation=45)
    axes.tick_params(labelsize=SMALL)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
