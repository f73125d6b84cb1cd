"""Keeps the greetings of native libraries off the terminal."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

_NOISE = re.compile(
    rb"^(WARNING: All log messages before absl|[IW]\d{4} [\d:.]+ |INFO: .*(TensorFlow Lite|XNNPACK))"
)


@contextlib.contextmanager
def quiet_native_code() -> Iterator[None]:
    """Hold back file descriptor 2 and pass on all but the known greetings of absl and TensorFlow Lite.

    They are written by C++, which heeds no Python setting. Errors (absl's E and F lines) and whatever others
    write meanwhile come through when the block ends.
    """
    sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # no standard error at all: nothing to keep quiet
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            for line in held:
                if not _NOISE.match(line):
                    os.write(2, line)
