"""What to do where a library that Python found cannot be loaded."""

from __future__ import annotations

import sys

_OPENCV = (
    "OpenCV cannot be loaded ({error}). mediapipe brings an OpenCV that wants a display's libraries; put the one that "
    "does not over it:\n  {python} -m pip install --force-reinstall --no-deps opencv-python-headless"
)


def library_advice(error: ImportError) -> str | None:
    """How to mend a known failure of an import, None for others."""
    if any(name in str(error) for name in ("libGL", "libgthread", "libEGL")):
        return _OPENCV.format(error=error, python=sys.executable)
    return None
