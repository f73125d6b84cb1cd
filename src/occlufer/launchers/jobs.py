"""The jobs of a sweep: from Hydra's overrides to run folders, without starting anything."""

from __future__ import annotations

import enum
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from occlufer.building import conf_folders
from occlufer.commands.checks import check_train, training_settings
from occlufer.commands.hints import search_words
from occlufer.runs import Run
from occlufer.settings import run_folder
from occlufer.sweeps import SweepJob, log_file
from occlufer.types import OccluferError


class Phase(enum.StrEnum):
    """Where a job of this sweep stands."""

    WAITING = "waiting"
    QUEUED = "queued"  # handed over to Ray or SLURM, which has not started it yet
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"  # its run was finished before
    LEFT = "left out"  # retry=failed, and it had not failed
    FAILED = "failed"
    STOPPED = "stopped"  # somebody ended it


@dataclass(slots=True)
class Job:
    """One job.

    Attributes:
        number: Hydra's number of the job.
        overrides: its words, as after `occlufer train`.
        label: the words in which it differs from the others.
        settings: its resolved configuration; empty when it does not resolve.
        run: its run folder; None when its configuration does not resolve.
        phase, reason: where it stands; why it failed.
        config: Hydra's configuration of the job, for what the launcher returns.
        log_start, failure_before: size of its log in bytes, and age of its failure.json, before it was started.
    """

    number: int
    overrides: tuple[str, ...]
    label: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    run: Run | None = None
    phase: Phase = Phase.WAITING
    reason: str = ""
    config: DictConfig | None = None
    log_start: int = 0
    failure_before: int | None = None

    @property
    def folder(self) -> Run:
        """The run folder of a job that has one."""
        assert self.run is not None
        return self.run

    @property
    def study(self) -> Path:
        """The study folder."""
        return self.folder.folder.parent

    @property
    def log(self) -> Path:
        """Where it writes what it says."""
        return log_file(self.study, self.folder.name)

    def recorded(self) -> SweepJob:
        """The job as sweep.json has it."""
        name = None if self.run is None else self.run.name
        return SweepJob(self.number, self.overrides, name, self.reason or None if name is None else None)


def list_jobs(overrides: Sequence[Sequence[str]], first: int) -> list[Job]:
    """The jobs of a sweep, in order; nothing is resolved yet."""
    jobs = [Job(first + place, tuple(words)) for place, words in enumerate(overrides)]
    shared = set.intersection(*(set(job.overrides) for job in jobs)) if jobs else set()
    for job in jobs:
        job.label = " ".join(word for word in job.overrides if word not in shared)
    return jobs


def resolve(job: Job, loader: ConfigLoader, config: DictConfig) -> None:
    """Find a job's settings and run folder, as the job itself will; one that cannot be run has failed, and says why.

    Takes about a tenth of a second. A run that is finished is skipped, and with retry=failed one that has not failed.
    """
    try:
        job.config = loader.load_sweep_config(config, list(job.overrides))
        with open_dict(job.config):
            job.config.hydra.job.id = job.config.hydra.job.num = job.number
        with _resolving(job.config):
            task = job.config.copy()
            with open_dict(task):
                del task["hydra"]
            job.settings = training_settings(task)
        check_train(job.settings)
        job.run = Run(run_folder(job.settings))
    except (OccluferError, OmegaConfBaseException, HydraException) as error:
        job.phase, job.reason = Phase.FAILED, " ".join(str(error).split())
        return
    job.label = job.label or job.run.name
    if job.run.finished:
        job.phase = Phase.SKIPPED
    elif job.settings["retry"] == "failed" and job.run.failure is None:
        job.phase = Phase.LEFT


@contextmanager
def _resolving(config: DictConfig) -> Iterator[None]:
    """`${hydra:...}` means this job's values inside."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before


def train_command(job: Job, hydra_overrides: Sequence[str]) -> list[str]:
    """The words that run one job in a process of its own, from this working directory, as a single run of Hydra's.

    `hydra_overrides` are the sweep's own (`hydra.verbose=true`), without those that choose launcher and sweeper.
    """
    paths = job.settings["paths"]
    fixed = [f"paths.{name}={_quoted(str(Path(paths[name]).expanduser().absolute()))}" for name in paths]
    kept = [word for word in hydra_overrides if not word.lstrip("+~").startswith(_OF_THE_SWEEP)]
    searched = search_words(conf_folders(job.config))
    return [
        sys.executable, "-m", "occlufer.cli", "train", *searched, *kept, *job.overrides, *fixed,
        "retry=null", f"hydra.job.num={job.number}", f"hydra.job.id={job.number}", "hydra.mode=RUN",
    ]  # fmt: skip


_OF_THE_SWEEP = (
    "hydra/launcher",
    "hydra.launcher",
    "hydra/sweeper",
    "hydra.sweeper",
    "hydra.sweep",
    "hydra.mode",
    "hydra.searchpath",  # given anew, with absolute folders
)


def _quoted(value: str) -> str:
    """A string as Hydra's grammar takes it, whatever is in it."""
    return "'" + value.replace("\\'", "\\\\'").replace("'", "\\'") + "'"
