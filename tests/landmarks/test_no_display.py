"""Faces are found where there is no libEGL and no libGLESv2, as in a bare container."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from occlufer.landmarks.no_display import WANTED, load_empty

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"), reason="ELF, 64 bits"
)

# Those of this machine are hidden from Python; libmediapipe takes what bears their names already.
FIND = f"""
import ctypes
real = ctypes.CDLL
class Hidden(real):
    def __init__(self, name, *rest, **more):
        if name in {WANTED!r}:
            raise OSError(f"{{name}}: cannot open shared object file")
        super().__init__(name, *rest, **more)
ctypes.CDLL = Hidden
from occlufer.landmarks.detector import DetectorSettings, LandmarkDetector
from occlufer.synthesis.faces import draw_face
drawn = draw_face(0, seed=0, difficulty="default", size=128)
found = LandmarkDetector(settings=DetectorSettings()).detect(drawn.image_HWC)
maps = open("/proc/self/maps").read().splitlines()
real = [line for line in maps if ("libEGL" in line or "libGLESv2" in line) and not line.endswith("(deleted)")]
print(found.stage, len(real))
"""


def test_a_library_is_known_by_its_name_from_then_on():
    for name in ("libnothing_of_occlufer.so.7", "libnothing_more.so.8"):
        with pytest.raises(OSError, match="cannot open shared object file"):
            ctypes.CDLL(name)
        load_empty(name)
        ctypes.CDLL(name)


def test_a_face_is_found_without_them():
    done = subprocess.run([sys.executable, "-c", FIND], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    stage, others = done.stdout.split("\n")[0].rsplit(" ", 1)
    assert others == "0", "the empty libraries were not those that were taken"
    assert not stage.startswith("missed")
