"""The jobs of a sweep: from Hydra's overrides to run folders, without starting anything."""

from __future__ import annotations

import copy
import enum
import functools
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

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
        log_start, failure_before: size of its log in bytes, and age of its failure.json, before it was started.
    """

    number: int
    overrides: tuple[str, ...]
    label: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    run: Run | None = None
    phase: Phase = Phase.WAITING
    reason: str = ""
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
        epochs = self.settings["trainer"]["max_epochs"] if name is not None else 0
        return SweepJob(
            self.number, self.overrides, name, self.reason or None if name is None else None, epochs
        )


def list_jobs(overrides: Sequence[Sequence[str]], first: int) -> list[Job]:
    """The jobs of a sweep, in order; nothing is resolved yet."""
    jobs = [Job(first + place, tuple(words)) for place, words in enumerate(overrides)]
    shared = set.intersection(*(set(job.overrides) for job in jobs)) if jobs else set()
    for job in jobs:
        job.label = " ".join(word for word in job.overrides if word not in shared)
    return jobs


class Planner:
    """Finds out what each job of a sweep will do, as the job itself will.

    Hydra takes a tenth of a second to compose a configuration. It is asked once a choice of groups, and values are set
    on copies of what it gave.

    Args:
        loader, config: Hydra's, of the sweep.
    """

    def __init__(self, loader: ConfigLoader, config: DictConfig) -> None:
        self._loader, self._config = loader, config
        self._composed: dict[tuple[str, ...], _Choice] = {}
        self._parse = functools.cache(OverridesParser.create().parse_override)
        self._is_group = functools.cache(lambda name: bool(loader.get_group_options(name)))

    def resolve(self, job: Job) -> None:
        """Find a job's settings and run folder; one that cannot be run has failed, and says why.

        A run that is finished is skipped, and with retry=failed one that has not failed.
        """
        try:
            job.settings = self._settings(job)
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

    def _settings(self, job: Job) -> dict[str, Any]:
        words = [self._parse(word) for word in job.overrides]
        groups = [word for word in words if self._is_group(word.key_or_group)]
        values = [word for word in words if not self._is_group(word.key_or_group)]
        settable = all(
            word.type == OverrideType.CHANGE and "${" not in str(word.input_line) for word in values
        )
        choice = self._choice(groups) if settable else None
        if choice is None or not choice.shared:
            return self._compose(job.overrides, job.number).settings()
        try:
            return choice.settings(values)
        except OmegaConfBaseException:  # Hydra says better what is wrong
            return self._compose(job.overrides, job.number).settings()

    def _choice(self, groups: Sequence[Override]) -> _Choice:
        words = tuple(str(word.input_line) for word in groups)
        if words not in self._composed:
            self._composed[words] = self._compose(words, 0)
        return self._composed[words]

    def _compose(self, words: Sequence[str], number: int) -> _Choice:
        config = self._loader.load_sweep_config(self._config, list(words))
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
            hydra, task = OmegaConf.masked_copy(config, "hydra"), config
            del task["hydra"]
        asked = set(re.findall(r"hydra:(\w+\.\w+)", OmegaConf.to_yaml(task)))
        return _Choice(hydra, task, shared=asked <= {"runtime.choices"})


@dataclass(frozen=True, slots=True)
class _Choice:
    """A composed configuration: Hydra's own part, the task's, and whether jobs that differ in values may share it."""

    hydra: DictConfig
    task: DictConfig
    shared: bool

    def settings(self, values: Sequence[Override] = ()) -> dict[str, Any]:
        """The settings of a training, with these values; `${hydra:...}` means this configuration's."""
        task = copy.deepcopy(self.task)
        for word in values:
            OmegaConf.update(task, word.key_or_group, word.value(), merge=True)
        before = HydraConfig.instance().cfg
        HydraConfig.instance().cfg = self.hydra
        try:
            return training_settings(task)
        finally:
            HydraConfig.instance().cfg = before


def train_command(job: Job, hydra_overrides: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """The words that run one job in a process of its own, from this working directory, as a single run of Hydra's.

    `hydra_overrides` are the sweep's own (`hydra.verbose=true`): those that choose launcher and sweeper are left out;
    `folders` the conf folders that it reads.
    """
    paths = job.settings["paths"]
    fixed = [f"paths.{name}={_quoted(str(Path(paths[name]).expanduser().absolute()))}" for name in paths]
    kept = [word for word in hydra_overrides if not word.lstrip("+~").startswith(_OF_THE_SWEEP)]
    return [
        sys.executable, "-m", "occlufer.cli", "train", *search_words(folders), *kept, *job.overrides, *fixed,
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
