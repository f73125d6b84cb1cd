"""Errors of loader workers and of other ddp processes, as sentences that say what to do."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from occlufer.types import DatasetError, ImageError, OccluferError, RunError

# torch 2.14, torch/utils/data: "DataLoader worker (pid 7) is killed by signal: Killed. " and
# "DataLoader worker (pid(s) 7) exited unexpectedly".
_DEAD_WORKER = re.compile(
    r"DataLoader worker \(pid.*?\) (?:is killed by signal: (?P<signal>[^.]+)|exited unexpectedly)"
)
# gloo's errors are plain RuntimeErrors that name its source; those of NCCL have classes, in torch.distributed.
_BROKEN_GROUP = {"DistBackendError", "DistNetworkError"}


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Wrap what reads from loaders, and talks to other ddp processes.

    Raises:
        RunError: a loader worker was killed, or another ddp process.
        DatasetError: an image can no longer be read.
        OccluferError: another error of ours out of a loader worker, without torch's traceback around it.
    """
    try:
        yield
    except ImageError as error:
        raise DatasetError(
            f"{_own_words(error)} It could be read when this run began. Put it back and run the same command: "
            "nothing finished was lost, and a training goes on after its last epoch."
        ) from error
    except OccluferError as error:
        if (told := _own_words(error)) == str(error):
            raise
        raise type(error)(told) from error
    except RuntimeError as error:
        if "/gloo/" in str(error) or type(error).__name__ in _BROKEN_GROUP:
            raise RunError(
                "Another process of this training ended, and left this one alone; what it said itself stands above. "
                "Nothing finished was lost: run the same command to go on after the last epoch."
            ) from error
        if (found := _DEAD_WORKER.search(f"{error.__cause__} {error}")) is None:
            raise
        raise RunError(
            f"A loader worker was killed ({found['signal'] or 'no signal is known'}), most often because memory ran "
            "out. Run the same command with fewer of them, such as loader.num_workers=0: nothing finished was lost, "
            "and a training goes on after its last epoch. A smaller loader.batch_size needs less memory too, but is "
            "another run."
        ) from error


def _own_words(error: OccluferError) -> str:
    """The sentence of an error out of a loader worker, which torch wraps into a text with the worker's traceback."""
    text = str(error)
    if not (text.startswith("Caught ") and "in DataLoader worker process" in text):
        return text
    name = f"{type(error).__module__}.{type(error).__qualname__}: "
    return text.rpartition(name)[2].strip()
