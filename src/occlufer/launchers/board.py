"""What a sweep shows while it runs, a table on a terminal, lines elsewhere: what is done, how long the rest takes."""

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
from occlufer.sweeps import last_words

_EVERY = 1.0  # seconds between looks at the histories
_LINE_EVERY = 30.0  # seconds between lines on how far the jobs are, where there is no terminal
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
        self._looked = -math.inf if self._live else time.monotonic()
        self._started: dict[int, float] = {}
        self._before: dict[int, float] = {}  # shares of what goes on where it was
        self._took: list[float] = []

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
        seconds = time.monotonic() - self._started.get(job.number, time.monotonic())
        if job.phase == Phase.RUNNING:
            self._started[job.number], self._before[job.number] = time.monotonic(), _share(job)
        elif job.phase == Phase.DONE:
            self._took.append(seconds)
        if self._live is not None:
            self._looked = -math.inf
            return
        after = "" if job.phase in {Phase.QUEUED, Phase.RUNNING} else f" after {_clock(seconds)}"
        best = f", validation macro F1 {job.folder.progress().best:.3f}" if job.phase == Phase.DONE else ""
        say(
            f"Job {job.number} {job.phase}{after}: {job.label}{best}{'. ' * bool(job.reason)}{shortened(job.reason)}"
        )

    def _seconds_of(self, job: Job) -> float:
        """How long all epochs of a running job take, by those since it was started; 0 before the first."""
        done = _share(job) - self._before[job.number]
        return (time.monotonic() - self._started[job.number]) / done if done > 0 else 0.0

    def refresh(self) -> None:
        """Look at the histories again, if it is time to."""
        if time.monotonic() - self._looked < (_EVERY if self._live else _LINE_EVERY):
            return
        self._looked = time.monotonic()
        if self._live:
            self._live.update(self.table(), refresh=True)
        else:
            at_work = "; ".join(
                f"{job.label}: {how_far(job)}" for job in self._jobs if job.phase == Phase.RUNNING
            )
            say(f"{self._title()}{'. ' * bool(at_work)}{at_work}")

    def _title(self) -> str:
        left = self.seconds_left()
        return f"{counts(self._jobs)}{'' if math.isnan(left) else f', about {_clock(left)} left'}"

    def seconds_left(self) -> float:
        """How long the jobs that are not finished will take, NaN while nothing tells: as long as those of before."""
        running = [job for job in self._jobs if job.phase == Phase.RUNNING and job.number in self._started]
        whole = {job.number: self._seconds_of(job) for job in running}
        took = self._took or [seconds for seconds in whole.values() if seconds]
        if not took:
            return math.nan
        each = sum(took) / len(took)
        rest = sum(max((whole[job.number] or each) * (1 - self._before[job.number])
                       - (time.monotonic() - self._started[job.number]), 0) for job in running)  # fmt: skip
        waiting = sum(job.phase in {Phase.WAITING, Phase.QUEUED} for job in self._jobs)
        return (rest + waiting * each) / max(len(running), 1)

    def table(self) -> Table:
        """Running and failed jobs in rows, the others counted in the title: a long sweep has to fit the screen."""
        shown = Table("job", "", "state", "epoch", "best macro F1", "time left", title=self._title(),
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


def how_far(job: Job) -> str:
    """`epoch 3 of 10`; before the first one has passed what the job said last, such as how many faces are drawn."""
    progress = job.folder.progress()
    if progress.epochs:
        return f"epoch {progress.epochs} of {job.settings['trainer']['max_epochs']}"
    return shortened(last_words(job.log, job.log_start)) or "begins"


def _share(job: Job) -> float:
    """The part of its epochs that is behind a job."""
    return min(job.folder.progress().epochs / int(job.settings["trainer"]["max_epochs"]), 1.0)


def _progress(job: Job) -> tuple[str, str, str]:
    """Epoch, best score and time left of a job, as words."""
    if job.run is None:
        return "-", "-", "-"
    progress, epochs = job.run.progress(), int(job.settings["trainer"]["max_epochs"])
    if not progress.epochs:
        return how_far(job), "-", "-"
    left = (epochs - progress.epochs) * progress.seconds / progress.epochs
    running = job.phase == Phase.RUNNING
    return f"{progress.epochs} of {epochs}", f"{progress.best:.3f}", _clock(left) if running else "-"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
