"""What all launchers share: plan the jobs, skip the finished, see the rest through, and say what became of each."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.errors import CompactHydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from occlufer.building import conf_folders
from occlufer.commands.checks import whole
from occlufer.console import err, say
from occlufer.launchers.board import Board, counts, summary_table
from occlufer.launchers.jobs import Job, Phase, Planner, list_jobs, train_command
from occlufer.launchers.outcome import conclude, fail, has_begun, note_start
from occlufer.signals import termination
from occlufer.sweeps import write_sweep
from occlufer.types import OccluferError

_POLL = 0.1  # seconds
_RECORD = 2.0  # seconds between records of a plan that grows
_UNFINISHED = {Phase.FAILED, Phase.STOPPED}


def check_numbers(**numbers: int | None) -> None:
    """Refuse settings of a launcher that are no whole numbers from 1 (None: not set); raises `ConfigError`."""
    for name, value in numbers.items():
        if value is not None:
            whole(f"hydra.launcher.{name}", value, 1)


class Crew(ABC):
    """Who carries the jobs out: this machine, Ray, SLURM."""

    queues: ClassVar[bool] = False
    """Whether a job that was taken on may still have to wait; it has begun when its log has."""

    @abstractmethod
    def start(self, job: Job, command: Sequence[str]) -> bool:
        """Take a job on; False while there is no room for it. Raises `OccluferError` when there never will be."""

    @abstractmethod
    def ended(self) -> Iterator[tuple[Job, int]]:
        """The jobs that have ended since this was last asked, with their exit codes."""

    @abstractmethod
    def stop(self) -> None:
        """End all jobs that were taken on, so that each can go on later; returns when they are gone. SLURM is told."""


def _at_work(jobs: Sequence[Job]) -> list[Job]:
    return [job for job in jobs if job.phase in {Phase.QUEUED, Phase.RUNNING}]


def _next(waiting: Sequence[Job], jobs: Sequence[Job]) -> Job | None:
    """The first waiting job whose run no other job of the sweep is at: it would only wait for that one to end."""
    taken = {job.folder.folder for job in _at_work(jobs)}
    return next((job for job in waiting if job.folder.folder not in taken), None)


class SweepLauncher(Launcher, ABC):  # type: ignore[misc]  # mypy does not follow Hydra's types
    """A Hydra launcher of `occlufer train`: each job is a single run in a process of its own.

    A run that is finished is skipped, here, before anything is started. Jobs that fail harm no other; the sweep ends
    with an error that names them.
    """

    title: ClassVar[str]

    @abstractmethod
    def crew(self) -> AbstractContextManager[Crew]:
        """Who carries the jobs out, for the length of a sweep."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra's hook: what `launch` will need."""
        self._loader, self._config = hydra_context.config_loader, config
        if config.hydra.job.name != "train":
            raise CompactHydraException(
                f"Error: hydra/launcher={self.title} starts trainings, and this is {config.hydra.job.name!r}. "
                "Leave the launcher out."
            )

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; returns each one's best validation macro F1, or the error that names all that failed."""
        setup_globals()
        jobs = list_jobs(job_overrides, initial_job_idx)
        try:
            with termination():
                self._see_through(jobs)
            err.print(summary_table(jobs))
            return self._returns(jobs)
        except OccluferError as error:
            raise CompactHydraException(f"Error: {error}") from error

    def _see_through(self, jobs: Sequence[Job]) -> None:
        ahead = self._to_be_run(jobs)
        first = next(ahead, None)
        self._record(jobs)
        if first is None:
            return
        with self.crew() as crew, Board(jobs) as board:
            try:
                self._work(jobs, first, ahead, crew, board)
            except BaseException:
                say("Stopping the jobs that run ...")
                crew.stop()
                for job in _at_work(jobs):
                    job.phase = Phase.DONE if job.folder.finished else Phase.STOPPED
                say(f"{counts(jobs)}. The same command goes on with what is not finished.")
                raise

    def _to_be_run(self, jobs: Sequence[Job]) -> Iterator[Job]:
        """The jobs that are to be started. They are resolved one by one as this is asked: the first shall not wait."""
        planner = Planner(self._loader, self._config)
        for job in jobs:
            planner.resolve(job)
            if job.phase == Phase.WAITING:
                yield job

    def _work(self, jobs: Sequence[Job], first: Job, ahead: Iterator[Job], crew: Crew, board: Board) -> None:
        words, folders = list(self._config.hydra.overrides.hydra), conf_folders(self._config)
        waiting, more, recorded = [first], True, time.monotonic()
        while waiting or more or _at_work(jobs):
            while (job := _next(waiting, jobs)) and self._started(crew, job, words, folders):
                waiting.remove(job)
                board.told(job)
            for job in _at_work(jobs):
                if job.phase == Phase.QUEUED and has_begun(job):
                    job.phase = Phase.RUNNING
                    board.told(job)
            for job, code in crew.ended():
                conclude(job, code)
                board.told(job)
            board.refresh()
            if more and (found := next(ahead, None)) is not None:
                waiting.append(found)
                if time.monotonic() > recorded + _RECORD:
                    self._record(jobs)
                    recorded = time.monotonic()
            elif more:
                more = False
                self._record(jobs)
                say(f"Sweep of {counts(jobs)}. Logs of the jobs: {first.study / 'logs'}")
            else:
                time.sleep(_POLL)

    def _record(self, jobs: Sequence[Job]) -> None:
        """Write the jobs into each study folder that they go to; those without a run folder stand in all of them.

        Done with what is known when the first job starts, now and then while others are planned, and when all are.
        """
        for study in {job.study for job in jobs if job.run is not None}:
            mine = [job.recorded() for job in jobs if job.run is None or job.study == study]
            write_sweep(study, self.title, mine)

    @staticmethod
    def _started(crew: Crew, job: Job, hydra_overrides: Sequence[str], folders: Sequence[Path]) -> bool:
        """Whether the job is off the queue: taken on, finished by somebody else by now, or not possible."""
        if job.folder.finished:
            job.phase = Phase.SKIPPED
            return True
        note_start(job)
        job.phase = Phase.QUEUED if crew.queues else Phase.RUNNING
        try:
            taken = crew.start(job, train_command(job, hydra_overrides, folders))
        except OccluferError as error:
            fail(job, str(error))
            return True
        if not taken:
            job.phase = Phase.WAITING
        return taken

    def _returns(self, jobs: Sequence[Job]) -> list[JobReturn]:
        broken = [job for job in jobs if job.phase in _UNFINISHED]
        named = ", ".join(
            f"job {job.number} ({job.label})" if job.label else f"job {job.number}" for job in broken
        )
        error = CompactHydraException(
            f"Error: {len(broken)} of {len(jobs)} jobs did not finish: {named}. The table above says why. The same "
            "command runs what is not finished, with retry=failed only what failed."
        )
        returns = []
        for job in jobs:
            made = JobReturn(overrides=job.overrides, task_name="train")
            if job in broken:
                made.status, made.return_value = JobStatus.FAILED, error
            else:
                score = job.folder.summary().best_score if job.folder.finished else math.nan
                made.status, made.return_value = JobStatus.COMPLETED, score
            returns.append(made)
        return returns
