"""Bands round the head at eye level, placed by the head's pose: headsets and glasses.

A band is drawn unrolled: u along it, 0 before the nose, and v down, in eye distances of the mean face.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from occlufer.landmarks import topology
from occlufer.landmarks.geometry import HeadPose, head_pose
from occlufer.occlusion.compositing import Placement, Template
from occlufer.occlusion.warp import strip
from occlufer.occlusion.worn import Wear
from occlufer.types import FloatArray

PLATE_EDGE = 0.66
"""Coordinate along the band at which the front ends and the side panel begins, eye distances of the mean face."""
TEMPLE = 1.06
"""Coordinate along the band at which the side panel ends and the strap begins."""
STRAP_END = 1.7
HALF_HEIGHT = 0.32
"""A headset's body is drawn from -HALF_HEIGHT to HALF_HEIGHT; placement stretches it to brows and nose."""

# The band round the head: coordinate along the drawing, then canonical x and z of its middle line.
_SIDE = (
    (0.0, 0.0, -0.36),
    (0.22, 0.23, -0.34),
    (0.44, 0.46, -0.26),
    (PLATE_EDGE, 0.655, -0.10),
    (TEMPLE, 0.75, 0.42),
    (1.30, 0.775, 0.66),
    (STRAP_END, 0.76, 0.95),
)
_BAND = [(-u, -x, z) for u, x, z in _SIDE[:0:-1]] + list(_SIDE)
_BAND_U = np.array([u for u, _, _ in _BAND])
_FRONT = _SIDE[0][2]
_FROM_FRONT = np.array([(x, z - _FRONT) for _, x, z in _BAND])
_EYES = np.array(topology.EYES)
_EYES_AND_BROWS = np.array(topology.EYES + topology.BROWS)
_TEMPLES = np.array([127, 356])
_ABOVE_BROWS = 0.085
_LEAST_HEIGHT = 0.62
_LOWEST = 0.37  # canonical y: above the wings of the nose, so that nostrils stay visible
_NODE_SHARE = 0.08  # fine enough for the bend of the side panels, in eye distances
_MEAN_HALF_WIDTH = 0.779
_CORNER = 0.15  # radius of the corners, eye distances


def place_headset(landmarks_N3: FloatArray, template: Template, wear: Wear) -> Placement:
    """Place a headset: a band whose height is stretched from above the brows down to the middle of the nose."""
    pose = head_pose(landmarks_N3)
    heights = pose.along(1, landmarks_N3.take(_EYES_AND_BROWS, 0)).tolist()
    top, bottom = _vertical_reach(heights[: len(_EYES)], heights[len(_EYES) :])
    height = (bottom - top) / (2 * HALF_HEIGHT)
    return _place(landmarks_N3, pose, template, wear, middle=(top + bottom) / 2, height=height)


def place_glasses(landmarks_N3: FloatArray, template: Template, wear: Wear) -> Placement:
    """Place glasses: a band that keeps its proportions; its v = 0 lies level with the eyes."""
    pose = head_pose(landmarks_N3)
    middle = float(pose.along(1, landmarks_N3.take(_EYES, 0)).mean())
    return _place(landmarks_N3, pose, template, wear, middle=middle, height=1.0)


def _place(
    landmarks_N3: FloatArray, pose: HeadPose, template: Template, wear: Wear, *, middle: float, height: float
) -> Placement:
    """A band at canonical height `middle`, its drawing stretched by `height`."""
    path, down = _path(landmarks_N3, pose, wear, middle)
    down = down[0] * height, down[1] * height
    reach = (template.origin[1], template.origin[1] + template.levels[0].shape[0] / template.resolution)
    bent = strip(path, _BAND_U, down)
    (left, right), (top, bottom) = (
        _spread(values, reach, by) for values, by in zip(zip(*path, strict=True), down, strict=True)
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


def _path(
    landmarks_N3: FloatArray, pose: HeadPose, wear: Wear, middle: float
) -> tuple[list[list[float]], tuple[float, float]]:
    """The band's middle line in the image, K points, and the image vector of one canonical unit down, pixels."""
    # Narrow and wide heads both fit: half the distance of the temples against the mean face.
    right, left = pose.along(0, landmarks_N3.take(_TEMPLES, 0)).tolist()
    half_width = min(max(abs(left - right) / 2 / _MEAN_HALF_WIDTH, 0.9), 1.12)
    axes = pose.scale * pose.rotation[:2]  # columns: the canonical axes as image vectors
    front = axes @ np.array((wear.shift[0], middle + wear.shift[1], _FRONT)) + pose.origin[:2]
    cosine, sine = math.cos(wear.roll), math.sin(wear.roll)
    size = half_width * wear.scale
    tilted = np.array(((cosine, -sine), (sine, cosine))) @ axes
    (xx, xy, xz), (yx, yy, yz) = tilted.tolist()
    path = _FROM_FRONT @ np.array(((xx * size, yx * size), (xz, yz))) + front
    return path.tolist(), (xy * wear.scale, yy * wear.scale)


def _spread(values: Sequence[float], reach: tuple[float, float], by: float) -> tuple[float, float]:
    """Least and greatest of the values, moved by `reach` times `by`, with 2 pixels of room."""
    ends = reach[0] * by, reach[1] * by
    return min(values) + min(ends) - 2, max(values) + max(ends) + 2


def _vertical_reach(eyes: list[float], brows: list[float]) -> tuple[float, float]:
    """Canonical y of the upper and lower edge, from that of the points of the eyes and brows."""
    top = min(brows) - _ABOVE_BROWS
    bottom = min(max(max(eyes) + 0.16, top + _LEAST_HEIGHT), _LOWEST)
    return min(top, bottom - _LEAST_HEIGHT), bottom
