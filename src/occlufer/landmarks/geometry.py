"""Where a head is and how it is turned, read off its mesh."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from occlufer.landmarks.topology import mean_mesh
from occlufer.types import FloatArray

Float64 = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

# Points of the upper head that no expression moves.
_STILL = np.array(
    (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 127, 356, 162, 389, 234, 454, 21, 251, 151, 9, 98, 327)
)
_MEAN = mean_mesh()[_STILL].astype(np.float64)
_CENTRE = _MEAN.mean(0)
_MEAN -= _CENTRE
_SIZE = float((_MEAN**2).sum())


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Weak-perspective pose: image = scale * (rotation @ canonical)[:2] + origin, with `mean_mesh` as canonical.

    Attributes:
        rotation: (3, 3), orthonormal, never a reflection, from canonical axes to the image's (x right, y down, z away).
        scale: pixels of one canonical unit, the distance of the outer eye corners.
        origin: (3,) pixels, where the canonical origin falls.
    """

    rotation: Float64
    scale: float
    origin: Float64

    @property
    def yaw(self) -> float:
        """Degrees about the head's upright axis, -180..180; positive: it looks to the image's left."""
        return math.degrees(math.atan2(self.rotation[0, 2], self.rotation[2, 2]))

    def along(self, axis: int, points_P3: Floats) -> Floats:
        """Coordinate (P,) of landmarks (P, 3) in pixels along one canonical axis: the face turned to the front."""
        direction = self.rotation[:, axis] / self.scale
        return points_P3 @ direction - self.origin @ direction


def head_pose(landmarks_N3: Floats) -> HeadPose:
    """Pose of the upper head by Procrustes alignment (Kabsch 1976).

    Args:
        landmarks_N3: (468, 3) pixels with mediapipe's z.
    """
    found = landmarks_N3.take(_STILL, 0).astype(np.float64)
    # The mean face is centred, and so the offset of the landmarks cancels out of the product.
    parts: Any = cv2.SVDecomp(found.T @ _MEAN)
    stretch, left, right = parts
    turn = left @ right
    if cv2.determinant(turn) < 0:  # a reflection: the weakest axis changes its sign
        left[:, 2], stretch[2] = -left[:, 2], -stretch[2]
        turn = left @ right
    (wide,), (high,), (deep,) = stretch.tolist()
    scale = max((wide + high + deep) / _SIZE, 1e-3)
    return HeadPose(turn, scale, np.add.reduce(found) / len(found) - scale * turn @ _CENTRE)


def neutral_face(landmarks_N3: Floats) -> FloatArray:
    """The mean face in the pose of this one, as wide and as high as its upper head: float32 (468, 3), pixels.

    No expression moves it but by what moves the pose.
    """
    pose = head_pose(landmarks_N3)
    upright = landmarks_N3.take(_STILL, 0).astype(np.float64) @ pose.rotation
    middle = upright.mean(0)
    wide, high, _ = ((upright - middle) * _MEAN).sum(0) / (_MEAN**2).sum(0)
    mesh = (mean_mesh() - _CENTRE) * (wide, high, pose.scale) + middle
    neutral: FloatArray = (mesh @ pose.rotation.T).astype(np.float32)
    return neutral
