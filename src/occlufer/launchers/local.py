"""`hydra/launcher=local`: one subprocess a job, side by side on this machine's GPUs or CPU cores."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from occlufer.launchers.base import Crew, SweepLauncher, check_numbers
from occlufer.launchers.devices import Devices, Share, need_of, visible_gpus
from occlufer.launchers.jobs import Job
from occlufer.launchers.processes import Process, clean_environment, stop_all
from occlufer.processes import core_count, thread_settings
from occlufer.types import ConfigError


class LocalLauncher(SweepLauncher):
    """Runs the jobs of a sweep on this machine.

    Args:
        gpus: how many GPUs to use, or their names as in CUDA_VISIBLE_DEVICES; None for all that are visible.
        gpus_per_job: GPUs of each job; None for its trainer.devices.
        cpus: cores to share out; None for all that this process may use.
        cpus_per_job: cores of a job that runs on the CPU: so many jobs run at a time as fit. Its processes (several
            with trainer=ddp_cpu) divide the threads among them.
        grace: seconds that a job has to end cleanly when the sweep is stopped.

    Raises:
        ConfigError: a number that cannot be.
    """

    title: ClassVar[str] = "local"

    def __init__(
        self,
        *,
        gpus: int | Sequence[int | str] | None,
        gpus_per_job: int | None,
        cpus: int | None,
        cpus_per_job: int,
        grace: float,
    ) -> None:
        check_numbers(gpus_per_job=gpus_per_job, cpus=cpus, cpus_per_job=cpus_per_job)
        self._gpus, self._gpus_per_job = gpus, gpus_per_job
        self._cpus, self._cpus_per_job, self._grace = cpus, cpus_per_job, float(grace)

    @contextlib.contextmanager
    def crew(self) -> Iterator[Crew]:
        """This machine's devices."""
        devices = Devices(
            gpus=self._named_gpus(), cpus=self._cpus or core_count(), cpus_per_job=self._cpus_per_job
        )
        yield _LocalCrew(devices, self._gpus_per_job, self._grace)

    def _named_gpus(self) -> list[str]:
        if self._gpus is not None and not isinstance(self._gpus, int):
            return [str(name) for name in self._gpus]
        found = visible_gpus()
        if self._gpus is not None and self._gpus > len(found):
            raise ConfigError(
                f"hydra.launcher.gpus={self._gpus}, and only {len(found)} GPUs are visible here."
            )
        return found[: self._gpus]


class _LocalCrew(Crew):
    def __init__(self, devices: Devices, gpus_per_job: int | None, grace: float) -> None:
        self._devices, self._gpus_per_job, self._grace = devices, gpus_per_job, grace
        self._at_work: list[tuple[Job, Process, Share]] = []

    def start(self, job: Job, command: Sequence[str]) -> bool:
        need = need_of(job.settings["trainer"], gpus_per_job=self._gpus_per_job, gpus=len(self._devices.gpus))
        share = self._devices.take(need)
        if share is None:
            return False
        environment = clean_environment() | thread_settings(share.threads) | share.environment()
        process = Process(command, folder=Path.cwd(), environment=environment, log=job.log)
        self._at_work.append((job, process, share))
        return True

    def ended(self) -> Iterator[tuple[Job, int]]:
        for entry in list(self._at_work):
            job, process, share = entry
            if (code := process.poll()) is not None:
                self._at_work.remove(entry)
                self._devices.give_back(share)
                yield job, code

    def stop(self) -> None:
        stop_all([process for _, process, _ in self._at_work], self._grace)
