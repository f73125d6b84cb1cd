"""What commands print: one rich console on stderr for progress, one on stdout for results."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from occlufer.processes import first_process
from occlufer.reading import printable

if TYPE_CHECKING:
    import pandas as pd  # imported where a frame is shown: what starts a sweep shows none

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)

_LOG_EVERY = 0.1  # without a terminal: a line each tenth of the work


def say(message: str) -> None:
    """A line of progress for the user, from the first of several ddp processes only."""
    if first_process():
        err.print(printable(message), markup=False, highlight=False)


def shortened(text: str, most: int = 240) -> str:
    """The text on one line of at most so many characters; the rest is an ellipsis."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= most else f"{line[: most - 2]} …"


@contextlib.contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function (done, total): a bar on a terminal, a line now and then elsewhere, nothing for no work."""
    if not err.is_terminal:
        yield _line_progress(title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TimeRemainingColumn())  # fmt: skip
    bar = Progress(*columns, console=err)
    task = bar.add_task(title, total=None)

    def update(done: int, total: int) -> None:
        if total:
            bar.start()
            bar.update(task, completed=done, total=total)

    try:
        yield update
    finally:
        bar.stop()


def _line_progress(title: str) -> Callable[[int, int], None]:
    printed = -1.0

    def update(done: int, total: int) -> None:
        nonlocal printed
        share = done / total if total else -1.0
        if share >= printed + _LOG_EVERY or (share == 1 and printed < 1):
            printed = share
            say(f"{title}: {done:,} of {total:,}")

    return update


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
