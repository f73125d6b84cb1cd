"""How masks differ in their fit: a few modes by which a drawing is moved over the face.

Real masks sit higher or lower on the nose and under the eyes, are narrow or wide, end on or below the chin, hang askew.
"""

from __future__ import annotations

import numpy as np

from occlufer.occlusion.warp import Float64

MODES: dict[str, float] = {
    "nose": 0.09,
    "cheeks": 0.125,
    "sides": 0.13,
    "chin": 0.125,
    "bag": 0.06,
    "arch": 0.06,
    "lean": 0.045,
    "askew": 0.045,
}
"""How far each mode may move the drawing, eye distances: the upper edge on the nose bridge and on the cheeks, the
side edges, the lower edge, the folds between them and their bend, one side against the other, and the chin sideways."""
ANTISYMMETRIC = ("lean", "askew")
"""Modes that change their sign in a mirror image."""


def moved(points_K2: Float64) -> Float64:
    """What each mode, drawn at 1, adds to the canonical points of the drawing that lie at points of the mean face.

    Args:
        points_K2: canonical points on the mean face.

    Returns:
        Displacements (M, K, 2), in the order of `MODES`.
    """
    x, y = points_K2.T
    across, upper, lower = np.abs(x), _falling(y, 0.25, 0.6), 1 - _falling(y, 0.85, 1.2)
    within = (1 - _falling(y, 0.2, 0.5)) * _falling(y, 0.95, 1.2)
    zero = np.zeros_like(x)
    by = {
        "nose": (zero, upper * np.exp(-((x / 0.2) ** 2))),
        "cheeks": (zero, upper * (1 - np.exp(-((x / 0.28) ** 2))) * _falling(across, 0.6, 1.0)),
        "sides": (x / 0.7 * (1 - _falling(y, 0.1, 0.3)), zero),
        "chin": (zero, lower),
        "bag": (zero, within),
        "arch": (zero, within * ((x / 0.5) ** 2 - 0.5)),
        "lean": (zero, upper * x / 0.6),
        "askew": (y - 0.66, zero),
    }
    return np.array([np.stack(by[name], axis=1) * size for name, size in MODES.items()])


def _falling(value: Float64, low: float, high: float) -> Float64:
    """1 below `low`, 0 above `high`, smooth between."""
    at = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(1 - at * at * (3 - 2 * at), np.float64)
