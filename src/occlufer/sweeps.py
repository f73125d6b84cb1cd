"""A study's sweeps: which jobs were asked for last, and how each run of the study stands.

`outputs/<study>/sweep.json` is written before the first job starts; `logs/<run>.log` holds what a job said.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from occlufer.files import write_text
from occlufer.reading import read_json
from occlufer.runs import Run, check_study, now
from occlufer.types import RunError

FORMAT = 1
_NAME = "sweep.json"


class State(enum.StrEnum):
    """How a run stands."""

    DONE = "done"
    RUNNING = "running"  # a live process holds it
    FAILED = "failed"
    STOPPED = "stopped"  # begun, not failed, and nobody works on it
    MISSING = "missing"  # asked for by the last sweep, and never begun


@dataclass(frozen=True, slots=True)
class SweepJob:
    """One job of a sweep.

    Attributes:
        number: Hydra's number of the job; starts at 0 in every sweep, so it names nothing beyond it.
        overrides: the job's words, as after `occlufer train`.
        run: name of its run folder; None when its configuration does not resolve, or has not been by the time that the
            sweep was killed.
        error: why it does not.
    """

    number: int
    overrides: tuple[str, ...]
    run: str | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How one run of a study stands.

    Attributes:
        name: the run folder's name, or the words of a job that has none.
        state: see `State`.
        epochs, of: epochs behind it and asked for (0 when unknown).
        best: its best validation macro F1 so far; NaN before the first epoch.
        reason: why it failed; empty otherwise.
    """

    name: str
    state: State
    epochs: int
    of: int
    best: float
    reason: str


def log_file(study: Path, run: str) -> Path:
    """Where the job of a run writes what it says."""
    return study / "logs" / f"{run}.log"


def write_sweep(study: Path, launcher: str, jobs: Iterable[SweepJob]) -> None:
    """Record the jobs of a sweep in the study folder, atomically; replaces those of the sweep before."""
    content = {
        "format": FORMAT,
        "launcher": launcher,
        "started": now(),
        "jobs": [dataclasses.asdict(job) for job in jobs],
    }
    write_text(study / _NAME, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_sweep(study: Path) -> list[SweepJob]:
    """The jobs of the study's last sweep, none without one; raises `RunError` when the record cannot be read."""
    path = study / _NAME
    if not path.is_file():
        return []
    try:
        content = read_json(path)
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}, expected {FORMAT}")
        return [SweepJob(**job | {"overrides": tuple(job["overrides"])}) for job in content["jobs"]]
    except (RunError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path} cannot be read ({error}). Delete it: it only says which runs the last sweep asked for."
        ) from error


def study_status(study: Path) -> list[RunStatus]:
    """How every run of a study stands, by name; then the jobs of its last sweep that have no run folder.

    Raises:
        RunError: there is no such study, or its sweep.json is damaged.
    """
    check_study(study)
    jobs = read_sweep(study)
    asked = {job.run for job in jobs if job.run is not None}
    # A run that still waits for its data holds its lock, and has no config.yaml yet; one that was left out, with
    # retry=failed, or refused leaves a lock that nobody holds.
    begun = [path.parent for path in study.glob("*/config.yaml")]
    waiting = [path.parent for path in study.glob("*/.lock") if Run(path.parent).running]
    found = {folder.name for folder in (*begun, *waiting)}
    rows = [_status(Run(study / name)) for name in sorted(found)]
    missing = [RunStatus(name, State.MISSING, 0, 0, math.nan, "") for name in sorted(asked - found)]
    if not rows and not jobs:
        raise RunError(f"{study} holds no run. Train something with study={study.name} first.")
    return [*rows, *missing, *_unresolved(jobs)]


def _status(run: Run) -> RunStatus:
    progress = run.progress()
    reason = run.failure
    if run.finished:
        state, reason = State.DONE, None
    elif run.running:
        state, reason = State.RUNNING, None
    else:
        state = State.FAILED if reason is not None else State.STOPPED
    return RunStatus(run.name, state, progress.epochs, _epochs_asked(run), progress.best, reason or "")


def _epochs_asked(run: Run) -> int:
    try:
        return int(run.config()["trainer"]["max_epochs"])
    except (RunError, KeyError, TypeError, ValueError):
        return 0


def _unresolved(jobs: Sequence[SweepJob]) -> list[RunStatus]:
    """The jobs without a run folder: those whose words cannot be run, and those that were not even looked at."""
    rows = []
    for job in jobs:
        if job.run is None:
            state = State.FAILED if job.error else State.MISSING
            rows.append(RunStatus(" ".join(job.overrides), state, 0, 0, math.nan, job.error or ""))
    return rows
