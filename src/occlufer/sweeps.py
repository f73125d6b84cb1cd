"""A study's sweeps: which jobs were asked for, and how each run of the study stands.

`outputs/<study>/sweep.json` is written before the first job starts, again as more are planned, and keeps the jobs of
earlier sweeps; `logs/<run>.log` holds what a job said.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from occlufer.files import write_text
from occlufer.reading import read_json
from occlufer.runs import Run, check_study, now
from occlufer.types import RunError, override

FORMAT = 1
_NAME = "sweep.json"
BEGINS = "--- "
"""What the line of a log begins with that each start of its job writes."""
_TAIL = 16_384  # bytes of a log that are looked at
_HYDRA_ADVICE = "Set the environment variable HYDRA_FULL_ERROR"


class State(enum.StrEnum):
    """How a run stands."""

    DONE = "done"
    RUNNING = "running"  # a live process holds it
    FAILED = "failed"
    STOPPED = "stopped"  # begun, not failed, and nobody works on it
    MISSING = "missing"  # asked for by a sweep, and never begun


@dataclass(frozen=True, slots=True)
class SweepJob:
    """One job of a sweep.

    Attributes:
        number: Hydra's number of the job; starts at 0 in every sweep, so it names nothing beyond it.
        overrides: the job's words, as after `occlufer train`.
        run: name of its run folder; None when its configuration does not resolve, or has not been by the time that the
            sweep was killed.
        error: why it does not.
        epochs: that it was asked to train; 0 when unknown.
    """

    number: int
    overrides: tuple[str, ...]
    run: str | None
    error: str | None = None
    epochs: int = 0


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How one run of a study stands.

    Attributes:
        name: the run folder's name, or the words of a job that has none.
        state: see `State`.
        epochs, of: epochs behind it and asked for (0 when unknown).
        best: its best validation macro F1 so far; NaN before the first epoch.
        reason: why it failed, or how often it was started and what it said last; empty for others.
        settings: the words of its job as {key: value}; empty for a run that no sweep asked for.
    """

    name: str
    state: State
    epochs: int
    of: int
    best: float
    reason: str
    settings: Mapping[str, str] = dataclasses.field(default_factory=dict)


def log_file(study: Path, run: str) -> Path:
    """Where the job of a run writes what it says."""
    return study / "logs" / f"{run}.log"


def write_sweep(study: Path, launcher: str, jobs: Sequence[SweepJob]) -> None:
    """Record the jobs of a sweep in the study folder, atomically; those of earlier sweeps stay behind them, each once.

    Earlier jobs whose words could not be run are left out: nothing is to be awaited of them.
    """
    try:
        before = read_sweep(study)
    except RunError:  # a damaged record knows no jobs
        before = []
    runs, words = {job.run for job in jobs}, {frozenset(job.overrides) for job in jobs}
    kept = [job for job in before if not job.error and job.run not in runs - {None}
            and frozenset(job.overrides) not in words]  # fmt: skip
    content = {
        "format": FORMAT,
        "launcher": launcher,
        "started": now(),
        "jobs": [dataclasses.asdict(job) for job in (*jobs, *kept)],
    }
    write_text(study / _NAME, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def read_sweep(study: Path) -> list[SweepJob]:
    """The jobs of the study's sweeps, the last one's first, none without; raises `RunError` for a damaged record."""
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
            f"{path} cannot be read ({error}). Delete it: it only says which runs the sweeps asked for."
        ) from error


def study_status(study: Path) -> list[RunStatus]:
    """How every run of a study stands: those of its sweeps in their order, then the others by name.

    Raises:
        RunError: there is no such study, or its sweep.json is damaged.
    """
    check_study(study)
    jobs = read_sweep(study)
    # A run that still waits for its data holds its lock, and has no config.yaml yet; one that was left out, with
    # retry=failed, or refused leaves a lock that nobody holds.
    begun = [path.parent for path in study.glob("*/config.yaml")]
    waiting = [path.parent for path in study.glob("*/.lock") if Run(path.parent).running]
    found = {folder.name for folder in (*begun, *waiting)}
    asked: dict[str, SweepJob] = {}
    for job in jobs:
        asked.setdefault(job.run or " ".join(job.overrides), job)
    rows = [_of_job(study, name, job, begun=name in found) for name, job in asked.items()]
    rows += [_of_run(Run(study / name), None) for name in sorted(found - set(asked))]
    if not rows:
        raise RunError(f"{study} holds no run. Train something with {override('study', study.name)} first.")
    return rows


def telling_apart(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """The keys in which runs differ, in the order of their words; not where results lie or what is tried again."""
    keys = dict.fromkeys(key for each in settings for key in each)
    differ = [key for key in keys if len({each.get(key) for each in settings}) > 1]
    return [
        key for key in differ if key not in {"study", "retry"} and not key.startswith(("paths.", "hydra"))
    ]


def _of_job(study: Path, name: str, job: SweepJob, *, begun: bool) -> RunStatus:
    if begun:
        return _of_run(Run(study / name), job)
    state = State.FAILED if job.error else State.MISSING
    return RunStatus(name, state, 0, 0, math.nan, job.error or "", _settings(job))


def _settings(job: SweepJob | None) -> dict[str, str]:
    return {key: value for key, _, value in (word.partition("=") for word in (job.overrides if job else ()))}


def _of_run(run: Run, job: SweepJob | None) -> RunStatus:
    progress = run.progress()
    reason = run.failure
    if run.finished:
        state, reason = State.DONE, None
    elif run.running:
        state = State.RUNNING
        reason = _starts(log_file(run.folder.parent, run.name))
    elif reason is not None:
        state = State.FAILED
    else:
        state, log = State.STOPPED, log_file(run.folder.parent, run.name)
        reason = " ".join(filter(None, (_starts(log), last_words(log))))
    epochs = job.epochs if job and job.epochs else _epochs_asked(run)
    return RunStatus(run.name, state, progress.epochs, epochs, progress.best, reason or "", _settings(job))


def _epochs_asked(run: Run) -> int:
    try:
        return int(run.config()["trainer"]["max_epochs"])
    except (RunError, KeyError, TypeError, ValueError):
        return 0


def last_words(log: Path, start: int = 0) -> str:
    """The error that a job's log ends in, from byte `start` on: our own sentence if there is one, or the last line."""
    try:
        with log.open("rb") as handle:
            handle.seek(0, 2)
            handle.seek(max(start, handle.tell() - _TAIL))
            text = handle.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith((BEGINS, _HYDRA_ADVICE))]
    ours = [line for line in lines if line.startswith("Error: ")]
    return ours[-1].removeprefix("Error: ") if ours else lines[-1] if lines else ""


def _starts(log: Path) -> str:
    """How often a job was started, in words; nothing for once: a queue may have taken its machine away since."""
    try:
        with log.open(encoding="utf-8", errors="replace") as handle:
            count = sum(line.startswith(BEGINS) for line in handle)
    except OSError:
        return ""
    return f"Started {count} times." if count > 1 else ""
