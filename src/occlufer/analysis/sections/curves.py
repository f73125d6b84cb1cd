"""Training curves of every run."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.study import Block, Study
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.drawing import (
    LIGHT,
    NORMAL,
    WIDTH,
    Theme,
    add_legend,
    bare,
    series_places,
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
            "Loss and validation macro F1 of every run, epochs counted from 1. The dot marks the best epoch.",
            least=600,
        )]  # fmt: skip

    def closing(self) -> list[Any]:
        return [Files("Behind them (epochs counted from 0):", [("tables/history.csv", "history.csv")])]


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
                left.plot(run["epoch"] + 1, run[name], linestyle=dash, **style)
        name = f"val_{metric}"
        if f"train_{metric}" in run:
            right.plot(run["epoch"] + 1, 100 * run[f"train_{metric}"], linestyle=(0, (3, 2)), **style)
        if name in run and run[name].notna().any():
            right.plot(run["epoch"] + 1, 100 * run[name],
                       label=None if train in named else f"trained on {train}", **style)  # fmt: skip
            best = run.nlargest(1, name)
            right.plot(best["epoch"] + 1, 100 * best[name], "o", color=colour, markersize=4)
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
