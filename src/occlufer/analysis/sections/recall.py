"""Recall by class and condition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from occlufer.analysis.core.cells import Counted, by_cell, by_training, training_bootstrap
from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.intervals import difference, recall_interval
from occlufer.analysis.core.metrics import recall_of, records
from occlufer.analysis.core.scores import BLOCK
from occlufer.analysis.core.statistics import same_worst
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.words import condition_phrase, joined, percent, points, sentence, signed
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.drawing import (
    LIGHT,
    MARKERS,
    NORMAL,
    Theme,
    add_legend,
    panels,
    series_places,
)
from occlufer.analysis.sections.parts import (
    Details,
    Drawing,
    Entry,
    Grid,
    bounds,
    interval_words,
)
from occlufer.types import EXPRESSIONS

_TOP = len(EXPRESSIONS) - 1


class Recall(Section):
    """Recall of each expression, and its change from the bare face."""

    anchor, title, nav = "recall", "Recall by class and condition", "Recall by class"
    lasting = ("recall",)

    def make_tables(self) -> dict[str, pd.DataFrame]:
        return {"recall": recall_table(self.core.counted)}

    def block_parts(self, block: Block) -> list[Any]:
        recall = self.of("recall", block)
        picture = Drawing(
            lambda theme: recall_figure(recall, theme), f"recall{self.core.suffix(block)}",
            "Dots with intervals: recall of each expression under each test condition; the tables hold the numbers.",
            f"Recall by class. Bars are 95 % bootstrap intervals over {interval_words(self.matrix(block))}.",
            least=640,
        )  # fmt: skip
        first, *others = [recall_grid(recall, train) for train in condition_order(recall["train"])]
        return [
            picture,
            first,
            *([Details(f"The other trainings ({len(others)})", others)] if others else []),
        ]

    def findings(self, block: Block) -> list[str]:
        recall = self.of("recall", block)
        sentences = []
        for test in condition_order(self.matrix(block)["test"]):
            rows = recall[(recall["train"] == "none") & (recall["test"] == test)]
            # Only falls whose whole interval lies below zero are named.
            falls = records(rows[rows["change_high"] < 0].sort_values("change").head(2))
            if falls:
                names = sentence(joined([row["expression"] for row in falls]))
                parts = [
                    f"from {percent(row['recall'] - row['change'])} to {percent(row['recall'])} (95 % interval of the "
                    f"change {points(row['change_low'], row['change_high'])} points)"
                    for row in falls
                ]
                verb = "suffer" if len(falls) > 1 else "suffers"
                stable = falls[0]["worst_two" if len(falls) > 1 else "worst_one"]
                same = (
                    "these are the two that fall most" if len(falls) > 1 else "it is the one that falls most"
                )
                sentences.append(
                    f"{names} {verb} most on {condition_phrase(test)}: recall falls {joined(parts)}; {same} in "
                    f"{percent(stable)} of resamples of faces and trainings."
                )
        return sentences


def recall_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """Recall by class for each train and test condition, and its change from the uncovered face.

    Trainings are averaged; `low`, `high` are 95 % intervals over faces and trainings; `change` = recall here minus that
    of the same networks on the condition none, with a paired interval; empty where there is no none, or it is none.
    `low`, `high` are exact at 0 and 1. `worst_one`, `worst_two`: share of resamples of faces and trainings in which the
    class (two classes) that falls most is the one (are the two) of this table.
    """
    rows = []
    for block, items in counted.items():
        grid = by_cell(items)
        for (train, test), cells in grid.items():
            recall = recall_interval(cells)
            clean = grid.get((train, "none"))
            change = difference(recall_of, clean, cells) if clean and test != "none" else None
            stable = _stability(items, train, test) if change else {"worst_one": np.nan, "worst_two": np.nan}
            faces = next(iter(cells.values())).observed_77.sum(axis=1)
            for place, name in enumerate(EXPRESSIONS):
                row = asdict(block) | {"train": train, "test": test, "expression": name, "n": int(faces[place]),
                       "trainings": len(cells), "recall": recall.value[place], "low": recall.low[place],
                       "high": recall.high[place]}  # fmt: skip
                for label in ("value", "low", "high"):
                    column = "change" if label == "value" else f"change_{label}"
                    row[column] = getattr(change, label)[place] if change else np.nan
                rows.append(row | stable)
    return pd.DataFrame(rows, columns=None if rows else [*BLOCK, "train", "test", "expression"])


def _stability(items: Sequence[Counted], train: str, test: str) -> dict[str, float]:
    """How stable the ranks at the top are: `worst_one` and `worst_two` of the recall table."""
    bootstrap = training_bootstrap(items)
    sides = []
    for condition in ("none", test):
        cells = {training: item.cell for training, item in by_training(items, train, condition).items()}
        sides.append(bootstrap.average(recall_of, cells))
    (bare_7, bare_B7), (here_7, here_B7) = sides
    found = [same_worst(here_B7 - bare_B7, here_7 - bare_7, number) for number in (1, 2)]
    return dict(zip(("worst_one", "worst_two"), found, strict=True))


def recall_figure(recall: pd.DataFrame, theme: Theme = LIGHT) -> Figure:
    """Recall by class: one panel a train condition, one mark a test condition, bars = 95 % intervals.

    `recall` holds the rows of one block of `tables.recall_table`.
    """
    trains, tests = condition_order(recall["train"]), condition_order(recall["test"])
    places = series_places(tests)
    figure, drawn, _ = panels(len(trains), 3.1, theme)
    for axes, train in zip(drawn, trains, strict=True):
        found = condition_order(recall[recall["train"] == train]["test"])
        for place, test in enumerate(found):
            rows = recall[(recall["train"] == train) & (recall["test"] == test)]
            _dots(
                axes, rows, (place - (len(found) - 1) / 2) * min(0.22, 0.7 / len(found)), places[test], theme
            )
        axes.set(xlim=(-2, 102), ylim=(-0.6, _TOP + 0.6))
        axes.set_yticks(range(len(EXPRESSIONS)), EXPRESSIONS[::-1])
        axes.grid(axis="x", color=theme.rule, linewidth=0.6)
        axes.set_xlabel("recall, %")
        axes.set_title(f"trained on {condition_phrase(train)}", loc="left", fontsize=NORMAL, color=theme.ink)
    # Networks may have been tested on other conditions than their neighbours.
    marks = {
        label: mark for axes in drawn for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    order = [test for test in tests if test in marks]
    add_legend(
        figure,
        [marks[test] for test in order],
        [f"tested on {condition_phrase(test)}" for test in order],
        theme,
    )
    return figure


def _dots(axes: Axes, rows: pd.DataFrame, offset: float, place: int, theme: Theme) -> None:
    by_class = rows.set_index("expression").loc[list(EXPRESSIONS)]
    value, low, high = (100 * by_class[name].to_numpy(dtype=float) for name in ("recall", "low", "high"))
    colour = theme.series[place % len(theme.series)]
    # A percentile interval need not hold the value when a class has a handful of faces.
    arms = np.clip(np.stack([value - low, high - value]), 0, None)
    axes.errorbar(value, _TOP - np.arange(len(EXPRESSIONS)) - offset, xerr=arms, fmt=MARKERS[place % len(MARKERS)],
                  markersize=4, color=colour, elinewidth=1, label=str(rows["test"].iloc[0]))  # fmt: skip


def recall_grid(recall: pd.DataFrame, train: str) -> Grid:
    """Recall by class of the networks of one train condition, with the change from the uncovered face."""
    rows_of = recall[recall["train"] == train]
    tests = condition_order(rows_of["test"])
    rows = []
    for name in EXPRESSIONS:
        found = {str(row["test"]): row for _, row in rows_of[rows_of["expression"] == name].iterrows()}
        faces = next(iter(found.values()))["n"]
        line = [Entry(name), Entry(str(faces))]
        for test in tests:
            row = found[test]
            if math.isnan(row["recall"]):
                line.append(Entry("–"))
            elif math.isnan(row["change"]):
                line.append(Entry(f"{100 * row['recall']:.1f}", bounds(row["low"], row["high"])))
            else:
                change = f"{signed(row['change'])} ({points(row['change_low'], row['change_high'])})"
                line.append(Entry(f"{100 * row['recall']:.1f}", change))
        rows.append(line)
    caption = (
        f"Recall in per cent, trained on {condition_phrase(train)}. Small print: on bare faces the 95 % interval; "
        "under an occluder the change from bare faces in points with its paired 95 % interval."
    )
    return Grid(
        caption,
        ["expression", "faces", *map(condition_phrase, tests)],
        rows,
        "recall",
        heads=2,
        over="tested on",
    )
