"""Faces that lie on their side or upside down: Face Mesh often draws an upright mesh onto them.

They are told by the face detector's score, which is higher for an upright face than for the same face turned. The
detector sees the image in all four orientations in one picture of 128 x 128 pixels, a quarter of the cost of a search.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from occlufer.landmarks.face_mesh import FaceDetector
from occlufer.types import FloatArray, UInt8Array

APART = 0.3  # meshes that differ by more, in eye distances, are not of one face
# How much the score must grow for a face to count as turned: after a mesh of the first stage, and of a later one.
SURER, DOUBTED = 0.02, -0.1
MOST_ROLL = 60.0  # degrees: a mesh that leans more is of a turned face, whatever the score
_TILE = 64  # pixels: the detector looks at 128


class Turns:
    """Asks the detector of a `.task` file how an image should be turned; belongs to the process that made it."""

    def __init__(self, model: Path) -> None:
        self._detector = FaceDetector(model, 0.1)

    def surer(self, image_HWC: UInt8Array, *, by: float) -> list[int]:
        """Quarter turns (anticlockwise, as `numpy.rot90`) after which a face is seen more surely, the surest first.

        `by` is how much the detector's score, 0..1, must grow; below 0 it may fall by so much.
        """
        best = [0.0] * 4
        for score, x, y in self._detector.find(_four_sides(image_HWC)):
            turn = int(x > _TILE) + 2 * int(y > _TILE)
            best[turn] = max(best[turn], score)
        return sorted((turn for turn in (1, 2, 3) if best[turn] > best[0] + by), key=lambda turn: -best[turn])


def _four_sides(image_HWC: UInt8Array) -> UInt8Array:
    """The whole image, small, turned by 0, 1 (top), 2, and 3 (bottom) quarters, uint8 (128, 128, 3)."""
    share = _TILE / max(image_HWC.shape[:2])
    height, width = (max(1, round(side * share)) for side in image_HWC.shape[:2])
    kind = cv2.INTER_AREA if share < 1 else cv2.INTER_LINEAR
    top, left = (_TILE - height) // 2, (_TILE - width) // 2
    tile_HWC = np.empty((_TILE, _TILE, 3), np.uint8)
    tile_HWC[:] = cv2.mean(image_HWC)[:3]
    tile_HWC[top : top + height, left : left + width] = cv2.resize(
        image_HWC, (width, height), interpolation=kind
    )
    upper, lower = (np.hstack([np.rot90(tile_HWC, turn), np.rot90(tile_HWC, turn + 1)]) for turn in (0, 2))
    return np.ascontiguousarray(np.vstack([upper, lower]))


def leans(landmarks_N3: FloatArray) -> bool:
    """Whether the line from forehead to chin is more than `MOST_ROLL` degrees off the vertical, or upside down."""
    x, y = landmarks_N3[152, :2] - landmarks_N3[10, :2]
    return bool(abs(np.degrees(np.arctan2(x, y))) > MOST_ROLL)


def one_face(landmarks_N3: FloatArray, image_hw: Sequence[int], turned_N3: FloatArray, turn: int) -> bool:
    """Whether a mesh found in an image and one found in the image turned by `turn` quarters lie on each other.

    Args:
        landmarks_N3, image_hw: (468, 3) in pixels of the image, and its height and width.
        turned_N3: (468, 3) in pixels of the turned image.
    """
    points_N2 = landmarks_N3[:, :2]
    for step in range(turn):  # a quarter turn anticlockwise takes (x, y) to (y, width - x)
        points_N2 = np.column_stack([points_N2[:, 1], image_hw[(step + 1) % 2] - points_N2[:, 0]])
    apart = np.median(np.linalg.norm(points_N2 - turned_N3[:, :2], axis=1))
    return bool(apart <= APART * np.linalg.norm(turned_N3[33, :2] - turned_N3[263, :2]))
