"""What a section puts on the page: text, tables, figures, and what folds away. The template knows how each looks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd
from matplotlib.figure import Figure

from occlufer.analysis.core.words import condition_phrase
from occlufer.analysis.sections.drawing import Theme


@dataclass(frozen=True, slots=True)
class Entry:
    """One table cell: the text, a second smaller line, and whether it is `own` (train = test) and stands out.

    `share` 0..1 shades the cell.
    """

    text: str
    small: str = ""
    own: bool = False
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of the page.

    The first `heads` columns name the row; the others hold numbers unless in `words`, under the common title `over`.
    `csv` names the table behind it; empty: there is none.
    """

    kind: ClassVar[str] = "table"
    caption: str
    header: list[str]
    rows: list[list[Entry]]
    csv: str
    heads: int = 1
    words: tuple[int, ...] = ()
    over: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading below the section's own."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph; `quiet` in a weaker colour."""

    kind: ClassVar[str] = "text"
    text: str
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Files:
    """A line with links to files of the report: (path relative to the page, words) each."""

    kind: ClassVar[str] = "files"
    text: str
    links: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Pre:
    """Text as it is, such as a configuration."""

    kind: ClassVar[str] = "pre"
    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms with what they are; `wide`: each explanation below its term."""

    kind: ClassVar[str] = "facts"
    items: Sequence[tuple[str, str]]
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Details:
    """Parts that are folded away on a screen (but never in print), unless `open`."""

    kind: ClassVar[str] = "details"
    summary: str
    parts: Sequence[Any]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """Parts side by side, where there is room."""

    kind: ClassVar[str] = "row"
    parts: Sequence[Any]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure: how it is drawn, the name of its files, words instead of it, and its caption.

    Attributes:
        least: pixels below which the page scrolls it instead of shrinking it.
        scale: its size on the page, of its size in print.
        on_page: False for one whose numbers stand in a table of the page: it is drawn for papers.
        photo: whether it shows pictures, which stay as they are on a dark page.
    """

    kind: ClassVar[str] = "drawing"
    draw: Callable[[Theme], Figure]
    name: str
    alt: str
    caption: str
    least: int = 0
    scale: float = 1.25
    on_page: bool = True
    photo: bool = False


def named(*conditions: str) -> list[Entry]:
    """Cells that name conditions."""
    return [Entry(condition_phrase(name)) for name in conditions]


def bounds(low: float, high: float) -> str:
    """An interval of shares in per cent, empty for NaN."""
    if math.isnan(low):
        return ""
    between = "–" if low >= 0 else " to "
    return f"{100 * low:.1f}{between}{100 * high:.1f}".replace("-", "−")


def resampled_words(matrix: pd.DataFrame) -> str:
    """What the intervals of one block resample: `210 test faces`, or `the 42 people of 210 test faces`."""
    faces, people = matrix["n"].iloc[0], matrix["people"].iloc[0]
    return f"{faces} test faces" if pd.isna(people) else f"the {people} people of {faces} test faces"


def interval_words(matrix: pd.DataFrame) -> str:
    """What the intervals of scores of one block are over: `210 test faces and the trainings`, or `... alone`."""
    return resampled_words(matrix) + (" and the trainings" if matrix["trainings"].max() > 1 else " alone")


def fold_text(fold: Any) -> str:
    """A fold of a table, empty without one."""
    return "" if pd.isna(fold) else str(fold)


def without_folds(header: list[str], rows: list[list[Entry]]) -> tuple[list[str], list[list[Entry]]]:
    """The columns without `fold`, where no row has one."""
    place = header.index("fold")
    if any(row[place].text for row in rows):
        return header, rows
    return header[:place] + header[place + 1 :], [row[:place] + row[place + 1 :] for row in rows]
