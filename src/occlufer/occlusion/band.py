"""Glasses: a band round the head at eye level, placed by the head's pose.

A band is drawn unrolled: u along it, 0 before the nose, and v down, in eye distances of the mean face.
"""

from __future__ import annotations

import math

import numpy as np

from occlufer.landmarks import topology
from occlufer.landmarks.geometry import HeadPose, head_pose
from occlufer.occlusion.compositing import Placement, Template
from occlufer.occlusion.warp import Floats, strip
from occlufer.occlusion.worn import Wear
from occlufer.types import FloatArray

# The band round the head: coordinate along the drawing, then canonical x and z of its middle line.
_SIDE = (
    (0.0, 0.0, -0.36),
    (0.22, 0.23, -0.34),
    (0.44, 0.46, -0.26),
    (0.66, 0.655, -0.10),
    (1.06, 0.75, 0.42),
    (1.30, 0.775, 0.66),
    (1.70, 0.76, 0.95),
)
_BAND = [(-u, -x, z) for u, x, z in _SIDE[:0:-1]] + list(_SIDE)
_BAND_U = np.array([u for u, _, _ in _BAND])
_FRONT = _SIDE[0][2]
_FROM_FRONT = np.array([(x, z - _FRONT) for _, x, z in _BAND])
_EYES = np.array(topology.EYES)
_TEMPLES = np.array([127, 356])
_NODE_SHARE = 0.08  # fine enough for the bend of the arms, in eye distances
_MEAN_HALF_WIDTH = 0.779
_CORNER = 0.15  # radius of the corners, eye distances


def place_glasses(landmarks_N3: FloatArray, template: Template, wear: Wear) -> Placement:
    """Place glasses: a band that keeps its proportions; its v = 0 lies level with the eyes."""
    pose = head_pose(landmarks_N3)
    middle = float(pose.along(1, landmarks_N3.take(_EYES, 0)).mean())
    path, down = _path(landmarks_N3, pose, wear, middle)
    reach = (template.origin[1], template.origin[1] + template.levels[0].shape[0] / template.resolution)
    bent = strip(path.tolist(), _BAND_U, down)
    (left, right), (top, bottom) = (
        _spread(values, reach, by) for values, by in zip(path.T, down, strict=True)
    )
    return Placement(
        inverse=bent.inverse,
        box=(left, top, right, bottom),
        pixels_per_unit=pose.scale,
        limit_P2=bent.outline(reach, template.body_y, _CORNER),
        node_spacing=_NODE_SHARE * pose.scale,
        severity=wear.severity,
        kept_y=template.body_y[0],
    )


def half_width(landmarks_N3: FloatArray, pose: HeadPose) -> float:
    """Half the distance of the temples against the mean face, .9 to 1.12: narrow and wide heads both fit."""
    right, left = pose.along(0, landmarks_N3.take(_TEMPLES, 0)).tolist()
    return float(min(max(abs(left - right) / 2 / _MEAN_HALF_WIDTH, 0.9), 1.12))


def _path(
    landmarks_N3: FloatArray, pose: HeadPose, wear: Wear, middle: float
) -> tuple[Floats, tuple[float, float]]:
    """The band's middle line in the image, (K, 2), and the image vector of one canonical unit down, pixels."""
    axes = pose.scale * pose.rotation[:2]  # columns: the canonical axes as image vectors
    front = axes @ np.array((wear.shift[0], middle + wear.shift[1], _FRONT)) + pose.origin[:2]
    cosine, sine = math.cos(wear.roll), math.sin(wear.roll)
    size = half_width(landmarks_N3, pose) * wear.scale
    tilted = np.array(((cosine, -sine), (sine, cosine))) @ axes
    (xx, xy, xz), (yx, yy, yz) = tilted.tolist()
    path = _FROM_FRONT @ np.array(((xx * size, yx * size), (xz, yz))) + front
    return path, (xy * wear.scale, yy * wear.scale)


def _spread(values: Floats, reach: tuple[float, float], by: float) -> tuple[float, float]:
    """Least and greatest of the values, moved by `reach` times `by`, with 2 pixels of room."""
    ends = reach[0] * by, reach[1] * by
    return float(values.min()) + min(ends) - 2, float(values.max()) + max(ends) + 2
