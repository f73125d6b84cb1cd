"""Face masks, bent onto the mesh by a thin-plate spline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import cv2
import numpy as np

from occlufer.landmarks import topology
from occlufer.landmarks.geometry import neutral_face
from occlufer.occlusion.compositing import Placement, Template
from occlufer.occlusion.fit import moved
from occlufer.occlusion.options import checked_range
from occlufer.occlusion.templates.artwork import Artwork
from occlufer.occlusion.warp import MEAN_LENGTH, Float64, Floats, InverseMap, thin_plate
from occlufer.occlusion.worn import Wear, Worn
from occlufer.types import FloatArray

# Bridge, nose tip, lips, chin; then pairs from the ears down the jaw, below the eyes, on cheeks and wings of the nose.
_ANCHORS = (
    6, 195, 4, 0, 17, 152,
    234, 454, 132, 361, 172, 397, 150, 379, 148, 377,
    232, 452, 230, 450, 118, 347, 187, 411, 129, 358,
)  # fmt: skip
_MIDLINE = 6
# For each of the pairs a landmark further in, at about its height, which hides the anchor where it lies further out.
_INWARD = (118, 347, 187, 411, 212, 432, 208, 428, 152, 152, 6, 6, 195, 195, 195, 195, 129, 358, 4, 4)
_SMOOTHING = np.full(len(_ANCHORS), 0.02)
_HIDDEN_FROM, _HIDDEN_SMOOTHING = 0.35, 5.0
_NODE_SHARE = 0.2  # spline points between which the map is linear, in eye distances
_MARGIN = 0.2  # around the anchors, eye distances
_RIGHT, _LEFT = 234, 454
_FRAME = (10, 6, 152, _RIGHT, _LEFT)  # forehead, root of the nose, chin, edges of the face
_JAW_REACH = -0.015  # eye distances: the jaw's landmarks lie a little outside what is seen as the face
_PROFILE_REACH = 0.08  # of the distance from the middle of the head
# Loops may reach on to the ears; the rest of a mask ends with the face.
_RIGHT_EAR, _LEFT_EAR = (127, 234, 93), (356, 454, 323)
_EAR_REACH, _TURNED_EAR_REACH = 0.05, 0.16
# From the ears down: the line from there to the root of the nose leaves the eyes free, also behind a turned nose.
# On a turned head the oval of the far side lies behind the cheek, and that behind nose and lips.
_OVAL = (356, 454, *topology.JAW_RING, 234, 127)
_CHEEKS = (116, 345, 50, 280, 187, 411, 214, 434, 135, 364, 169, 394)
_NOSE_AND_LIPS = (6, 195, 5, 4, 1, 2, 0, 17, 61, 291, 129, 358, 200)
_HEAD_POINTS = (*_OVAL, *_CHEEKS, *_NOSE_AND_LIPS)
_NEEDED = 3 * np.array([*_ANCHORS, *_INWARD, *_HEAD_POINTS, *_FRAME])[:, None] + np.arange(2)
"""Where x and y of all that is needed lie in the flat landmarks: read at once."""
_INWARD_AT = slice(len(_ANCHORS), len(_ANCHORS) + len(_INWARD))
_HEAD = slice(_INWARD_AT.stop, -len(_FRAME))
_CANONICAL = topology.mean_mesh()[list(_ANCHORS), :2].astype(np.float64)
_APART = _CANONICAL[_MIDLINE:, 0] - topology.mean_mesh()[list(_INWARD), 0]
_MOVED = moved(_CANONICAL).reshape(-1, 2 * len(_ANCHORS))
_SEAT = (0.0, 0.66)  # about which a mask is scaled and turned
_CHIN = 1.25  # canonical y that stays when a mask is pulled down
_LOOPS = (0.69, 0.85)  # canonical |x| at which loops leave the mask, and the face for the ears
_NARROWING = 0.5  # of a mask on the chin, about as the jaw is narrower there
_LEAST_PULL = 0.05  # below it a mask only fades, as `overlay` has it


@final
class FaceMask(Worn):
    """A mask from the bridge of the nose to below the chin. A lower severity is a mask pulled down to the chin.

    Args:
        follows_expression: whether an open jaw stretches the mask and a smile moves it, as they do with a real one: its
            shape then tells of the expression below. False places it by the head's pose and size alone.
        fit_range: how far its fit may be off in each of `fit.MODES`, -1..1; 0 is the fit that it was drawn for.
        artwork, shift_range, scale_range, roll_range, brightness_range, severity_range: see `Worn`.
    """

    def __init__(
        self,
        *,
        artwork: Artwork,
        shift_range: Sequence[float] = (0.0, 0.0),
        scale_range: Sequence[float] = (1.0, 1.0),
        roll_range: Sequence[float] = (0.0, 0.0),
        brightness_range: Sequence[float] = (1.0, 1.0),
        severity_range: Sequence[float] = (1.0, 1.0),
        fit_range: Sequence[float] = (0.0, 0.0),
        follows_expression: bool = True,
    ) -> None:
        super().__init__(
            artwork=artwork,
            shift_range=shift_range,
            scale_range=scale_range,
            roll_range=roll_range,
            brightness_range=brightness_range,
            severity_range=severity_range,
        )
        self.fit_range = checked_range("fit_range", fit_range, -1.0, 1.0)
        self.follows_expression = follows_expression

    def place(self, landmarks_N3: FloatArray, template: Template, wear: Wear) -> Placement:
        """See `place_mask`."""
        return place_mask(landmarks_N3 if self.follows_expression else neutral_face(landmarks_N3), wear)


def place_mask(landmarks_N3: FloatArray, wear: Wear) -> Placement:
    """Where a mask drawn on the mean face falls on this face."""
    points = landmarks_N3.take(_NEEDED)
    forehead, nose, chin, right, left = points[-len(_FRAME) :].tolist()
    down = chin[0] - forehead[0], chin[1] - forehead[1]
    span = math.hypot(*down) / MEAN_LENGTH
    found = points[: len(_ANCHORS)]
    x0, y0, width, height = cv2.boundingRect(found)
    margin = _MARGIN * span
    across = max(math.dist(right, left) / 1.54, 0.5 * span)
    return Placement(
        inverse=_pulled_down(thin_plate(found, _seated(wear), _smoothing(points, down)), wear.severity),
        box=(x0 - margin, y0 - margin, x0 + width + margin, y0 + height + margin),
        pixels_per_unit=math.sqrt(across * span),
        limit_P2=_head_limit(points[_HEAD], (nose, right, left)),
        node_spacing=_NODE_SHARE * span,
        severity=wear.severity,
        kept_y=_CHIN,
    )


def _smoothing(points_P2: FloatArray, down: tuple[float, float]) -> Float64:
    """How far the spline may miss each anchor (K,): those that the face itself hides do not count.

    A map that went through anchors behind the far cheek or the nose would fold.

    Args:
        points_P2: the landmarks `_NEEDED`, pixels.
        down: from the forehead (10) to the chin (152), pixels.
    """
    per_pixel = MEAN_LENGTH / (down[0] ** 2 + down[1] ** 2 + 1e-6)
    further_out = points_P2[_MIDLINE : len(_ANCHORS)] - points_P2[_INWARD_AT]
    # 1 as on the mean face; 0 and less where the surface turns away.
    shown = further_out @ np.array((down[1] * per_pixel, -down[0] * per_pixel)) / _APART
    smoothing = _SMOOTHING.copy()
    smoothing[_MIDLINE:] += _HIDDEN_SMOOTHING * np.maximum(_HIDDEN_FROM - shown, 0.0) ** 2
    return smoothing


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
    if wear.fit:
        seated += (np.array(wear.fit) @ _MOVED).reshape(-1, 2)
    return seated


def _head_limit(points_P2: FloatArray, frame: tuple[list[float], ...]) -> FloatArray:
    """Outline of the head from the ears down: the convex hull of the face oval, of the cheeks, and of nose and lips.

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
    of_oval = np.arange(len(_HEAD_POINTS)) < len(_OVAL)
    share = np.where(np.isin(_HEAD_POINTS, points) & of_oval, reach / np.hypot(*away.T), 0.0)
    return share[:, None].astype(np.float32)


_GROWTH = _grown(_OVAL, _JAW_REACH) + _grown(_RIGHT_EAR + _LEFT_EAR, _EAR_REACH)
_GROWTH[-len(_NOSE_AND_LIPS) :] = _PROFILE_REACH
_NEAR_EARS = _grown(_RIGHT_EAR, _TURNED_EAR_REACH), _grown(_LEFT_EAR, _TURNED_EAR_REACH)
