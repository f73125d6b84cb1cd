"""What every figure shares: themes, empty figures in their style, legends, and files of them.

Explicit matplotlib `Figure` objects: no pyplot, no global state, no display.
"""

from __future__ import annotations

import base64
import functools
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.path import Path as OutlinePath
from matplotlib.textpath import TextPath
from numpy.typing import ArrayLike, NDArray

from occlufer.analysis.core.conditions import condition_order
from occlufer.files import atomic_path

COLUMN, PAGE = 3.5, 7.16
"""Widths of a column and of two, inches, as IEEE's journals have them."""
DPI = 300
SMALL, NORMAL = 7.0, 8.5
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "h")


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours, and the width to draw for (inches). On a dark page the browser inverts their lightness.

    `series` follows the conditions: none first, then mask, headset, others.
    """

    name: str
    paper: str
    ink: str
    muted: str
    rule: str
    series: tuple[str, ...]
    ramp: tuple[str, ...]
    width: float = PAGE

    @property
    def colormap(self) -> Colormap:
        """From the paper to a strong colour, for shares 0..1; lightness runs one way, so it survives grey print."""
        return _colormap(self.name, self.ramp)

    def text_on(self, share: float) -> str:
        """Ink or paper, whichever has more contrast on the ramp at `share`."""
        red, green, blue, _ = self.colormap(share)
        luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
        return "#101418" if luminance > 0.2 else "#ffffff"


@functools.cache  # asked for every number of a matrix, and a quarter of a millisecond in the making
def _colormap(name: str, ramp: tuple[str, ...]) -> Colormap:
    return LinearSegmentedColormap.from_list(f"occlufer_{name}", list(ramp))


# Okabe & Ito's palette (https://jfly.uni-koeln.de/color/), distinguishable with any colour vision; markers differ too.
LIGHT = Theme(
    name="light", paper="#ffffff", ink="#1c2126", muted="#5b6570", rule="#d9dee3",
    series=("#3b4248", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9"),
    ramp=("#f6f8fa", "#bcd5e6", "#6ba3c8", "#2b6c9e", "#0d3b66"),
)  # fmt: skip


def save(
    figure: Figure, folder: Path, name: str, *, kinds: Sequence[str] = ("svg", "pdf", "png")
) -> list[Path]:
    """Write `name.svg`, `name.pdf` and `name.png` (300 dpi), or the `kinds` of them, atomically; returns the paths."""
    _fix_layout(figure)
    paths = [folder / f"{name}.{kind}" for kind in kinds]
    for path in paths:
        with atomic_path(path) as temporary:
            temporary.write_bytes(_render(figure, path.suffix[1:]))
    return paths


def _fix_layout(figure: Figure) -> None:
    """Solve the layout once for all formats, at a resolution at which words are as wide as in print."""
    solve_layout(figure)
    figure.set_layout_engine(None)  # "none" would keep a place-holder, for which each format is drawn twice


def solve_layout(figure: Figure) -> None:
    """Place axes and words, without drawing them."""
    if engine := figure.get_layout_engine():
        engine.execute(figure)


def svg_uri(content: bytes) -> str:
    """An SVG file's bytes as `data:image/svg+xml;base64,...`."""
    return "data:image/svg+xml;base64," + base64.b64encode(content).decode("ascii")


def _render(figure: Figure, kind: str) -> bytes:
    # No date and a fixed salt: the same study gives the same bytes.
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "occlufer", "pdf.fonttype": 42}):
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata, facecolor=figure.get_facecolor())
    return buffer.getvalue()


def bare(width: float, height: float, theme: Theme) -> Figure:
    """An empty figure, inches."""
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06, wspace=0.01)
    return Figure(figsize=(width, height), dpi=DPI, facecolor=theme.paper, layout=layout)


def series_places(conditions: Sequence[str]) -> dict[str, int]:
    """Place of each condition among colours and markers: none, mask and headset always have theirs."""
    fixed = ["none", "mask", "headset"]
    others = [name for name in condition_order(conditions) if name not in fixed]
    return {name: place for place, name in enumerate([*fixed, *others])}


def style_axes(axes: Axes, theme: Theme) -> None:
    """Quiet axes: no frame, no tick marks, small words in the theme's colours."""
    axes.set_facecolor(theme.paper)
    axes.tick_params(colors=theme.muted, labelsize=SMALL + 0.5, length=0)
    axes.xaxis.label.set(color=theme.muted, fontsize=SMALL + 0.5)
    axes.yaxis.label.set(color=theme.muted, fontsize=SMALL + 0.5)
    for side in axes.spines.values():
        side.set_visible(False)


def add_legend(figure: Figure, handles: Sequence[Any], labels: Sequence[Any], theme: Theme) -> None:
    """A legend in a row below the axes; nothing without handles."""
    if handles:
        most = 4 if theme.width > COLUMN else 1
        figure.legend(handles, labels, loc="outside lower left", ncols=min(most, len(labels)), frameon=False,
                      labelcolor=theme.ink, fontsize=SMALL + 0.5)  # fmt: skip


def single(width: float, height: float, theme: Theme) -> tuple[Figure, Axes]:
    """A figure of one panel, inches."""
    figure = bare(width, height, theme)
    axes = figure.subplots()
    style_axes(axes, theme)
    return figure, axes


def panels(
    count: int, height: float, theme: Theme, *, each: float | None = None
) -> tuple[Figure, list[Axes], int]:
    """A figure of panels with shared axes, its rows as full as can be; every panel keeps its tick labels below.

    Args:
        height: of one row, inches.
        each: width of a panel, inches; None: the panels share the theme's width.

    Returns:
        The figure, its panels, and how many of them a row has.
    """
    most = 3 if theme.width > (COLUMN + PAGE) / 2 else 1
    down = math.ceil(count / most)
    across = math.ceil(count / down)
    width = theme.width if across > 1 or most == 1 else 0.62 * theme.width
    height *= 0.65 if most == 1 and count > 2 and not each else 1  # a column of panels fits on a page
    figure = bare(min(theme.width, each * across + 0.9) if each else width, height * down + 0.5, theme)
    found = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel())
    for axes in found[:count]:
        style_axes(axes, theme)
        axes.tick_params(labelbottom=True)
    for axes in found[count:]:
        axes.set_visible(False)
    return figure, found[:count], across


def shade(axes: Axes, shares: NDArray[np.float64], theme: Theme) -> None:
    """Coloured cells around whole numbers, first row on top: drawn as a mesh, so that vector files hold no raster."""
    edges = [np.arange(size + 1) - 0.5 for size in shares.shape[::-1]]
    axes.pcolormesh(
        *edges, shares, cmap=theme.colormap, vmin=0, vmax=1, edgecolors=theme.paper, linewidth=1.5
    )
    axes.set_ylim(len(shares) - 0.5, -0.5)  # inverting twice, as panels share their axes, would turn it back


def numbers(
    axes: Axes, places_N2: ArrayLike, texts: Sequence[str], colours: Sequence[str], size: float
) -> PathCollection:
    """Numbers centred on points of the axes, as outlines: hundreds of texts are slow to lay out and to draw.

    Args:
        axes: where.
        places_N2: float (N, 2), in the axes' units.
        texts, colours: N each.
        size: of the font, points.
    """
    found = PathCollection(
        [outline(text, size) for text in texts], offsets=places_N2, offset_transform=axes.transData, facecolors=colours,
        linewidths=0,
    )  # fmt: skip
    found.set_transform(axes.figure.dpi_scale_trans)
    found.set_in_layout(False)
    axes.add_collection(found, autolim=False)
    return found


@functools.cache
def outline(text: str, size: float) -> OutlinePath:
    """A text's outline around its middle, inches."""
    path = TextPath((0, 0), text, size=size)
    points = path.vertices[
        path.codes != OutlinePath.CLOSEPOLY
    ]  # their box is that of the curves, and sooner found
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    return OutlinePath((path.vertices - middle) / 72, path.codes)


def label_cells(
    axes: Axes, columns: Sequence[str], rows: Sequence[str], theme: Theme, *, rotation: float
) -> None:
    """Names of rows and columns."""
    axes.set_xticks(range(len(columns)), columns, rotation=rotation)
    axes.set_yticks(range(len(rows)), rows)
