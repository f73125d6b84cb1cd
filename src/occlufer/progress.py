"""Lines and bars of progress on stderr."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from occlufer.processes import first_process
from occlufer.reading import printable

err = Console(stderr=True, soft_wrap=True)

_LOG_EVERY = 0.1  # without a terminal: a line each tenth of the work


def say(message: str) -> None:
    """A line of progress for the user, from the first of several ddp processes only."""
    if first_process():
        err.print(printable(message), markup=False, highlight=False)


@contextlib.contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function (done, total) that shows progress: a bar on a terminal, else a line a tenth of the work."""
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
