"""How well an occluder sits, measured from its alpha and from landmarks. numpy and cv2 only.

Score with other landmarks than those that placed the occluder (another padding, or refined landmarks): otherwise a
detector's error hides itself. A point is covered where alpha is at least 0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from occlufer.landmarks import topology
from occlufer.occlusion.compositing import polygon_mask
from occlufer.types import FloatArray

JAW_SHRINK = 0.065
"""Jaw points lie on a mask's edge, so the lower face is measured inside a ring this much smaller."""

_OVAL = np.array(topology.FACE_OVAL)
_LOWER = np.array(topology.LOWER_FACE)
_POINT_SETS = {
    "eyes": topology.EYES,
    "brows": topology.BROWS,
    "nose": topology.NOSE,
    "mouth": topology.MOUTH,
    "nose_and_mouth": topology.NOSE + topology.MOUTH,
    "nostrils": topology.NOSTRILS,
}
_POINT_INDEX = {name: np.array(points) for name, points in _POINT_SETS.items()}


@dataclass(frozen=True, slots=True)
class PlacementScores:
    """Shares 0..1; nan where nothing of the region lies in the image.

    Attributes:
        lower_face: area of the lower face covered: jaw ring shrunk by `JAW_SHRINK`, up to nose bridge and cheeks.
        eyes, brows, nose, mouth, nose_and_mouth, nostrils: share of these points covered.
        outside: share of the occluder that lies outside the face oval.
        outside_mesh: the same outside the outline of all points. The oval of a turned head runs behind the nose, so
            that nose and lips count as outside there.
        face: share of the face oval covered, as `covered_share`.
    """

    lower_face: float
    eyes: float
    brows: float
    nose: float
    mouth: float
    nose_and_mouth: float
    nostrils: float
    outside: float
    outside_mesh: float
    face: float


def covered_share(alpha_HW: FloatArray, landmarks_N3: FloatArray) -> float:
    """Share of the face oval's pixels under the occluder, 0..1, weighted by alpha; 0 when no face is in the image.

    Args:
        alpha_HW: float32 (H, W), 0..1, what an occluder returned.
        landmarks_N3: float32 (468, 3), pixels; parts outside the image do not count.
    """
    face = polygon_mask(landmarks_N3[_OVAL, :2], (alpha_HW.shape[0], alpha_HW.shape[1]))
    area = float(face.sum())
    return min(float(np.vdot(face, alpha_HW)) / area, 1.0) if area > 0 else 0.0


def placement_scores(alpha_HW: FloatArray, landmarks_N3: FloatArray) -> PlacementScores:
    """All scores of one occluded face; arguments as for `covered_share`."""
    hw = (alpha_HW.shape[0], alpha_HW.shape[1])
    outline = landmarks_N3[_LOWER, :2].astype(np.float64)
    centre = outline.mean(0)
    lower = polygon_mask(centre + (outline - centre) * (1 - JAW_SHRINK), hw)
    oval = polygon_mask(landmarks_N3[_OVAL, :2], hw)
    outline_P2 = np.asarray(cv2.convexHull(landmarks_N3[:, :2].astype(np.float32))[:, 0], np.float64)
    mesh = polygon_mask(outline_P2, hw)
    points = {name: _points_covered(alpha_HW, landmarks_N3[index]) for name, index in _POINT_INDEX.items()}
    return PlacementScores(
        lower_face=_share(lower, alpha_HW),
        outside=_share(alpha_HW, 1 - oval),
        outside_mesh=_share(alpha_HW, 1 - mesh),
        face=covered_share(alpha_HW, landmarks_N3),
        **points,
    )


def _share(weight: FloatArray, value: FloatArray) -> float:
    """Mean of `value` under `weight`."""
    total = float(weight.sum())
    return float(np.vdot(weight, value)) / total if total > 0 else math.nan


def _points_covered(alpha_HW: FloatArray, points_P3: FloatArray) -> float:
    """Share of the points inside the image at which alpha is at least 0.5."""
    height, width = alpha_HW.shape
    x, y = np.floor(points_P3[:, 0]), np.floor(points_P3[:, 1])
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if not inside.any():
        return math.nan
    return float((alpha_HW[y[inside].astype(int), x[inside].astype(int)] >= 0.5).mean())
