"""Face masks, bent onto the mesh by a thin-plate spline."""

from __future__ import annotations

from typing import final

import cv2
import numpy as np

from occlufer.landmarks import topology
from occlufer.occlusion.compositing import Placement, Template
from occlufer.occlusion.warp import MEAN_LENGTH, Float64, keep_outward, thin_plate
from occlufer.occlusion.worn import Wear, Worn
from occlufer.types import FloatArray

# Bridge, nose tip, lips and chin; then pairs from the temples down the jaw; then cheeks and wings of the nose.
_ANCHORS = (
    6, 195, 4, 0, 17, 152,
    127, 356, 234, 454, 132, 361, 172, 397, 150, 379, 148, 377,
    118, 347, 187, 411, 129, 358,
)  # fmt: skip
_ANCHOR_INDEX = np.array(_ANCHORS)
_OUTLINE = np.array(topology.FACE_OVAL)
_SMOOTHING = 0.02
_NODE_SHARE = 0.2  # spline points between which the map is linear, in eye distances
_FAR_SMOOTHING = 2.0
_PROFILE = np.array([6, 195, 5, 4, 1, 2, 0, 17, 61, 291, 129, 358, 200])
_LEAST_FAR_WIDTH = 0.15
_BOX_POINTS = np.array([6, 4, 127, 356, 234, 454, 132, 361, 172, 397, 150, 379, 152, 118, 347])
_CANONICAL = topology.mean_mesh()[_ANCHOR_INDEX, :2].astype(np.float64)
_SIDE = np.sign(topology.mean_mesh()[_OUTLINE, :1])
_JAW_REACH = -0.015  # eye distances: the jaw's landmarks lie a little outside what is seen as the face
# Loops may reach on to the ears; the rest of a mask ends with the face.
_EARS = np.isin(_OUTLINE, (162, 127, 234, 93, 389, 356, 454, 323))[:, None]
_SEAT = np.array([0.0, 0.66])  # about which a mask is scaled and turned
_CHIN = 1.25  # canonical y that stays when a mask is pulled down


@final
class FaceMask(Worn):
    """A mask from the bridge of the nose to below the chin. A lower severity is a mask pulled down to the chin."""

    def place(self, landmarks_N3: FloatArray, template: Template, wear: Wear) -> Placement:
        """See `place_mask`."""
        return place_mask(landmarks_N3, wear)


def place_mask(landmarks_N3: FloatArray, wear: Wear) -> Placement:
    """Where a mask drawn on the mean face falls on this face."""
    points = landmarks_N3[:, :2].astype(np.float64)
    canonical = _CANONICAL
    frame = (points[10], points[152])
    found, foreshortening = keep_outward(points[_ANCHOR_INDEX], canonical, frame, least=_LEAST_FAR_WIDTH)
    cosine, sine = np.cos(wear.roll) / wear.scale, np.sin(wear.roll) / wear.scale
    source = (canonical - _SEAT) @ np.array([[cosine, -sine], [sine, cosine]]) + _SEAT - np.array(wear.shift)
    inverse = thin_plate(
        found, source, _SMOOTHING + _FAR_SMOOTHING * np.maximum(foreshortening - 0.35, 0.0) ** 2
    )
    box = points[_BOX_POINTS]
    span = float(np.hypot(*(frame[1] - frame[0]))) / MEAN_LENGTH
    margin = 0.2 * span
    low, high = box.min(0) - margin, box.max(0) + margin
    across = max(float(np.hypot(*(points[454] - points[234]))) / 1.54, 0.5 * span)
    return Placement(
        inverse=inverse,
        box=(float(low[0]), float(low[1]), float(high[0]), float(high[1])),
        pixels_per_unit=float(np.sqrt(across * span)),
        limit_P2=head_limit(points, span),
        node_spacing=_NODE_SHARE * span,
        severity=wear.severity,
        kept_y=_CHIN,
    )


def head_limit(points_N2: Float64, span: float) -> Float64:
    """Outline of the head: the convex hull of the face oval, a little enlarged, and of the nose and lips.

    On the near side of a turned head it reaches on towards the ear.

    Args:
        points_N2: landmarks, pixels.
        span: pixels of one canonical unit.
    """
    outline = points_N2[_OUTLINE]
    centre = (points_N2[234] + points_N2[454]) / 2
    away = outline - centre
    length = np.sqrt(np.einsum("ij,ij->i", away, away))[:, None] + 1e-6
    nose = points_N2[6]
    right, left = (float(np.hypot(*(points_N2[side] - nose))) for side in (234, 454))
    turn = (right - left) / (right + left + 1e-6)
    reach = _JAW_REACH + _EARS * (0.05 + 0.16 * np.maximum(-_SIDE * turn, 0.0))
    profile = points_N2[_PROFILE] + 0.06 * (points_N2[_PROFILE] - centre)
    enlarged = np.concatenate([outline + away / length * reach * span, profile])
    limit: Float64 = cv2.convexHull(enlarged.astype(np.float32))[:, 0].astype(np.float64)
    return limit
