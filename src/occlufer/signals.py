"""SIGTERM as an exception: a process that is asked to end cleans up, and can be resumed. Standard library only."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Terminated(SystemExit):
    """SIGTERM arrived. The process ends with 143 (128 + SIGTERM, as shells have it) unless somebody catches it.

    Not an `Exception`, so that no handler takes it for a failure: a sweep inside this process ends with its job.
    """

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


@contextlib.contextmanager
def termination() -> Iterator[None]:
    """Inside, the first SIGTERM raises `Terminated`; further ones are ignored while the block cleans up.

    Any error that follows the signal ends as `Terminated` as well: a signal to a whole process group takes loader
    workers and pools away too, and each library has its own words for that. Outside the main thread, which alone gets
    signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = False

    def receive(signum: int, frame: FrameType | None) -> None:
        nonlocal received
        if not received:
            received = True
            raise Terminated

    before = signal.signal(signal.SIGTERM, receive)
    try:
        yield
    except BaseException as error:
        if received and not isinstance(error, Terminated):
            raise Terminated from error
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    if received:  # a bare `except` inside the block swallowed it
        raise Terminated
