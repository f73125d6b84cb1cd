"""The process of one job: its own session, its words in a log, its whole family ended with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from occlufer.files import storage_error
from occlufer.processes import SAFE_PATH
from occlufer.runs import now
from occlufer.sweeps import BEGINS

STRAY = ("LOCAL_RANK", "NODE_RANK", "RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR",
         "MASTER_PORT", "PL_GLOBAL_SEED", "TORCHELASTIC_RUN_ID", "SLURM_NTASKS", "SLURM_PROCID",
         "SLURM_LOCALID")  # fmt: skip
"""What a ddp training, or a SLURM shell, leaves in the environment: a job would take itself for one of its ranks."""

_LAST = 5.0  # seconds that ranks and loader workers have when the job's first process is gone


def clean_environment() -> dict[str, str]:
    """This process's environment without the ranks of another training."""
    return {name: value for name, value in os.environ.items() if name not in STRAY} | SAFE_PATH


class Process:
    """A command in a session of its own; SIGTERM reaches it when this process dies (on Linux).

    Args:
        command: the words; the first one is a path.
        folder: its working directory.
        environment: all of its environment variables.
        log: file that its output is added to.

    Raises:
        StorageError: the log cannot be written.
    """

    def __init__(
        self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: Path
    ) -> None:
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as handle:
                handle.write(f"{BEGINS}{now()}\n".encode())
                handle.flush()
                self._leader = subprocess.Popen(
                    [sys.executable, "-m", "occlufer.launchers.tied", str(os.getpid()), *command],
                    cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=handle,
                    stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise storage_error(log, error) from error
        self._gone: float | None = None  # when the first process was seen to have ended

    def poll(self) -> int | None:
        """The exit code (negative: killed by that signal) once the job is gone with all its family, else None."""
        code = self._leader.poll()
        if code is None:
            return None
        self._gone = self._gone or time.monotonic()
        if self._family_lives():
            # A rank of a ddp job may need a moment to end, and hangs in a collective when the first one was killed.
            if time.monotonic() - self._gone < _LAST:
                return None
            self.kill()
        return code

    def terminate(self) -> None:
        """Ask the job to end: a training stops cleanly, and passes it on to its ranks and loader workers."""
        if self._leader.poll() is None:
            self._leader.terminate()

    def kill(self) -> None:
        """End the job and its family at once."""
        try:
            os.killpg(self._leader.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self._leader.wait()

    def _family_lives(self) -> bool:
        try:
            os.killpg(self._leader.pid, 0)
        except ProcessLookupError:
            return False
        return True


def stop_all(processes: Sequence[Process], grace: float) -> None:
    """SIGTERM, `grace` seconds for a clean stop, SIGKILL to what is left. A second Ctrl-C kills at once."""
    try:
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline and any(process.poll() is None for process in processes):
            time.sleep(0.05)
    finally:
        for process in processes:
            process.kill()


def run_to_end(
    command: Sequence[str], folder: str, environment: Mapping[str, str], log: str, grace: float
) -> int:
    """Run a command here, wherever that is, and wait: its exit code. What interrupts the wait stops the command."""
    process = Process(
        command, folder=Path(folder), environment=clean_environment() | dict(environment), log=Path(log)
    )
    try:
        while (code := process.poll()) is None:
            time.sleep(0.2)
        return code
    except BaseException:
        stop_all([process], grace)
        raise
