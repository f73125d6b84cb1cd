"""`hydra/launcher=ray`: the same jobs as tasks of a Ray cluster, this machine's own or a remote one."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from occlufer.launchers.base import Crew, SweepLauncher, check_numbers
from occlufer.launchers.devices import cores_of, need_of
from occlufer.launchers.jobs import Job
from occlufer.launchers.processes import run_to_end
from occlufer.processes import thread_settings
from occlufer.types import ConfigError

_PATIENCE = 5.0  # seconds that a cluster has to answer


class RayLauncher(SweepLauncher):
    """Runs the jobs of a sweep as Ray tasks.

    All machines of a cluster must see the outputs, the caches and this Python environment under the same paths.

    Args:
        address: `auto` or host:port of a running cluster; None starts one on this machine, for this sweep.
        cpus, gpus: what a cluster that is started here offers; None for all there is.
        gpus_per_job: GPUs of each job; None for its trainer.devices.
        cpus_per_job: cores of a job that runs on the CPU; one on GPUs gets its share of the cluster's. The processes of
            a job divide the threads among them.
        retries: how often a job is started again when its machine or its Ray worker dies. It goes on from its last
            checkpoint. A training that fails is not tried again.
        grace: seconds that a job has to end cleanly when the sweep is stopped.

    Raises:
        ConfigError: a number that cannot be.
    """

    title: ClassVar[str] = "ray"

    def __init__(
        self,
        *,
        address: str | None,
        cpus: int | None,
        gpus: int | None,
        gpus_per_job: int | None,
        cpus_per_job: int,
        retries: int,
        grace: float,
    ) -> None:
        check_numbers(gpus_per_job=gpus_per_job, cpus=cpus, cpus_per_job=cpus_per_job)
        self._address = address or os.environ.get("RAY_ADDRESS") or None
        self._cpus, self._gpus = cpus, gpus
        self._gpus_per_job, self._cpus_per_job = gpus_per_job, cpus_per_job
        self._retries, self._grace = retries, float(grace)

    @contextlib.contextmanager
    def crew(self) -> Iterator[Crew]:
        """A cluster: joined, or started and shut down again."""
        try:
            import ray
        except ImportError as error:
            raise ConfigError(
                "hydra/launcher=ray needs Ray, which is not installed. Install it: pip install 'occlufer[ray]'"
            ) from error
        self._check_answers()
        asked: dict[str, Any] = {
            "address": self._address,
            "log_to_driver": False,
            "logging_level": logging.ERROR,
        }
        if self._address is None:
            asked |= {"num_cpus": self._cpus, "num_gpus": self._gpus, "include_dashboard": False}
        try:
            ray.init(**asked)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"Ray does not start (hydra.launcher.address={self._address}): {' '.join(str(error).split())}"
            ) from error
        try:
            yield _RayCrew(ray, self._gpus_per_job, self._cpus_per_job, self._retries, self._grace)
        finally:
            ray.shutdown()

    def _check_answers(self) -> None:
        """Raise `ConfigError` where nobody listens at host:port: Ray itself would try for minutes."""
        host, _, port = (self._address or "").removeprefix("ray://").rpartition(":")
        if not host or not port.isdigit():
            return
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
        except OSError as error:
            raise ConfigError(
                f"No Ray cluster answers at {self._address} ({error}), which hydra.launcher.address or the variable "
                "RAY_ADDRESS names. Start it (`ray start --head`), or leave both out: then one starts here."
            ) from error


class _RayCrew(Crew):
    queues = True

    def __init__(
        self, ray: Any, gpus_per_job: int | None, cpus_per_job: int, retries: int, grace: float
    ) -> None:
        self._ray, self._grace, self._retries = ray, grace, retries
        self._gpus_per_job, self._cpus_per_job = gpus_per_job, cpus_per_job
        self._task = ray.remote(run_to_end)
        self._jobs: dict[Any, Job] = {}

    def start(self, job: Job, command: Sequence[str]) -> bool:
        there = self._ray.cluster_resources()
        cpus, gpus = int(there.get("CPU", 0)), int(there.get("GPU", 0))
        need = need_of(job.settings["trainer"], gpus_per_job=self._gpus_per_job, gpus=gpus)
        for kind, wanted in (("GPU", need.gpus), ("CPU", self._cpus_per_job)):
            if wanted > there.get(kind, 0):  # Ray itself would wait for such a machine for ever
                raise ConfigError(
                    f"The job asks for {wanted} {kind}s, and the whole Ray cluster has {there.get(kind, 0):.0f}. Set "
                    f"hydra.launcher.{kind.lower()}s_per_job."
                )
        cores = cores_of(need, cpus_per_job=self._cpus_per_job, cpus=cpus, gpus=gpus)
        task = self._task.options(
            name=job.folder.name, num_cpus=cores, num_gpus=need.gpus, max_retries=self._retries
        )
        threads = thread_settings(max(1, cores // need.processes))
        reference = task.remote(list(command), str(Path.cwd()), threads, str(job.log), self._grace)
        self._jobs[reference] = job
        return True

    def ended(self) -> Iterator[tuple[Job, int]]:
        if not self._jobs:
            return
        ready, _ = self._ray.wait(list(self._jobs), num_returns=len(self._jobs), timeout=0)
        for reference in ready:
            job = self._jobs.pop(reference)
            try:
                yield job, int(self._ray.get(reference))
            except self._ray.exceptions.RayError as error:
                with job.log.open("a", encoding="utf-8") as handle:
                    handle.write(f"Error: Ray lost the job: {' '.join(str(error).split())}\n")
                yield job, 1

    def stop(self) -> None:
        for reference in self._jobs:
            self._ray.cancel(reference)
        deadline = time.monotonic() + self._grace
        while self._jobs and time.monotonic() < deadline:
            ready, _ = self._ray.wait(list(self._jobs), num_returns=1, timeout=0.2)
            for reference in ready:
                del self._jobs[reference]
        for reference in self._jobs:
            self._ray.cancel(reference, force=True)
