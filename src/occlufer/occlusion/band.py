"""Bands round the head at eye level, placed by the head's pose: headsets and glasses.

A band is drawn unrolled: u along it, 0 before the nose, and v down, in eye distances of the mean face.
"""

from __future__ import annotations

import numpy as np

from occlufer.landmarks import topology
from occlufer.occlusion.compositing import Placement, Template
from occlufer.occlusion.warp import Float64, HeadPose, head_pose, strip
from occlufer.occlusion.worn import Wear
from occlufer.types import FloatArray

PLATE_EDGE = 0.66
"""Where the front ends and the side begins, along the band."""
TEMPLE = 1.06
"""Where the side panel ends and the strap begins."""
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
_BAND = np.array([(-u, -x, z) for u, x, z in _SIDE[:0:-1]] + list(_SIDE))
_BAND_U = np.ascontiguousarray(_BAND[:, 0])
_BAND = np.column_stack([_BAND[:, 1], np.zeros(len(_BAND)), _BAND[:, 2]])
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
    """A band whose height is stretched from above the brows down to the middle of the nose."""
    pose = head_pose(landmarks_N3)
    top, bottom = vertical_reach(pose.canonical(landmarks_N3[_EYES_AND_BROWS].astype(np.float64)))
    height = (bottom - top) / (2 * HALF_HEIGHT)
    return _place(landmarks_N3, pose, template, wear, middle=(top + bottom) / 2, height=height)


def place_glasses(landmarks_N3: FloatArray, template: Template, wear: Wear) -> Placement:
    """A band that keeps its proportions; its v = 0 lies level with the eyes."""
    pose = head_pose(landmarks_N3)
    eyes = pose.canonical(landmarks_N3[_EYES].astype(np.float64))
    return _place(landmarks_N3, pose, template, wear, middle=float(eyes[:, 1].mean()), height=1.0)


def _place(
    landmarks_N3: FloatArray, pose: HeadPose, template: Template, wear: Wear, *, middle: float, height: float
) -> Placement:
    """A band at canonical height `middle`, its drawing stretched by `height`."""
    temples = pose.canonical(landmarks_N3[_TEMPLES].astype(np.float64))
    # Narrow and wide heads both fit: half the distance of the temples against the mean face.
    half_width = min(max(abs(float(temples[1, 0] - temples[0, 0])) / 2 / _MEAN_HALF_WIDTH, 0.9), 1.12)
    band = _BAND * (half_width * wear.scale, 0.0, 1.0) + (wear.shift[0], middle + wear.shift[1], 0.0)
    path = pose.project(band)
    down = pose.scale * pose.rotation[:2, 1] * height * wear.scale
    path, down = _rolled(path, down, wear.roll)
    reach = (template.origin[1], template.origin[1] + template.levels[0].shape[0] / template.resolution)
    bent = strip(path, _BAND_U, down)
    edge = np.concatenate([path + reach[0] * down, path + reach[1] * down])
    low, high = edge.min(0) - 2, edge.max(0) + 2
    return Placement(
        inverse=bent.inverse,
        box=(float(low[0]), float(low[1]), float(high[0]), float(high[1])),
        pixels_per_unit=pose.scale,
        limit_P2=bent.outline(reach, template.body_y, _CORNER),
        node_spacing=_NODE_SHARE * pose.scale,
        severity=wear.severity,
        kept_y=template.body_y[0],
    )


def vertical_reach(canonical_P3: Float64) -> tuple[float, float]:
    """Canonical y of the upper and lower edge, from canonical points (52, 3) of the eyes and then the brows."""
    top = float(canonical_P3[len(_EYES) :, 1].min()) - _ABOVE_BROWS
    bottom = min(max(float(canonical_P3[: len(_EYES), 1].max()) + 0.16, top + _LEAST_HEIGHT), _LOWEST)
    return min(top, bottom - _LEAST_HEIGHT), bottom


def _rolled(path_K2: Float64, down_2: Float64, angle: float) -> tuple[Float64, Float64]:
    """Turn the band by `angle` radians about its middle."""
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    centre = path_K2[len(path_K2) // 2]
    return (path_K2 - centre) @ turn + centre, down_2 @ turn
