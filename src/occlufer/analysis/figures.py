"""The study's figures, drawn on explicit matplotlib `Figure` objects: no pyplot, no global state, no display.

Every function takes tables of `occlufer.analysis.tables` (one block of them) and a `Theme`, and returns a `Figure`.
Sizes are inches for a column of 7.2 inches, so that text is 7 to 9 points in print.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from occlufer.analysis.metrics import condition_order, records
from occlufer.files import atomic_path
from occlufer.types import EXPRESSIONS

WIDTH = 7.2
_SMALL, _NORMAL = 7.0, 8.5
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")
_TOP = len(EXPRESSIONS) - 1


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one appearance. `series` follows the conditions: none first, then mask, headset, others."""

    name: str
    paper: str
    ink: str
    muted: str
    rule: str
    series: tuple[str, ...]
    ramp: tuple[str, ...]

    @property
    def colormap(self) -> Colormap:
        """From the paper to a strong colour, for shares 0..1; lightness runs one way, so it survives grey print."""
        return LinearSegmentedColormap.from_list(f"occlufer_{self.name}", list(self.ramp))

    def text_on(self, share: float) -> str:
        """Ink or paper, whichever has more contrast on the ramp at `share`."""
        red, green, blue, _ = self.colormap(share)
        luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
        return "#101418" if luminance > 0.2 else "#ffffff"


# Okabe & Ito's palette (https://jfly.uni-koeln.de/color/), distinguishable with any colour vision; markers differ too.
LIGHT = Theme(
    name="light", paper="#ffffff", ink="#1c2126", muted="#5b6570", rule="#d9dee3",
    series=("#3b4248", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9"),
    ramp=("#f6f8fa", "#bcd5e6", "#6ba3c8", "#2b6c9e", "#0d3b66"),
)  # fmt: skip
DARK = Theme(
    name="dark", paper="#15191d", ink="#e6e9ec", muted="#a0a9b2", rule="#39424b",
    series=("#d5dade", "#56b4e9", "#f08a4b", "#2fc49a", "#e29cc4", "#e0b63c", "#8fb3ff"),
    ramp=("#1d242b", "#1f4260", "#2f6f9f", "#66a9d3", "#cfe6f5"),
)  # fmt: skip


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
                  color=theme.text_on(mean), fontsize=_NORMAL, linespacing=1.25)  # fmt: skip
    _label_cells(axes, tests, trains, theme, rotation=0)
    axes.set_xlabel("tested on")
    axes.set_ylabel("trained on")
    name = {"accuracy": "Accuracy", "f1_macro": "Macro F1"}.get(metric, metric)
    axes.set_title(f"{name}, %", loc="left", fontsize=_NORMAL, color=theme.ink)
    return figure


def recall_figure(recall: pd.DataFrame, theme: Theme = LIGHT) -> Figure:
    """Recall by class: one panel a train condition, one mark a test condition, bars = 95 % intervals.

    `recall` holds the rows of one block of `tables.recall_table`.
    """
    trains, tests = condition_order(recall["train"]), condition_order(recall["test"])
    across, places = min(3, len(trains)), _series(tests)
    down = math.ceil(len(trains) / across)
    figure = _bare(WIDTH, 3.1 * down + 0.5, theme)
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, train in zip(panels, trains, strict=False):
        _style(axes, theme)
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
        axes.set_title(f"trained on {train}", loc="left", fontsize=_NORMAL, color=theme.ink)
    for axes in panels[len(trains) :]:
        axes.set_visible(False)
    # Networks may have been tested on other conditions than their neighbours.
    marks = {
        label: mark
        for axes in panels[: len(trains)]
        for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    order = [test for test in tests if test in marks]
    _legend(figure, [marks[test] for test in order], [f"tested on {test}" for test in order], theme)
    return figure


def confusion_figure(confusion: pd.DataFrame, theme: Theme = LIGHT) -> Figure:
    """Confusion matrices of the networks of one train condition: one panel a test condition.

    Colour and upper number are the share of the true class in per cent; the lower number is the count.
    `confusion` holds the rows of one block and train condition of `tables.confusion_table`.
    """
    tests = condition_order(confusion["test"])
    across = min(3, len(tests))
    down = math.ceil(len(tests) / across)
    figure = _bare(2.1 * across + 0.9, 2.65 * down + 0.2, theme)
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, test in zip(panels, tests, strict=False):
        _style(axes, theme)
        rows = confusion[confusion["test"] == test].set_index("truth").loc[list(EXPRESSIONS)]
        _draw_counts(axes, rows[[f"as_{name}" for name in EXPRESSIONS]].to_numpy(), theme)
        axes.set_title(f"tested on {test}", loc="left", fontsize=_SMALL + 0.5, color=theme.ink)
        axes.set_xlabel("predicted")
    for axes in panels[len(tests) :]:
        axes.set_visible(False)
    for axes in panels[::across]:
        axes.set_ylabel("true expression")
    return figure


def history_figure(history: pd.DataFrame, theme: Theme = LIGHT, *, metric: str = "f1_macro") -> Figure:
    """Training curves of one block: losses on the left, `metric` on the right, one line a run.

    Colour = train condition; dashed = on training faces; the dot is the best epoch of the metric.

    Args:
        metric: `f1_macro` or `accuracy`, from the columns `val_` and `train_` (if there) of that name.
    """
    figure = _bare(WIDTH, 2.9, theme)
    left, right = figure.subplots(1, 2)
    order = condition_order(history["train"])
    places = _series(order)
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
        _style(axes, theme)
        axes.set_title(title, loc="left", fontsize=_NORMAL, color=theme.ink)
        axes.set_xlabel("epoch")
        axes.grid(axis="y", color=theme.rule, linewidth=0.6)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = right.get_legend_handles_labels()
    _legend(figure, handles, labels, theme)
    return figure


def save(
    figure: Figure, folder: Path, name: str, *, kinds: Sequence[str] = ("svg", "pdf", "png")
) -> list[Path]:
    """Write `name.svg`, `name.pdf` and `name.png` (200 dpi), or the `kinds` of them, atomically; returns the paths."""
    # The layout is solved once, not again for each format.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    paths = [folder / f"{name}.{kind}" for kind in kinds]
    for path in paths:
        with atomic_path(path) as temporary:
            temporary.write_bytes(_render(figure, path.suffix[1:]))
    return paths


def data_uri(figure: Figure) -> str:
    """The figure as an inline SVG image, `data:image/svg+xml;base64,...`."""
    return svg_uri(_render(figure, "svg"))


def svg_uri(content: bytes) -> str:
    """An SVG file's bytes as `data:image/svg+xml;base64,...`."""
    return "data:image/svg+xml;base64," + base64.b64encode(content).decode("ascii")


def _render(figure: Figure, kind: str) -> bytes:
    # No date and a fixed salt: the same study gives the same bytes.
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "occlufer", "pdf.fonttype": 42}):
        figure.savefig(buffer, format=kind, dpi=200, metadata=metadata, facecolor=figure.get_facecolor())
    return buffer.getvalue()


def _bare(width: float, height: float, theme: Theme) -> Figure:
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06, wspace=0.01)
    return Figure(figsize=(width, height), facecolor=theme.paper, layout=layout)


def _series(conditions: Sequence[str]) -> dict[str, int]:
    """Place of each condition among colours and markers: none, mask and headset always have theirs."""
    fixed = ["none", "mask", "headset"]
    others = [name for name in condition_order(conditions) if name not in fixed]
    return {name: place for place, name in enumerate([*fixed, *others])}


def _figure(width: float, height: float, theme: Theme) -> tuple[Figure, Axes]:
    figure = _bare(width, height, theme)
    axes = figure.subplots()
    _style(axes, theme)
    return figure, axes


def _style(axes: Axes, theme: Theme) -> None:
    axes.set_facecolor(theme.paper)
    axes.tick_params(colors=theme.muted, labelsize=_SMALL + 0.5, length=0)
    axes.xaxis.label.set(color=theme.muted, fontsize=_SMALL + 0.5)
    axes.yaxis.label.set(color=theme.muted, fontsize=_SMALL + 0.5)
    for side in axes.spines.values():
        side.set_visible(False)


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
    axes.errorbar(value, _TOP - np.arange(len(EXPRESSIONS)) - offset, xerr=arms, fmt=_MARKERS[place % len(_MARKERS)],
                  markersize=4, color=colour, elinewidth=1, label=str(rows["test"].iloc[0]))  # fmt: skip


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
    axes.tick_params(labelsize=_SMALL)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")


def _legend(figure: Figure, handles: Sequence[Any], labels: Sequence[Any], theme: Theme) -> None:
    if handles:
        figure.legend(handles, labels, loc="outside lower left", ncols=min(4, len(labels)), frameon=False,
                      labelcolor=theme.ink, fontsize=_SMALL + 0.5)  # fmt: skip
