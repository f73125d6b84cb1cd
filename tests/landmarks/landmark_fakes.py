"""Fakes for the pool and the cache, importable by spawned workers; run as a script it is a process that builds."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from occlufer.landmarks import build
from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.detector import Detection, DetectorSettings
from occlufer.types import FloatArray, ImageError, UInt8Array

SCRIPT = Path(__file__)
FINGERPRINT = "fake"


def fake_landmarks(number: int) -> FloatArray:
    return (np.arange(468 * 3, dtype=np.float32).reshape(468, 3) + number) / 7


@dataclass(frozen=True)
class FakeImages:
    """`count` images that carry their number; from `different` on they repeat."""

    count: int
    different: int = 1_000_000
    undecodable: frozenset[int] = frozenset()
    gone: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return self.count

    def content_digest(self, index: int) -> bytes:
        if index in self.gone:
            raise ImageError(f"image {index}: gone.")
        return hashlib.blake2b(str(index % self.different).encode(), digest_size=16).digest()

    def load_image(self, index: int) -> UInt8Array:
        if index in self.undecodable:
            raise ImageError(f"image {index}: truncated.")
        number = index % self.different
        return np.full((20, 30, 3), (number % 256, number // 256, 0), np.uint8)


@dataclass
class FakeDetector:
    """Finds what the image says; every seventh has no face."""

    delay: float = 0.0
    deadly: int = -1  # the number of the image at which the system kills the worker
    folder: Path | None = None  # where each worker leaves a file named after its process

    def __post_init__(self) -> None:
        if self.folder is not None:
            (self.folder / f"{os.getpid()}.pid").touch()

    def detect(self, image_HWC: UInt8Array) -> Detection:
        time.sleep(self.delay)
        number = number_of(image_HWC)
        if number == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        if number % 7 == 0:
            return Detection(None, "missed: no face")
        return Detection(fake_landmarks(number), "wide border")

    def check(self, image_HWC: UInt8Array, found: Detection) -> Detection:
        """Every fifth of those that an older cache holds is turned."""
        return Detection(None, "missed: looks turned") if number_of(image_HWC) % 5 == 0 else found


def number_of(image_HWC: UInt8Array) -> int:
    return int(image_HWC[0, 0, 0]) + 256 * int(image_HWC[0, 0, 1])


def make_fake(
    settings: DetectorSettings, *, delay: float = 0.0, deadly: int = -1, folder: Path | None = None
) -> FakeDetector:
    return FakeDetector(delay, deadly, folder)


@dataclass
class DiesOnce(FakeDetector):
    """Ends its process at image 60, but not if that has happened before."""

    def detect(self, image_HWC: UInt8Array) -> Detection:
        assert self.folder is not None
        if number_of(image_HWC) == 60 and not (self.folder / "died").exists():
            (self.folder / "died").touch()
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().detect(image_HWC)


def make_one_that_dies_once(settings: DetectorSettings, *, folder: Path) -> DiesOnce:
    return DiesOnce(folder=folder)


def make_none(settings: DetectorSettings) -> FakeDetector:
    os._exit(3)


def draw_face(size: int = 128, shift: tuple[float, float] = (0, 0)) -> UInt8Array:
    """A drawing that Face Mesh takes for a face, (size, size, 3). On a grid of 128 plus `shift`: eyes at (48, 60)
    and (80, 60), mouth at (64, 94), chin at (64, 114)."""
    fine = 4 if size < 400 else 1  # drawn larger, for soft edges
    image = np.full((size * fine, size * fine, 3), (120, 140, 150), np.uint8)
    unit = size * fine / 128

    def ellipse(x: float, y: float, a: float, b: float, colour: tuple[int, int, int]) -> None:
        centre = (round((x + shift[0]) * unit), round((y + shift[1]) * unit))
        cv2.ellipse(image, centre, (round(a * unit), round(b * unit)), 0, 0, 360, colour, -1, cv2.LINE_AA)

    ellipse(64, 56, 42, 50, (60, 40, 30))  # hair
    ellipse(64, 68, 36, 46, (215, 170, 145))
    for x in (48, 80):
        ellipse(x, 54, 10, 3, (60, 40, 30))
        ellipse(x, 60, 9, 5.5, (190, 140, 120))
        ellipse(x, 60, 7.5, 4, (245, 245, 245))
        ellipse(x, 60, 3.6, 3.6, (60, 40, 30))
    ellipse(64, 70, 5, 13, (228, 185, 160))  # nose
    ellipse(64, 80, 7, 4, (200, 150, 128))
    ellipse(64, 94, 13, 5, (190, 90, 90))
    ellipse(64, 94, 12, 1, (110, 40, 45))
    blurred = cv2.GaussianBlur(image, (0, 0), fine)
    return np.asarray(cv2.resize(blurred, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


@dataclass(frozen=True)
class DrawnFaces:
    """Drawn faces, all different, every fourth an empty picture."""

    count: int

    def __len__(self) -> int:
        return self.count

    def content_digest(self, index: int) -> bytes:
        return hashlib.blake2b(self.load_image(index).tobytes(), digest_size=16).digest()

    def load_image(self, index: int) -> UInt8Array:
        if index % 4 == 3:
            return np.full((64, 64, 3), index, np.uint8)
        return draw_face(64, shift=(index / 3 - 3, 3 - index / 4))


def main(folder: str, count: str, delay: str) -> None:
    """Build in a process of its own; says what happens on standard output."""
    build._BATCH = 5  # many writes, so that a kill meets every state
    cache = LandmarkCache(folder, FINGERPRINT)
    report = build.build_landmarks(
        FakeImages(int(count)),
        cache,
        settings=DetectorSettings(),
        workers=2,
        on_progress=lambda done, total: print(f"progress {done}/{total}", flush=True),
        on_message=lambda message: print(f"message {message}", flush=True),
        make_detector=partial(make_fake, delay=float(delay), folder=Path(folder)),
    )
    print(f"looked at {report.looked_at}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
