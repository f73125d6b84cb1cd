"""Cores, threads, spawned processes and ddp ranks: what starts them, and what they share."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import SpawnContext
from typing import Any

from occlufer.types import OccluferError

_FIRST_RANK = "OCCLUFER_FIRST_RANK"  # pid of the process that starts the other ranks
_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""Without it `python -m` looks into the working directory first: a yaml.py that lies there would break all jobs."""

_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


def core_count() -> int:
    """Cores that this process may use, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_count(trainer: Mapping[str, Any], *, visible: int) -> int:
    """Processes that a trainer starts on one machine, where `visible` GPUs are there for `devices: auto`.

    1 for a number of devices that cannot be: Lightning refuses it when the training starts.
    """
    devices = trainer.get("devices", 1)
    if isinstance(devices, str) and devices != "auto":
        parts = [part for part in devices.split(",") if part.strip()]
        # Lightning reads "2" as a number of devices and "0,2" (or "2,") as their names.
        devices = parts if "," in devices else int(devices) if devices.lstrip("-").isdigit() else 1
    if devices in ("auto", -1):
        devices = visible if trainer.get("accelerator") in {"gpu", "cuda"} else 1
    if isinstance(devices, list | tuple):
        return max(len(devices), 1)
    return max(devices, 1) if isinstance(devices, int) else 1


def first_process() -> bool:
    """True in the one process that prints and writes files: False in the further ranks of a ddp training."""
    return all(os.environ.get(name, "0") == "0" for name in _RANKS)


def thread_settings(threads: int) -> dict[str, str]:
    """Environment variables that keep numpy, torch and OpenCV to so many threads a process."""
    return dict.fromkeys(_THREAD_LIMITS, str(threads))


def let_threads_sleep() -> None:
    """Make torch's threads sleep between operations instead of spinning, unless the user chose; call before its import.

    Spinning threads take the cores from other jobs: two epochs of the demo took 143 CPU seconds with, 33 without.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")


@contextlib.contextmanager
def for_children() -> Iterator[None]:
    """What processes started inside inherit: one thread each, and Ctrl-C left to the parent."""
    before = {name: os.environ.get(name) for name in _THREAD_LIMITS}
    os.environ.update(thread_settings(1))
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if in_main_thread else None
    try:
        yield
    finally:
        if in_main_thread:
            signal.signal(signal.SIGINT, handler)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def one_blas_thread() -> Any:
    """Context (and decorator) in which numpy's BLAS uses one thread of this process.

    With several threads a BLAS splits sums in other places, and the last bit of a product depends on their number.
    """
    return _blas().limit(limits=1, user_api="blas")


@functools.cache
def _blas() -> Any:
    import numpy  # noqa: F401  # its BLAS must be loaded before the libraries are looked up
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def spawn_context() -> SpawnContext:
    """What processes are started with: never forked, as the caller may have torch's threads.

    Raises `OccluferError` in a process that is itself being started, where it would hang or start others for ever.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # what multiprocessing itself asks
        raise OccluferError(
            "A process that was being started ran the script that started it: the script starts processes when it is "
            "imported. Put what it does under `if __name__ == '__main__':`."
        )
    return multiprocessing.get_context("spawn")


def spawned_pool(
    count: int, initializer: Callable[..., None], arguments: tuple[Any, ...] = ()
) -> ProcessPoolExecutor:
    """A pool of `count` processes, each of which calls `initializer(*arguments)` first; see `spawn_context`."""
    return ProcessPoolExecutor(count, mp_context=spawn_context(), initializer=initializer, initargs=arguments)


def settle_worker() -> None:
    """Call first in every worker: leaves Ctrl-C to the parent, and ends the worker with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for its next task for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def announce_first_rank() -> None:
    """Leave this process's id in the environment, for the ddp ranks that it will start (`end_with_first_rank`)."""
    os.environ[_FIRST_RANK] = str(os.getpid())


def end_with_first_rank() -> None:
    """Call in the other ranks of a ddp training: ends this process soon after the one that started it has gone.

    A rank whose first rank was killed while it was still importing would wait for it for half an hour. Ranks that
    another program started (torchrun, SLURM) are that program's to end.
    """
    if (first := os.environ.get(_FIRST_RANK)) is not None:
        threading.Thread(target=_end_without, args=(int(first),), daemon=True).start()


def _end_without(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
