"""Keeps what native libraries print off the terminal: C code writes to file descriptor 2, whatever Python is told."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

ANYTHING = re.compile(rb"")
GREETINGS = re.compile(
    rb"^(WARNING: All log messages before absl|WARNING: Logging before InitGoogle|[IW]\d{4} [\d:.]+ |"
    rb"INFO: .*(TensorFlow Lite|XNNPACK)|INFO: \[\w+\.cc:\d+\]|WARNING: Read-only tensor )"
)
"""Lines that absl and TensorFlow Lite print at their start; absl's errors (lines with E or F) are not among them."""

_LOCK = threading.RLock()  # the descriptor belongs to all threads; one that holds it may hold it again


@contextlib.contextmanager
def quiet_native_code(unwanted: re.Pattern[bytes]) -> Iterator[None]:
    """Hold back file descriptor 2; lines that `unwanted` does not match come through when the block ends.

    What other threads write meanwhile is held back too.
    """
    with _LOCK, contextlib.ExitStack() as stack:
        sys.stderr.flush()
        try:
            saved = os.dup(2)
        except OSError:  # no standard error at all: nothing to keep quiet
            yield
            return
        held = stack.enter_context(tempfile.TemporaryFile())
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            for line in held:
                if not unwanted.match(line):
                    os.write(2, line)
