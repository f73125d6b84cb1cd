"""Drawn faces and occluded pixels have the same bits for any number of BLAS threads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.bits

_DIGESTS = """
import hashlib
import numpy as np
from occlufer.occlusion.headset import Headset
from occlufer.occlusion.mask import FaceMask
from occlufer.occlusion.templates.surgical import Surgical
from occlufer.occlusion.templates.visor import Standalone
from occlufer.synthesis.faces import draw_face

occluders = FaceMask(artwork=Surgical(colours={"blue": 1})), Headset(artwork=Standalone(colours={"black": 1}))
faces = [draw_face(index, seed=5, difficulty="default", size=24) for index in range(60)]
print("drawn", hashlib.md5(b"".join(f.landmarks_N3.tobytes() + f.image_HWC.tobytes() for f in faces)).hexdigest())
face = draw_face(3, seed=5, difficulty="default", size=320)
for occluder in occluders:
    for draw in range(8):
        image, alpha = occluder(np.random.default_rng(draw), face.image_HWC, face.landmarks_N3)
        print(type(occluder).__name__, draw, hashlib.md5(image.tobytes() + alpha.tobytes()).hexdigest())
"""


def _digests(threads: int, kernel: str | None) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    environment |= {"OPENBLAS_NUM_THREADS": str(threads)}
    environment |= {} if kernel is None else {"OPENBLAS_CORETYPE": kernel}
    command = [sys.executable, "-c", _DIGESTS]
    return subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()


@pytest.mark.parametrize("kernel", [None, "Haswell"])
def test_the_number_of_blas_threads_changes_no_bit(kernel):
    one = _digests(1, kernel)
    assert len(one) == 17
    assert _digests(2, kernel) == one
