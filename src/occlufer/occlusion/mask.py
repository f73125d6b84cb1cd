"""Face masks, bent onto the mesh by a thin-plate spline."""

from __future__ import annotations

import math
from typing import final

import cv2
import numpy as np

from occlufer.landmarks import topology
from occlufer.occlusion.compositing import Placement, Template
from occlufer.occlusion.warp import MEAN_LENGTH, Float64, Floats, InverseMap, Profile, thin_plate
from occlufer.occlusion.worn import Wear, Worn
from occlufer.types import FloatArray

# Bridge, nose tip, lips and chin; then pairs from the temples down the jaw; then cheeks and wings of the nose.
_ANCHORS = (
    6, 195, 4, 0, 17, 152,
    127, 356, 234, 454, 132, 361, 172, 397, 150, 379, 148, 377,
    118, 347, 187, 411, 129, 358,
)  # fmt: skip
_SMOOTHING = 0.02
_NODE_SHARE = 0.2  # spline points between which the map is linear, in eye distances
_FAR_FROM, _FAR_SMOOTHING = 0.35, 2.0
_MARGIN = 0.2  # around the anchors, eye distances
_RIGHT, _LEFT = 234, 454
_FRAME = (10, 6, 152, _RIGHT, _LEFT)  # forehead, root of the nose, chin, edges of the face
_JAW_REACH = -0.015  # eye distances: the jaw's landmarks lie a little outside what is seen as the face
_PROFILE_REACH = 0.06  # of the distance from the middle of the head
# Loops may reach on to the ears; the rest of a mask ends with the face.
_RIGHT_EAR, _LEFT_EAR = (162, 127, 234, 93), (389, 356, 454, 323)
_EAR_REACH, _TURNED_EAR_REACH = 0.05, 0.16
# Nose and lips: on a turned head they lie beyond the oval.
_HEAD_POINTS = (*topology.FACE_OVAL, 6, 195, 5, 4, 1, 2, 0, 17, 61, 291, 129, 358, 200)
_NEEDED = np.array([*_ANCHORS, *_HEAD_POINTS, *_FRAME])  # read at once
_HEAD = slice(len(_ANCHORS), -len(_FRAME))
_CANONICAL = topology.mean_mesh()[list(_ANCHORS), :2].astype(np.float64)
_BESIDE_NOSE = Profile(_CANONICAL, least=0.15)
_SEAT = (0.0, 0.66)  # about which a mask is scaled and turned
_CHIN = 1.25  # canonical y that stays when a mask is pulled down
_LOOPS = (0.69, 0.85)  # canonical |x| at which loops leave the mask, and the face for the ears
_NARROWING = 0.5  # of a mask on the chin, about as the jaw is narrower there
_LEAST_PULL = 0.05  # below it a mask only fades, as `overlay` has it


@final
class FaceMask(Worn):
    """A mask from the bridge of the nose to below the chin. A lower severity is a mask pulled down to the chin."""

    def place(self, landmarks_N3: FloatArray, template: Template, wear: Wear) -> Placement:
        """See `place_mask`."""
        return place_mask(landmarks_N3, wear)


def place_mask(landmarks_N3: FloatArray, wear: Wear) -> Placement:
    """Where a mask drawn on the mean face falls on this face."""
    points = np.ascontiguousarray(landmarks_N3.take(_NEEDED, 0)[:, :2])
    forehead, nose, chin, right, left = points[-len(_FRAME) :].tolist()
    down = chin[0] - forehead[0], chin[1] - forehead[1]
    span = math.hypot(*down) / MEAN_LENGTH
    found, foreshortening = _BESIDE_NOSE.keep_outward(points[: len(_ANCHORS)], down)
    smoothing = _SMOOTHING + _FAR_SMOOTHING * np.maximum(foreshortening - _FAR_FROM, 0.0) ** 2
    x0, y0, width, height = cv2.boundingRect(found)
    margin = _MARGIN * span
    across = max(math.dist(right, left) / 1.54, 0.5 * span)
    return Placement(
        inverse=_pulled_down(thin_plate(found, _seated(wear), smoothing), wear.severity),
        box=(x0 - margin, y0 - margin, x0 + width + margin, y0 + height + margin),
        pixels_per_unit=math.sqrt(across * span),
        limit_P2=_head_limit(points[_HEAD], (nose, right, left)),
        node_spacing=_NODE_SHARE * span,
        severity=wear.severity,
        kept_y=_CHIN,
    )


def _pulled_down(inverse: InverseMap, severity: float) -> InverseMap:
    """A mask that is pulled down narrows with the jaw, while its loops still reach up to the ears."""
    if severity >= 1:
        return inverse
    severity = max(severity, _LEAST_PULL)

    def pulled(points_P2: Float64) -> Floats:
        canonical = inverse(points_P2)
        x, y = canonical[:, 0], canonical[:, 1]
        x *= 1 + _NARROWING * (1 - severity) * np.minimum(np.maximum((y - 0.35) / 0.6, 0.0), 1.0)
        along_loop = np.minimum(np.maximum((np.abs(x) - _LOOPS[0]) / (_LOOPS[1] - _LOOPS[0]), 0.0), 1.0)
        # `overlay` divides by the severity: the loops' own share of it is put in beforehand.
        y[:] = _CHIN + (y - _CHIN) * (severity / (severity + (1 - severity) * along_loop))
        return canonical

    return pulled


def _seated(wear: Wear) -> Float64:
    """Canonical points (K, 2) of the drawing that meet the anchors."""
    cosine, sine = math.cos(wear.roll) / wear.scale, math.sin(wear.roll) / wear.scale
    x, y = _SEAT
    offset = (
        x - wear.shift[0] - x * cosine - y * sine,
        y - wear.shift[1] + x * sine - y * cosine,
    )
    seated: Float64 = _CANONICAL @ np.array(((cosine, -sine), (sine, cosine))) + offset
    return seated


def _head_limit(points_P2: FloatArray, frame: tuple[list[float], ...]) -> FloatArray:
    """Outline of the head: the convex hull of the face oval, a little enlarged, and of the nose and lips.

    On the near side of a turned head it reaches on towards the ear.

    Args:
        points_P2: the landmarks `_HEAD_POINTS`, pixels.
        frame: root of the nose, right and left edge of the face, (x, y) pixels.
    """
    nose, right, left = frame
    to_right, to_left = math.dist(nose, right), math.dist(nose, left)
    turn = (to_right - to_left) / (to_right + to_left + 1e-6)
    growth = _GROWTH + (_NEAR_EARS[turn < 0] * np.float32(abs(turn)))
    away = points_P2 - np.array(((right[0] + left[0]) / 2, (right[1] + left[1]) / 2), np.float32)
    limit: FloatArray = cv2.convexHull(points_P2 + away * growth)[:, 0]  # type: ignore[assignment]
    return limit


def _grown(points: tuple[int, ...], reach: float) -> FloatArray:
    """Share (P, 1) of their distance from the middle by which these points of the oval move `reach` outwards."""
    mesh = topology.mean_mesh()[:, :2].astype(np.float64)
    away = mesh[list(_HEAD_POINTS)] - mesh[[_RIGHT, _LEFT]].mean(0)
    of_oval = np.arange(len(_HEAD_POINTS)) < len(topology.FACE_OVAL)
    share = np.where(np.isin(_HEAD_POINTS, points) & of_oval, reach / np.hypot(*away.T), 0.0)
    return share[:, None].astype(np.float32)


_GROWTH = _grown(topology.FACE_OVAL, _JAW_REACH) + _grown(_RIGHT_EAR + _LEFT_EAR, _EAR_REACH)
_GROWTH[len(topology.FACE_OVAL) :] = _PROFILE_REACH
_NEAR_EARS = _grown(_RIGHT_EAR, _TURNED_EAR_REACH), _grown(_LEFT_EAR, _TURNED_EAR_REACH)
