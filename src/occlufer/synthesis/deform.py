"""How action units and head shapes move the mean head: Gaussian displacements around landmarks (`Push`).

Action units (`ACTION_UNITS`) follow the Facial Action Coding System (P. Ekman and W. V. Friesen, 1978; with
J. C. Hager, 2002): which muscle moves which part of the face, and where to. The sizes were set by eye.
Shapes (`SHAPES`) are what makes one head differ from another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from occlufer.synthesis.mesh import MOUTH_RING, mean_head
from occlufer.types import LANDMARK_COUNT, FloatArray


@dataclass(frozen=True, slots=True)
class Push:
    """Moves the neighbourhood of landmark `at`; lengths in head units (the eyes' distance is 1).

    Attributes:
        at: a landmark on the image's left half or on the midline; the other half gets the mirror image.
        by: (outwards from the midline, up, towards the viewer).
        reach: standard deviation of the Gaussian.
        part: "upper" or "lower" for what lies above or below the mouth's line (lid: the eye's), "" for all.
    """

    at: int
    by: tuple[float, float, float]
    reach: float
    part: str = ""


# Lid points of the eye on the image's left: the row at the opening, then the row beyond it.
_UPPER_LID = ((246, 161, 160, 159, 158, 157, 173), (247, 30, 29, 27, 28, 56, 190))
_LOWER_LID = ((7, 163, 144, 145, 153, 154, 155), (25, 110, 24, 23, 22, 26, 112))
_LID_PROFILE = (0.35, 0.72, 0.95, 1.0, 0.92, 0.65, 0.3)
_UPPER_LIP = (
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306,
    62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292, 78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308,
)  # fmt: skip
_LOWER_LIP = (
    146, 91, 181, 84, 17, 314, 405, 321, 375, 77, 90, 180, 85, 16, 315, 404, 320, 307,
    96, 89, 179, 86, 15, 316, 403, 319, 325, 95, 88, 178, 87, 14, 317, 402, 318, 324,
)  # fmt: skip

ACTION_UNITS: Mapping[int, tuple[Push, ...]] = {
    1: (Push(107, (-0.01, 0.11, 0.0), 0.22), Push(55, (0.0, 0.07, 0.0), 0.14), Push(108, (0, 0.05, 0), 0.2)),
    2: (Push(63, (0.0, 0.12, 0.0), 0.22), Push(70, (0.0, 0.07, 0.0), 0.18), Push(53, (0, 0.03, 0), 0.12)),
    4: (
        Push(107, (-0.08, -0.08, 0.02), 0.2),
        Push(55, (-0.05, -0.075, 0.03), 0.15),
        Push(105, (0.0, -0.07, 0), 0.22),
    ),
    5: (),  # lids below
    6: (
        Push(118, (0.0, 0.09, 0.05), 0.2),
        Push(117, (0.0, 0.05, 0.02), 0.18),
        Push(130, (-0.02, 0.0, 0), 0.1),
    ),
    7: (),
    9: (
        Push(48, (0.05, 0.07, 0.0), 0.13, "upper"),
        Push(126, (0.0, 0.05, 0.03), 0.13, "upper"),
        Push(37, (0.0, 0.065, 0.02), 0.15, "upper"),
        Push(165, (0.03, 0.055, 0.02), 0.15, "upper"),
        Push(55, (-0.04, -0.075, 0.02), 0.16),
        Push(118, (0.0, 0.05, 0.02), 0.18),
    ),
    10: (Push(39, (0.01, 0.1, 0.02), 0.16, "upper"), Push(37, (0.0, 0.06, 0.02), 0.12, "upper")),
    12: (
        Push(61, (0.15, 0.15, -0.07), 0.19),
        Push(205, (0.06, 0.08, 0.05), 0.22),
        Push(13, (0.0, -0.02, 0.0), 0.12),
    ),
    15: (Push(61, (0.0, -0.13, 0.0), 0.17), Push(84, (0.0, -0.02, 0.0), 0.12, "lower")),
    17: (
        Push(199, (0.0, 0.08, 0.04), 0.2, "lower"),
        Push(17, (0.0, 0.07, 0.05), 0.18, "lower"),
        Push(13, (0.0, 0.04, 0.02), 0.14),
    ),
    20: (Push(61, (0.12, -0.045, -0.06), 0.2), Push(202, (0.06, -0.02, 0.0), 0.2)),
    23: (
        Push(61, (-0.08, 0.0, 0.02), 0.16),
        Push(0, (0.0, -0.05, -0.02), 0.13, "upper"),
        Push(17, (0.0, 0.06, -0.02), 0.13, "lower"),
    ),
    24: (Push(0, (0.0, -0.05, -0.02), 0.18, "upper"), Push(17, (0.0, 0.06, -0.02), 0.18, "lower")),
    25: (Push(13, (0.0, 0.045, 0.0), 0.18, "upper"), Push(14, (0.0, -0.12, 0.0), 0.2, "lower")),
    26: (),  # the jaw, below
    43: (),
}
UNIT_NAMES: tuple[int, ...] = tuple(ACTION_UNITS)
JAW_DROP = 0.26
"""How far the lower teeth go down with action unit 26 at weight 1."""

_LIDS: Mapping[int, tuple[float, float]] = {
    5: (0.075, -0.012),
    6: (0.0, 0.035),
    7: (-0.035, 0.045),
    43: (-0.17, 0.03),
}
"""Action unit: how far up the middle of the upper and of the lower lid go."""

SHAPES: Mapping[str, tuple[Push, ...]] = {
    "nose_length": (Push(1, (0, -0.09, 0.02), 0.24, "upper"), Push(2, (0, -0.04, 0), 0.15, "upper")),
    "nose_width": (Push(129, (0.07, 0, 0), 0.14, "upper"), Push(49, (0.03, 0, 0), 0.1, "upper")),
    "nose_depth": (Push(4, (0, 0, 0.13), 0.22, "upper"), Push(195, (0, 0, 0.07), 0.2)),
    "nose_bridge": (Push(197, (0, 0, 0.09), 0.16), Push(6, (0, 0, 0.05), 0.12)),
    "nose_tip": (Push(1, (0, 0.07, 0), 0.13, "upper"),),
    "mouth_width": (Push(61, (0.09, 0, -0.02), 0.19),),
    "upper_lip": (Push(0, (0, 0.05, 0.04), 0.15, "upper"), Push(39, (0, 0.03, 0.02), 0.12, "upper")),
    "lower_lip": (Push(17, (0, -0.06, 0.04), 0.16, "lower"),),
    "mouth_height": (Push(13, (0, 0.06, 0), 0.3), Push(61, (0, 0.04, 0), 0.2)),
    "chin_length": (Push(152, (0, -0.16, 0), 0.4, "lower"),),
    "chin_width": (Push(176, (0.09, 0, 0), 0.3, "lower"),),
    "chin_depth": (Push(199, (0, 0, 0.1), 0.28, "lower"),),
    "jaw_width": (Push(172, (0.14, 0, 0), 0.4), Push(58, (0.05, 0, 0), 0.3)),
    "cheekbones": (Push(117, (0.05, 0, 0.05), 0.28), Push(227, (0.06, 0, 0), 0.3)),
    "cheek_fullness": (Push(205, (0.03, 0, 0.09), 0.28), Push(213, (0.08, 0, 0.03), 0.3)),
    "forehead_height": (Push(10, (0, 0.16, 0), 0.5), Push(54, (0, 0.09, 0), 0.4)),
    "brow_ridge": (Push(66, (0, 0, 0.06), 0.16), Push(105, (0, 0, 0.05), 0.16)),
    "brow_height": (Push(66, (0, 0.05, 0), 0.18), Push(105, (0, 0.05, 0), 0.18)),
    "eye_distance": (Push(159, (0.05, 0, 0), 0.26), Push(105, (0.02, 0, 0), 0.2)),
    "eye_depth": (Push(159, (0, 0, -0.06), 0.2),),
    "eye_slant": (Push(33, (0, 0.05, 0), 0.13), Push(133, (0, -0.02, 0), 0.1)),
    "eye_width": (Push(33, (0.035, 0, 0), 0.12), Push(133, (-0.015, 0, 0), 0.08)),
    "temples": (Push(21, (0.08, 0, 0), 0.35),),
}
SHAPE_NAMES: tuple[str, ...] = tuple(SHAPES)


@cache
def _sides() -> dict[str, FloatArray]:
    """Which landmarks a push with a `part` may move, 0..1 (468,)."""
    face = mean_head().vertices_V3[:LANDMARK_COUNT]
    ring = face[list(MOUTH_RING)]
    upper_row, lower_row = ring[:11], np.concatenate([ring[10:], ring[:1]])[::-1]
    line = np.interp(
        face[:, 0], (upper_row[:, 0] + lower_row[:, 0]) / 2, (upper_row[:, 1] + lower_row[:, 1]) / 2
    )
    upper = (face[:, 1] < line).astype(np.float32)
    upper[list(_UPPER_LIP)] = 1
    upper[list(_LOWER_LIP)] = 0
    corners = [61, 291, 76, 306, 62, 292, 78, 308]
    lower = 1 - upper
    upper[corners] = lower[corners] = 0.25
    return {"upper": upper, "lower": lower, "": np.ones(LANDMARK_COUNT, np.float32)}


def _field(pushes: tuple[Push, ...]) -> FloatArray:
    """Displacements of the image's left half by the left pushes, and of what they reach beyond it, (468, 3)."""
    face = mean_head().vertices_V3[:LANDMARK_COUNT]
    total = np.zeros_like(face)
    for push in pushes:
        distance = np.linalg.norm(face - face[push.at], axis=1)
        fall = np.exp(-0.5 * (distance / push.reach) ** 2) * _sides()[push.part]
        midline = abs(face[push.at, 0]) < 0.02  # counted once for each side
        step = np.array([-push.by[0], -push.by[1], -push.by[2]]) * (0.5 if midline else 1.0)
        total += (fall[:, None] * step).astype(np.float32)
    return total


def _lids(upper: float, lower: float) -> FloatArray:
    total = np.zeros((LANDMARK_COUNT, 3), np.float32)
    for rows, height in ((_UPPER_LID, upper), (_LOWER_LID, lower)):
        for row, share in zip(rows, (1.0, 0.45), strict=True):
            total[list(row), 1] -= np.array(_LID_PROFILE, np.float32) * height * share
    return total


def _jaw() -> FloatArray:
    """The jaw's drop, half of it for each side: what lies below the mouth turns about the ears."""
    face = mean_head().vertices_V3[:LANDMARK_COUNT]
    lower = _sides()["lower"].copy()
    depth = np.clip((face[:, 1] - 0.75) / 0.75, 0, 1)  # the cheeks stretch
    front = np.clip((1.0 - face[:, 2]) / 0.9, 0, 1.1)
    strength = np.where(
        np.isin(np.arange(LANDMARK_COUNT), _LOWER_LIP), 1.0, np.minimum(lower, depth**1.2 * 1.05)
    )
    strength[[61, 291, 76, 306, 62, 292, 78, 308]] = 0.45
    field = np.zeros_like(face)
    field[:, 1] = JAW_DROP * strength * front
    field[:, 2] = 0.4 * JAW_DROP * strength * front
    side = np.abs(face[:, 0]) > 0.3
    field[:, 0] = -0.05 * np.sign(face[:, 0]) * strength * side
    return (field / 2).astype(np.float32)


@cache
def unit_fields() -> FloatArray:
    """Displacement of the landmarks by each unit at weight 1, float32 (units, 2, 468, 3): image's left, right half."""
    mirror = mean_head().mirror_N
    fields = []
    for unit, pushes in ACTION_UNITS.items():
        left = _field(pushes) + _lids(*_LIDS.get(unit, (0.0, 0.0)))
        if unit == 26:
            left += _jaw()
        fields.append((left, left[mirror] * np.array([-1, 1, 1], np.float32)))
    return np.array(fields, np.float32)


@cache
def shape_fields() -> FloatArray:
    """Displacement of the landmarks by each shape at weight 1, float32 (shapes, 468, 3)."""
    mirror = mean_head().mirror_N
    lefts = [_field(pushes) for pushes in SHAPES.values()]
    return np.array([left + left[mirror] * np.array([-1, 1, 1], np.float32) for left in lefts], np.float32)
