"""`hydra/launcher=slurm`: the same jobs in SLURM's queue, by way of submitit."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from occlufer.launchers.base import Crew, SweepLauncher, check_numbers
from occlufer.launchers.devices import need_of
from occlufer.launchers.jobs import Job
from occlufer.launchers.processes import Process, stop_all
from occlufer.processes import SAFE_PATH, thread_settings
from occlufer.types import ConfigError, unknown_name

CLUSTERS = ("slurm", "local")
_TAKEN_BACK = (
    "SLURM took the machine back (another job came first, or the time was up): it waits in the queue again.\n"
)


@dataclass
class SlurmTask:
    """What one task of a SLURM job runs: the job's command, in the rank that SLURM gave to the task.

    When SLURM preempts the job or its time is up, submitit asks for `checkpoint`: the training is stopped as after any
    other SIGTERM, and the same task goes back into the queue, to go on from the last checkpoint.
    """

    command: Sequence[str]
    folder: str
    environment: Mapping[str, str]
    log: str
    grace: float
    process: Process | None = field(default=None, repr=False)
    leads: bool = field(default=True, repr=False)

    def __call__(self) -> int:
        """Run the command to its end: its exit code."""
        import time

        import submitit

        place = submitit.JobEnvironment()
        ranks: dict[str, str] = {}
        if place.num_tasks > 1:
            # Lightning asks SLURM itself for the ranks; this is for its plain environment, without SLURM.
            submitit.helpers.TorchDistributedEnvironment().export(set_cuda_visible_devices=False)
            ranks = {"NODE_RANK": str(place.node)}
        log = Path(self.log)
        self.leads = place.global_rank == 0
        if not self.leads:
            log = log.with_suffix(f".rank{place.global_rank}.log")
        self.process = Process(
            self.command,
            folder=Path(self.folder),
            environment={**os.environ, **self.environment, **ranks},
            log=log,
        )
        while (code := self.process.poll()) is None:
            time.sleep(0.2)
        return code

    def checkpoint(self) -> Any:
        """Stop the training; returns the task that goes on with it."""
        import submitit

        if self.process is not None:
            stop_all([self.process], self.grace)
        if self.leads:  # for `occlufer status`
            with contextlib.suppress(OSError), Path(self.log).open("a", encoding="utf-8") as handle:
                handle.write(_TAKEN_BACK)
        again = SlurmTask(self.command, self.folder, self.environment, self.log, self.grace)
        return submitit.helpers.DelayedSubmission(again)


class SlurmLauncher(SweepLauncher):
    """Runs the jobs of a sweep in SLURM's queue, and waits for them.

    A training on several devices is a job of as many tasks, on trainer.num_nodes machines; Lightning takes the ranks
    from SLURM. All machines must see the outputs, the caches and this Python environment under the same paths.

    Args:
        cluster: slurm; or local, submitit's own stand-in for a queue, to try things on one machine.
        partition, account, qos, constraint: as SLURM's options; None leaves them out.
        timeout_min: minutes after which SLURM ends a job; it then goes back into the queue, `requeues` times at most.
        gpus_per_job: GPUs on each machine of a job; None for its trainer.devices.
        cpus_per_task: cores of each process.
        mem_gb: memory of a job on each machine, GB; None for SLURM's default.
        at_once: jobs of one sweep that run at the same time at most; None for as many as SLURM gives.
        requeues: how often a job that ran out of time is queued again; preempted jobs always are.
        extra: further options of sbatch by name, such as {nice: 100}.
        grace: seconds that a job has to end cleanly when it is preempted; SLURM's signal comes 90 s before the end.

    Raises:
        ConfigError: an unknown cluster, or a number that cannot be.
    """

    title: ClassVar[str] = "slurm"

    def __init__(
        self,
        *,
        cluster: str,
        partition: str | None,
        account: str | None,
        qos: str | None,
        constraint: str | None,
        timeout_min: int,
        gpus_per_job: int | None,
        cpus_per_task: int,
        mem_gb: float | None,
        at_once: int | None,
        requeues: int,
        extra: Mapping[str, Any],
        grace: float,
    ) -> None:
        if cluster not in CLUSTERS:
            raise ConfigError(unknown_name("hydra.launcher.cluster", cluster, CLUSTERS))
        check_numbers(gpus_per_job=gpus_per_job, cpus_per_task=cpus_per_task, at_once=at_once)
        self._cluster, self._at_once, self._requeues, self._grace = cluster, at_once, requeues, float(grace)
        self._gpus_per_job = gpus_per_job
        self._shared = {"timeout_min": timeout_min, "cpus_per_task": cpus_per_task, "mem_gb": mem_gb}
        self._slurm = {"partition": partition, "account": account, "qos": qos, "constraint": constraint}
        self._extra = dict(extra)

    @contextlib.contextmanager
    def crew(self) -> Iterator[Crew]:
        """SLURM's queue."""
        try:
            import submitit
        except ImportError as error:
            raise ConfigError(
                "hydra/launcher=slurm needs submitit, which is not installed. Install it: pip install 'occlufer[slurm]'"
            ) from error
        # Without accounting, which not every cluster keeps, it would warn at every look; results come by files anyway.
        logging.getLogger("submitit").setLevel(logging.ERROR)
        yield _SlurmCrew(self, submitit)

    def executor(self, submitit: Any, job: Job) -> Any:
        """Where a job is handed in, with what it asks for; raises `ConfigError` when there is no SLURM here."""
        trainer = job.settings["trainer"]
        need = need_of(trainer, gpus_per_job=self._gpus_per_job, gpus=0)
        asked: dict[str, Any] = {
            **self._shared,
            "name": job.folder.name,
            "nodes": int(trainer.get("num_nodes", 1)),
            "tasks_per_node": need.processes,
            "gpus_per_node": need.gpus or None,
        }
        if self._cluster == "slurm":
            asked |= {f"slurm_{name}": value for name, value in self._slurm.items()}
            asked["slurm_additional_parameters"] = self._extra
        try:
            made = submitit.AutoExecutor(
                folder=job.study / "logs" / "submitit", cluster=self._cluster,
                **({"slurm_max_num_timeout": self._requeues} if self._cluster == "slurm" else {}),
            )  # fmt: skip
            made.update_parameters(**{name: value for name, value in asked.items() if value is not None})
        except (RuntimeError, ValueError, NameError) as error:
            raise ConfigError(f"The job cannot be handed to {self._cluster}: {error}") from error
        return made

    @property
    def at_once(self) -> int | None:
        """How many jobs may be in the queue or at work at a time."""
        return self._at_once

    def task(self, job: Job, command: Sequence[str]) -> SlurmTask:
        """What the job runs."""
        settings = thread_settings(int(self._shared["cpus_per_task"] or 1)) | SAFE_PATH
        return SlurmTask(list(command), str(Path.cwd()), settings, str(job.log), self._grace)


class _SlurmCrew(Crew):
    queues = True

    def __init__(self, launcher: SlurmLauncher, submitit: Any) -> None:
        self._launcher, self._submitit = launcher, submitit
        self._at_work: list[tuple[Job, Any]] = []

    def start(self, job: Job, command: Sequence[str]) -> bool:
        if self._launcher.at_once is not None and len(self._at_work) >= self._launcher.at_once:
            return False
        executor = self._launcher.executor(self._submitit, job)
        try:
            handed_in = executor.submit(self._launcher.task(job, command))
        except self._submitit.core.utils.FailedJobError as error:
            raise ConfigError(f"sbatch refuses the job: {' '.join(str(error).split())}") from error
        self._at_work.append((job, handed_in))
        return True

    def ended(self) -> Iterator[tuple[Job, int]]:
        for entry in list(self._at_work):
            job, handed_in = entry
            if handed_in.done():
                self._at_work.remove(entry)
                yield job, self._code(job, handed_in)

    def _code(self, job: Job, handed_in: Any) -> int:
        """The first exit code of the job's tasks that is not 0; 1 when SLURM lost it, with the reason in the log."""
        try:
            return next((int(code) for code in handed_in.results() if code), 0)
        except (
            self._submitit.core.utils.UncompletedJobError,
            self._submitit.core.utils.FailedJobError,
        ) as error:
            with job.log.open("a", encoding="utf-8") as handle:
                handle.write(f"Error: SLURM lost the job: {' '.join(str(error).split())[:1000]}\n")
            return 1

    def stop(self) -> None:
        for _, handed_in in self._at_work:
            handed_in.cancel(check=False)
