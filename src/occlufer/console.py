"""What commands print: progress on stderr (`occlufer.progress`), results on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from occlufer.progress import err, progress, say
from occlufer.reading import printable

if TYPE_CHECKING:
    import pandas as pd  # imported where a frame is shown: what starts a sweep shows none

__all__ = ["err", "out", "progress", "say", "shortened", "table"]

out = Console(soft_wrap=True)


def shortened(text: str, most: int = 240) -> str:
    """The text on one line of at most so many characters; the rest is an ellipsis."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= most else f"{line[: most - 2]} …"


def table(frame: pd.DataFrame, title: str) -> Table:
    """A rich table of a frame; numbers are set to the right."""
    import pandas as pd

    shown = Table(title=title, title_justify="left")
    for name in frame.columns:
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        shown.add_column(str(name), justify="right" if numeric else "left")
    for row in frame.itertuples(index=False):
        # A name such as "[test]" would be taken for markup, and vanish.
        shown.add_row(
            *(f"{value:,}" if isinstance(value, int) else escape(printable(str(value))) for value in row)
        )
    return shown
