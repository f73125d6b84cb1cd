"""The study's figures, drawn on explicit matplotlib `Figure` objects: no pyplot, no global state, no display.

Every function takes tables of `occlufer.analysis.tables` (one block of them) and a `Theme`, and returns a `Figure`.
Sizes are inches for a column of 7.2 inches, so that text is 7 to 9 points in print.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.metrics import records
from occlufer.analysis.drawing import (
    LIGHT,
    MARKERS,
    NORMAL,
    SMALL,
    WIDTH,
    Theme,
    add_legend,
    bare,
    series_places,
    style_axes,
)
from occlufer.types import EXPRESSIONS

_TOP = len(EXPRESSIONS) - 1
_INTERVAL = ("accuracy", "accuracy_low", "accuracy_high")


def matrix_figure(matrix: pd.DataFrame, metric: str, theme: Theme = LIGHT) -> Figure:
    """Heat map of train x test condition, with mean and sd over trainings printed in per cent.

    Args:
        matrix: rows of one block of `tables.matrix_table`.
        metric: `accuracy` or `f1_macro`.
    """
    trains, tests = condition_order(matrix["train"]), condition_order(matrix["test"])
    figure, axes = _figure(1.3 + 0.95 * len(tests), 0.95 + 0.52 * len(trains), theme)
    shares = np.full((len(trains), len(tests)), np.nan)
    for row in records(matrix):
        shares[trains.index(row["train"]), tests.index(row["test"])] = row[f"{metric}_mean"]
    _shade(axes, shares, theme)
    for row in records(matrix):
        mean, sd = row[f"{metric}_mean"], row[f"{metric}_sd"]
        text = f"{100 * mean:.1f}" + ("" if math.isnan(sd) else f"\n± {100 * sd:.1f}")
        axes.text(tests.index(row["test"]), trains.index(row["train"]), text, ha="center", va="center",
                  color=theme.text_on(mean), fontsize=NORMAL, linespacing=1.25)  # fmt: skip
    _label_cells(axes, tests, trains, theme, rotation=0)
    axes.set_xlabel("tested on")
    axes.set_ylabel("trained on")
    name = {"accuracy": "Accuracy", "f1_macro": "Macro F1"}.get(metric, metric)
    axes.set_title(f"{name}, %", loc="left", fontsize=NORMAL, color=theme.ink)
    return figure


def recall_figure(recall: pd.DataFrame, theme: Theme = LIGHT) -> Figure:
    """Recall by class: one panel a train condition, one mark a test condition, bars = 95 % intervals.

    `recall` holds the rows of one block of `tables.recall_table`.
    """
    trains, tests = condition_order(recall["train"]), condition_order(recall["test"])
    across, places = min(3, len(trains)), series_places(tests)
    down = math.ceil(len(trains) / across)
    figure = bare(WIDTH, 3.1 * down + 0.5, theme)
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, train in zip(panels, trains, strict=False):
        style_axes(axes, theme)
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
        axes.set_title(f"trained on {train}", loc="left", fontsize=NORMAL, color=theme.ink)
    for axes in panels[len(trains) :]:
        axes.set_visible(False)
    # Networks may have been tested on other conditions than their neighbours.
    marks = {
        label: mark
        for axes in panels[: len(trains)]
        for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    order = [test for test in tests if test in marks]
    add_legend(figure, [marks[test] for test in order], [f"tested on {test}" for test in order], theme)
    return figure


def confusion_figure(confusion: pd.DataFrame, theme: Theme = LIGHT) -> Figure:
    """Confusion matrices of the networks of one train condition: one panel a test condition.

    Colour and upper number are the share of the true class in per cent; the lower number is the count.
    `confusion` holds the rows of one block and train condition of `tables.confusion_table`.
    """
    tests = condition_order(confusion["test"])
    across = min(3, len(tests))
    down = math.ceil(len(tests) / across)
    figure = bare(2.1 * across + 0.9, 2.65 * down + 0.2, theme)
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, test in zip(panels, tests, strict=False):
        style_axes(axes, theme)
        rows = confusion[confusion["test"] == test].set_index("truth").loc[list(EXPRESSIONS)]
        _draw_counts(axes, rows[[f"as_{name}" for name in EXPRESSIONS]].to_numpy(), theme)
        axes.set_title(f"tested on {test}", loc="left", fontsize=SMALL + 0.5, color=theme.ink)
        axes.set_xlabel("predicted")
    for axes in panels[len(tests) :]:
        axes.set_visible(False)
    for axes in panels[::across]:
        axes.set_ylabel("true expression")
    return figure


def severity_figure(severity: pd.DataFrame, theme: Theme = LIGHT) -> Figure:
    """Accuracy against the measured covered share, bars = 95 % intervals; dotted: the largest class alone.

    One panel an occluder with a line for each train condition; where there is one train condition, a single panel with
    a line for each occluder. `severity` holds the rows of one block of `severity.severity_table`.
    """
    panel_by, line_by = ("occluder", "train") if severity["train"].nunique() > 1 else ("train", "occluder")
    panels_of, lines_of = (condition_order(severity[name]) for name in (panel_by, line_by))
    across, places = min(3, len(panels_of)), series_places(lines_of)
    down = math.ceil(len(panels_of) / across)
    figure = bare(WIDTH if across > 1 else 0.62 * WIDTH, 2.7 * down + 0.5, theme)
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, panel in zip(panels, panels_of, strict=False):
        style_axes(axes, theme)
        axes.axhline(
            100 * severity["majority_accuracy"].iloc[0], color=theme.muted, linewidth=0.8, linestyle=":"
        )
        of_panel = severity[severity[panel_by] == panel]
        for name in condition_order(of_panel[line_by]):
            _line(axes, of_panel[of_panel[line_by] == name], name, places[name], theme)
        axes.grid(axis="y", color=theme.rule, linewidth=0.6)
        axes.set_xlabel("covered share of the face, %")
        axes.set_title(panel if panel_by == "occluder" else f"trained on {panel}",
                       loc="left", fontsize=NORMAL, color=theme.ink)  # fmt: skip
    panels[0].set(xlim=(-2, None), ylim=(0, None))
    for axes in panels[::across]:
        axes.set_ylabel("accuracy, %")
    for axes in panels[len(panels_of) :]:
        axes.set_visible(False)
    words = {"train": "trained on {}", "occluder": "{}"}[line_by]
    marks = {
        label: mark for axes in panels for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    add_legend(figure, [marks[name] for name in lines_of], [words.format(name) for name in lines_of], theme)
    return figure


def history_figure(history: pd.DataFrame, theme: Theme = LIGHT, *, metric: str = "f1_macro") -> Figure:
    """Training curves of one block: losses on the left, `metric` on the right, one line a run.

    Colour = train condition; dashed = on training faces; the dot is the best epoch of the metric.

    Args:
        metric: `f1_macro` or `accuracy`, from the columns `val_` and `train_` (if there) of that name.
    """
    figure = bare(WIDTH, 2.9, theme)
    left, right = figure.subplots(1, 2)
    order = condition_order(history["train"])
    places = series_places(order)
    named: set[str] = set()
    runs = [run.sort_values("epoch") for _, run in history.groupby("run", sort=False)]
    for run in sorted(runs, key=lambda run: order.index(str(run["train"].iloc[0]))):
        train = str(run["train"].iloc[0])
        colour = theme.series[places[train] % len(theme.series)]
        style: dict[str, Any] = {"color": colour, "linewidth": 1.2, "alpha": 0.9}
        for name, dash in (("train_loss", (0, (3, 2))), ("val_loss", "-")):
            if name in run:
                left.plot(run["epoch"], run[name], linestyle=dash, **style)
        name = f"val_{metric}"
        if f"train_{metric}" in run:
            right.plot(run["epoch"], 100 * run[f"train_{metric}"], linestyle=(0, (3, 2)), **style)
        if name in run and run[name].notna().any():
            right.plot(run["epoch"], 100 * run[name],
                       label=None if train in named else f"trained on {train}", **style)  # fmt: skip
            best = run.nlargest(1, name)
            right.plot(best["epoch"], 100 * best[name], "o", color=colour, markersize=4)
            named.add(train)
    words = {
        "f1_macro": "Validation macro F1, %",
        "accuracy": "Accuracy, %: training dashed, validation solid",
    }
    for axes, title in ((left, "Loss: training dashed, validation solid"), (right, words[metric])):
        style_axes(axes, theme)
        axes.set_title(title, loc="left", fontsize=NORMAL, color=theme.ink)
        axes.set_xlabel("epoch")
        axes.grid(axis="y", color=theme.rule, linewidth=0.6)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = right.get_legend_handles_labels()
    add_legend(figure, handles, labels, theme)
    return figure


def _figure(width: float, height: float, theme: Theme) -> tuple[Figure, Axes]:
    figure = bare(width, height, theme)
    axes = figure.subplots()
    style_axes(axes, theme)
    return figure, axes


def _shade(axes: Axes, shares: NDArray[np.float64], theme: Theme) -> None:
    """Coloured cells around whole numbers, first row on top: drawn as a mesh, so that vector files hold no raster."""
    edges = [np.arange(size + 1) - 0.5 for size in shares.shape[::-1]]
    axes.pcolormesh(*edges, shares, cmap=theme.colormap, vmin=0, vmax=1)
    axes.invert_yaxis()


def _label_cells(
    axes: Axes, columns: Sequence[str], rows: Sequence[str], theme: Theme, *, rotation: float
) -> None:
    axes.set_xticks(range(len(columns)), columns, rotation=rotation)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=theme.paper, linewidth=1.5)
    axes.tick_params(which="minor", length=0)


def _dots(axes: Axes, rows: pd.DataFrame, offset: float, place: int, theme: Theme) -> None:
    by_class = rows.set_index("expression").loc[list(EXPRESSIONS)]
    value, low, high = (100 * by_class[name].to_numpy(dtype=float) for name in ("recall", "low", "high"))
    colour = theme.series[place % len(theme.series)]
    # A percentile interval need not hold the value when a class has a handful of faces.
    arms = np.clip(np.stack([value - low, high - value]), 0, None)
    axes.errorbar(value, _TOP - np.arange(len(EXPRESSIONS)) - offset, xerr=arms, fmt=MARKERS[place % len(MARKERS)],
                  markersize=4, color=colour, elinewidth=1, label=str(rows["test"].iloc[0]))  # fmt: skip


def _line(axes: Axes, rows: pd.DataFrame, label: str, place: int, theme: Theme) -> None:
    rows = rows.sort_values("covered_share")
    value, low, high = (100 * rows[name].to_numpy(dtype=float) for name in _INTERVAL)
    axes.errorbar(100 * rows["covered_share"], value, yerr=np.clip(np.stack([value - low, high - value]), 0, None),
                  fmt=MARKERS[place % len(MARKERS)] + "-", markersize=4, linewidth=1.2, elinewidth=1,
                  color=theme.series[place % len(theme.series)], label=label)  # fmt: skip


def _draw_counts(axes: Axes, counts: NDArray[np.int64], theme: Theme) -> None:
    faces = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, faces, out=np.zeros(counts.shape), where=faces > 0)
    _shade(axes, shares, theme)
    axes.set_aspect("equal")
    for row, column in np.ndindex(*counts.shape):
        if counts[row, column]:
            share, colour = shares[row, column], theme.text_on(shares[row, column])
            axes.text(
                column, row - 0.13, f"{100 * share:.0f}", ha="center", va="center", color=colour, fontsize=6.8
            )
            axes.text(column, row + 0.27, f"{counts[row, column]}", ha="center", va="center", color=colour,
                      fontsize=4.8)  # fmt: skip
    _label_cells(axes, EXPRESSIONS, EXPRESSIONS, theme, rotation=45)
    axes.tick_params(labelsize=SMALL)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
