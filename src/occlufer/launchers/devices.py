"""The GPUs and CPU cores of this machine, shared out to jobs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from occlufer.processes import process_count
from occlufer.types import ConfigError


@dataclass(frozen=True, slots=True)
class Need:
    """What a job asks for: GPUs (0: it runs on the CPU), and how many processes share its cores."""

    gpus: int
    processes: int


@dataclass(frozen=True, slots=True)
class Share:
    """What a job was given: GPU names as in CUDA_VISIBLE_DEVICES, CPU cores (0 for a GPU job), threads a process."""

    gpus: tuple[str, ...]
    cpus: int
    threads: int

    def environment(self) -> dict[str, str]:
        """The variable that shows a job its GPUs and no others; nothing for a job on the CPU."""
        return {"CUDA_VISIBLE_DEVICES": ",".join(self.gpus)} if self.gpus else {}


def need_of(trainer: Mapping[str, Any], *, gpus_per_job: int | None, gpus: int) -> Need:
    """What a training asks for: `trainer.devices` unless `gpus_per_job` says it; `gpus` are there.

    accelerator=auto is a GPU where there is one, as Lightning has it.
    """
    if trainer.get("accelerator", "auto") == "auto" and (gpus > 0 or gpus_per_job):
        trainer = {**trainer, "accelerator": "gpu"}
    if trainer.get("accelerator") not in {"gpu", "cuda"}:
        return Need(0, process_count(trainer, visible=1))
    count = gpus_per_job or process_count(trainer, visible=max(gpus, 1))
    return Need(count, count)


def cores_of(need: Need, *, cpus_per_job: int, cpus: int, gpus: int) -> int:
    """Cores of a job where there are `cpus` and `gpus`: on GPUs their share, else one for each process at least."""
    if need.gpus:
        return max(1, cpus // max(gpus, 1)) * need.gpus
    return min(max(cpus_per_job, need.processes), max(cpus, 1))


class Devices:
    """Who has which device.

    Args:
        gpus: their names as in CUDA_VISIBLE_DEVICES.
        cpus: cores to share out.
        cpus_per_job: cores of a job that uses no GPU; one with more processes gets a core for each.
    """

    def __init__(self, *, gpus: Sequence[str], cpus: int, cpus_per_job: int) -> None:
        self.gpus, self.cpus = tuple(gpus), cpus
        self._cpus_per_job = cpus_per_job
        self._free_gpus, self._free_cpus = list(gpus), cpus

    def take(self, need: Need) -> Share | None:
        """Devices for a job, None while too few are free; raises `ConfigError` when there will never be enough."""
        if need.gpus > len(self.gpus):
            raise ConfigError(
                f"The job asks for {need.gpus} GPU{'s' * (need.gpus != 1)}, and the launcher has {len(self.gpus)} "
                f"({', '.join(self.gpus) or 'none found'}). Set trainer.devices and hydra.launcher.gpus_per_job to "
                "what there is, or use trainer=cpu."
            )
        cores = cores_of(need, cpus_per_job=self._cpus_per_job, cpus=self.cpus, gpus=len(self.gpus))
        threads = max(1, cores // need.processes)
        if need.gpus == 0:
            if self._free_cpus < cores:
                return None
            self._free_cpus -= cores
            return Share((), cores, threads)
        if len(self._free_gpus) < need.gpus:
            return None
        given = tuple(self._free_gpus[: need.gpus])
        del self._free_gpus[: need.gpus]
        return Share(given, 0, threads)

    def give_back(self, share: Share) -> None:
        """Take a share back from a job that has ended."""
        self._free_gpus += share.gpus
        self._free_cpus += share.cpus


def visible_gpus() -> list[str]:
    """Names of the GPUs that CUDA_VISIBLE_DEVICES leaves to us, or that nvidia-smi lists; torch is not asked."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() not in {"", "-1"}]
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return []
    return listed.stdout.split()
