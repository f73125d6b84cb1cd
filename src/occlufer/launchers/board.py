"""What a sweep shows while it runs: a live table on a terminal, a line for each event elsewhere."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from rich.live import Live
from rich.markup import escape
from rich.table import Table

from occlufer.console import err, say, shortened
from occlufer.launchers.jobs import Job, Phase

_EVERY = 1.0  # seconds between looks at the histories
_STYLE = {
    Phase.DONE: "green",
    Phase.SKIPPED: "dim",
    Phase.LEFT: "dim",
    Phase.FAILED: "red",
    Phase.STOPPED: "yellow",
}


class Board:
    """Shows jobs while they run; use as a context.

    Args:
        jobs: all jobs of the sweep; their phases are read again at each look.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._live = Live(console=err, auto_refresh=False, transient=True) if err.is_terminal else None
        self._looked = -math.inf
        self._started: dict[int, float] = {}

    def __enter__(self) -> Board:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def told(self, job: Job) -> None:
        """A job has begun or ended: its phase says which."""
        if job.phase == Phase.RUNNING:
            self._started[job.number] = time.monotonic()
        if self._live is not None:
            self._looked = -math.inf
            return
        seconds = time.monotonic() - self._started.get(job.number, time.monotonic())
        after = "" if job.phase in {Phase.QUEUED, Phase.RUNNING} else f" after {_clock(seconds)}"
        best = f", validation macro F1 {job.folder.progress().best:.3f}" if job.phase == Phase.DONE else ""
        say(
            f"Job {job.number} {job.phase}{after}: {job.label}{best}{'. ' * bool(job.reason)}{shortened(job.reason)}"
        )

    def refresh(self) -> None:
        """Look at the histories again, if it is time to."""
        if self._live is None or time.monotonic() - self._looked < _EVERY:
            return
        self._looked = time.monotonic()
        self._live.update(self.table(), refresh=True)

    def table(self) -> Table:
        """Running and failed jobs in rows, the others counted in the title: a long sweep has to fit the screen."""
        shown = Table("job", "", "state", "epoch", "best macro F1", "time left", title=counts(self._jobs),
                      title_justify="left")  # fmt: skip
        for job in self._jobs:
            if job.phase in {Phase.RUNNING, Phase.FAILED, Phase.STOPPED}:
                shown.add_row(str(job.number), escape(job.label), f"[{_STYLE.get(job.phase, 'bold')}]{job.phase}",
                              *_progress(job))  # fmt: skip
        return shown


def counts(jobs: Sequence[Job]) -> str:
    """How many jobs stand where: `12 jobs: 3 done, 1 failed, 2 running, 6 waiting`."""
    found = Counter(job.phase for job in jobs)
    parts = ", ".join(f"{found[phase]} {phase}" for phase in Phase if found[phase])
    return f"{len(jobs)} job{'s' * (len(jobs) != 1)}: {parts}"


def summary_table(jobs: Sequence[Job]) -> Table:
    """What became of every job, with the reason and the log of those that did not finish."""
    shown = Table("job", "", "state", title=counts(jobs), title_justify="left")
    shown.add_column("run, or why there is none", overflow="fold")
    for job in jobs:
        if job.phase in {Phase.FAILED, Phase.STOPPED}:
            log = f"\nlog: {job.log}" if job.run is not None and job.log.is_file() else ""
            told = f"{shortened(job.reason)}{log}"
        else:
            told = job.folder.name
        style = _STYLE.get(job.phase, "default")
        shown.add_row(str(job.number), escape(job.label), f"[{style}]{job.phase}", escape(told))
    return shown


def _progress(job: Job) -> tuple[str, str, str]:
    """Epoch, best score and time left of a job, as words."""
    if job.run is None:
        return "-", "-", "-"
    progress, epochs = job.run.progress(), int(job.settings["trainer"]["max_epochs"])
    if not progress.epochs:
        return f"0 of {epochs}", "-", "-"
    left = (epochs - progress.epochs) * progress.seconds / progress.epochs
    running = job.phase == Phase.RUNNING
    return f"{progress.epochs} of {epochs}", f"{progress.best:.3f}", _clock(left) if running else "-"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
