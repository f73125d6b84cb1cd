"""Where faces are in a photograph, small ones too, and which of them is meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from occlufer.landmarks.face_mesh import FaceDetector
from occlufer.types import UInt8Array

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the picture."""

_LEAST_SCORE = 0.5
_SEARCHED = 1280  # pixels: a larger picture is shrunk for the search
_TILED_FROM = 480  # pixels: in a picture with a longer side small faces are looked for in parts of it too
_MOST_FACES = 100


class FaceBoxes:
    """The face detector of a `.task` file, on the whole picture and on parts of it; belongs to its process."""

    def __init__(self, model: Path) -> None:
        self._detector = FaceDetector(model, _LEAST_SCORE)

    def __call__(self, image_HWC: UInt8Array) -> list[Box]:
        """Boxes of the faces of a picture, uint8 RGB (H, W, 3): each face once, the surest first."""
        height, width = image_HWC.shape[:2]
        shrink = min(1.0, _SEARCHED / max(height, width))
        small_HWC = image_HWC
        if shrink < 1:
            size = (round(width * shrink), round(height * shrink))
            small_HWC = np.asarray(cv2.resize(image_HWC, size, interpolation=cv2.INTER_AREA), np.uint8)
        found: list[tuple[float, Box]] = []
        for left, top, part_HWC in _parts(small_HWC):
            for score, (x0, y0, x1, y1) in self._detector.boxes(part_HWC):
                corners = (x0 + left, y0 + top, x1 + left, y1 + top)
                found.append((score, (*(corner / shrink for corner in corners),)))
        kept: list[Box] = []
        for _, box in sorted(found, key=lambda face: face[0], reverse=True):
            if all(_overlap(box, other) < 0.3 for other in kept):
                kept.append(box)
        return kept[:_MOST_FACES]


def prominence(box: Box, image_hw: Sequence[int]) -> float:
    """A face's width, as a share of the picture's, less up to all of it the farther its centre is from the middle."""
    x0, y0, x1, y1 = np.asarray(box) / (image_hw[1], image_hw[0], image_hw[1], image_hw[0])
    off_centre = np.hypot((x0 + x1) / 2 - 0.5, (y0 + y1) / 2 - 0.5) / np.sqrt(0.5)
    return float((x1 - x0) * (1 - off_centre))


def square_around(box: Box, margin: float, image_hw: Sequence[int]) -> tuple[int, int, int, int]:
    """The square about a box, wider by a share `margin` of its longer side on each side, as far as the picture goes.

    Left, top, right, bottom in whole pixels.
    """
    x0, y0, x1, y1 = box
    half = max(x1 - x0, y1 - y0) * (0.5 + margin)
    x, y, (height, width) = (x0 + x1) / 2, (y0 + y1) / 2, image_hw[:2]
    left, top = max(round(x - half), 0), max(round(y - half), 0)
    return left, top, min(round(x + half), width), min(round(y + half), height)


def _parts(image_HWC: UInt8Array) -> list[tuple[int, int, UInt8Array]]:
    """(left, top, picture): the whole, and 3 x 3 overlapping halves where small faces may hide in it."""
    height, width = image_HWC.shape[:2]
    parts = [(0, 0, image_HWC)]
    if max(height, width) >= _TILED_FROM:
        high, wide = height // 2, width // 2
        for top in (0, high // 2, height - high):
            for left in (0, wide // 2, width - wide):
                cut_HWC = np.ascontiguousarray(image_HWC[top : top + high, left : left + wide])
                parts.append((left, top, cut_HWC))
    return parts


def _overlap(one: Box, other: Box) -> float:
    """The shared area as a share of the smaller box."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (one, other)]
    return wide * high / max(min(areas), 1e-6)
