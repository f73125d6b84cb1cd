"""Training curves of every run."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.study import Block, Study
from occlufer.analysis.core.trainings import Training, in_order
from occlufer.analysis.core.words import condition_phrase
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.drawing import (
    COLUMN,
    LIGHT,
    MARKERS,
    NORMAL,
    Theme,
    add_legend,
    bare,
    style_axes,
)
from occlufer.analysis.sections.parts import (
    Drawing,
    Files,
    Text,
)


class Curves(Section):
    """Loss and validation score by epoch."""

    anchor, title, nav = "training", "Training curves", "Training"
    lasting = ("history",)

    def make_tables(self) -> dict[str, pd.DataFrame]:
        return {"history": history_table(self.core.study)}

    def block_parts(self, block: Block) -> list[Any]:
        history = self.of("history", block)
        if not len(history):
            return [Text("No run of this group kept a history.csv.")]
        return [Drawing(
            lambda theme: history_figure(history, theme), f"history{self.core.suffix(block)}",
            "Training curves; history.csv holds the numbers.",
            "Loss (training dashed, validation solid) and validation macro F1 of every run; marks: the best epoch.",
            least=600,
        )]  # fmt: skip

    def closing(self) -> list[Any]:
        return [Files("Behind them:", [("tables/history.csv", "history.csv")])]


def history_table(study: Study) -> pd.DataFrame:
    """history.csv of every run in the numbers, with its block, train condition, seed and fold; epochs from 1."""
    frames = []
    for run in study.runs:
        history = run.run.history()
        history = history.drop(columns=[name for name in run.identity if name in history.columns])
        if len(history):
            identity = pd.DataFrame([run.identity] * len(history)).astype({"fold": "Int64"})
            frames.append(identity.join(history))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["run", "epoch"])


def history_figure(history: pd.DataFrame, theme: Theme = LIGHT, *, metric: str = "f1_macro") -> Figure:
    """Training curves of one block: a column a train condition, losses above, `metric` below, one colour a training.

    Dashed = on training faces; the mark is the best epoch of the metric.

    Args:
        metric: `f1_macro` or `accuracy`, from the columns `val_` and `train_` (if there) of that name.
    """
    trains = condition_order(history["train"])
    across = min(len(trains), 4 if theme.width > COLUMN else 2)
    down = 2 * math.ceil(len(trains) / across)
    figure = bare(theme.width, 1.75 * down + 0.5, theme)
    grid = figure.subplots(down, across, sharex=True, sharey="row", squeeze=False)
    trainings = in_order(_training(run) for _, run in history.groupby("run", sort=False))
    marks: dict[str, Any] = {}
    for axes in grid.ravel():
        axes.set_visible(False)
    for place, train in enumerate(trains):
        row, column = 2 * (place // across), place % across
        pair = grid[row, column], grid[row + 1, column]
        for _, run in history[history["train"] == train].groupby("run", sort=False):
            series = trainings.index(_training(run))
            marks[_training(run).label] = _draw_run(*pair, run.sort_values("epoch"), series, metric, theme)
        _dress(*pair, condition_phrase(train), metric if column == 0 else None, theme)
    order = [training.label for training in trainings]
    add_legend(figure, [marks[label] for label in order], order, theme)
    return figure


def _training(run: pd.DataFrame) -> Training:
    seed, fold = run[["seed", "fold"]].iloc[0]
    return Training(int(seed), None if pd.isna(fold) else int(fold))


def _draw_run(upper: Axes, lower: Axes, run: pd.DataFrame, series: int, metric: str, theme: Theme) -> Line2D:
    """Loss above, metric below; returns what stands for the run in the legend."""
    style: dict[str, Any] = {"color": theme.series[series % len(theme.series)], "linewidth": 1.2}
    for axes, name, factor in ((upper, "loss", 1), (lower, metric, 100)):
        for part, dash in (("train", (0, (3, 2))), ("val", "-")):
            if (column := f"{part}_{name}") in run and run[column].notna().any():
                axes.plot(run["epoch"], factor * run[column], linestyle=dash, **style)
    mark: dict[str, Any] = {"marker": MARKERS[series % len(MARKERS)], "markersize": 4.5}
    if (column := f"val_{metric}") in run and run[column].notna().any():
        best = run.nlargest(1, column)
        lower.plot(best["epoch"], 100 * best[column], **style, **mark)
    return Line2D([], [], **style, **mark)


def _dress(upper: Axes, lower: Axes, train: str, metric: str | None, theme: Theme) -> None:
    """Title and axes of one train condition; only the first of a row names what stands upwards."""
    for axes in (upper, lower):
        axes.set_visible(True)
        style_axes(axes, theme)
        axes.grid(axis="y", color=theme.rule, linewidth=0.6)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    upper.set_title(f"trained on\n{train}", loc="left", fontsize=NORMAL, color=theme.ink)
    lower.set_xlabel("epoch")
    lower.tick_params(labelbottom=True)
    if metric:
        upper.set_ylabel("loss")
        lower.set_ylabel({"f1_macro": "macro F1, %", "accuracy": "accuracy, %"}[metric])
