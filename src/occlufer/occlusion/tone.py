"""How a photo looks around the face: brightness, direction of light, contrast, colour and sharpness.

An occluder that is brighter, sharper or more colourful than its photo is a shortcut for a network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from occlufer.landmarks import topology
from occlufer.types import FloatArray, UInt8Array

# Bare skin, well inside the outline.
_SKIN = (
    50, 280, 101, 330, 118, 347, 205, 425, 187, 411, 207, 427, 151, 9, 108, 337, 69, 299, 104, 333, 5, 195, 4,
    36, 266, 206, 426, 214, 434, 210, 430, 200, 199, 18, 135, 364,
)  # fmt: skip
_SKIN_INDEX = np.array(_SKIN)
_PROBE_INDEX = np.array([*_SKIN, *range(0, 468, 7)])  # the rest tells the contrast: eyes, brows, lips, hair
_REGRESSORS = np.column_stack([np.ones(len(_SKIN)), topology.mean_mesh()[_SKIN_INDEX, :2]])
_FIT = np.linalg.pinv(_REGRESSORS)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_USUAL_BRIGHTNESS = 140.0
_USUAL_CONTRAST = 0.16
_FEATURES = np.array([33, 263, 61, 291, 10, 152])


@dataclass(frozen=True, slots=True)
class Look:
    """What is done to a template before it is pasted.

    Attributes:
        brightness: factor on the template.
        slope: (x, y) change of brightness per canonical unit, relative.
        contrast: factor on the template's own contrast.
        saturation: 0 makes the template grey, 1 leaves its colours.
        blur: sigma in pixels of the image.
    """

    brightness: float = 1.0
    slope: tuple[float, float] = (0.0, 0.0)
    contrast: float = 1.0
    saturation: float = 1.0
    blur: float = 0.0

    def gain_at(self, canonical_P2: NDArray[np.float64]) -> NDArray[np.float64]:
        """The light's factor (P,) at canonical points (P, 2), 0.5..1.5, 1 at the origin."""
        light = canonical_P2 @ self.slope
        gain: NDArray[np.float64] = np.minimum(np.maximum(1.0 + light, 0.5), 1.5)
        return gain


def measure_look(image_HWC: UInt8Array, landmarks_N3: FloatArray, *, brightness: float = 1.0) -> Look:
    """The look that fits an occluder to this face; parts of the face outside the image are read at the border.

    `brightness` is a further factor on the template's own. Brightness follows the skin only partly, so that a white
    mask on dark skin stays a white mask.
    """
    height, width = image_HWC.shape[:2]
    probes = landmarks_N3[_PROBE_INDEX, :2]
    columns = np.minimum(np.maximum(probes[:, 0], 0), width - 1).astype(np.intp)
    rows = np.minimum(np.maximum(probes[:, 1], 0), height - 1).astype(np.intp)
    points = image_HWC[rows, columns]
    luma = points.astype(np.float32) @ _LUMA
    _, right, down = (_FIT @ luma[: len(_SKIN)]).tolist()
    mean = float(luma[: len(_SKIN)].mean()) + 1.0
    deviation = luma - luma.mean()
    spread = math.sqrt(float(deviation @ deviation) / len(luma)) / mean
    chroma = float((points.max(1) - points.min(1)).mean())
    return Look(
        brightness=brightness * _clamp((mean / _USUAL_BRIGHTNESS) ** 0.55, 0.3, 1.12),
        slope=(_clamp(0.6 * right / mean, -0.4, 0.4), _clamp(0.6 * down / mean, -0.4, 0.4)),
        contrast=_clamp((spread / _USUAL_CONTRAST) ** 0.3, 0.75, 1.15),
        saturation=_clamp((chroma - 1.5) / 12.0, 0.0, 1.0),
        blur=_blur(image_HWC, landmarks_N3),
    )


def _clamp(value: float, low: float, high: float) -> float:
    """`np.clip` of one number, at a twentieth of its cost."""
    return min(max(value, low), high)


def _blur(image_HWC: UInt8Array, landmarks_N3: FloatArray) -> float:
    """Sigma in pixels by which a sharp picture must be softened to be as soft as this face, 0..2.

    Compares differences of neighbours with differences over four pixels: a sharp edge gains little with distance,
    a soft one grows with it.
    """
    height, width = image_HWC.shape[:2]
    corners = landmarks_N3[_FEATURES, :2]
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    x0, y0 = int(_clamp(left, 0, width - 8)), int(_clamp(top, 0, height - 8))
    x1, y1 = int(_clamp(right, x0 + 8, width)), int(_clamp(bottom, y0 + 8, height))
    rows = np.ascontiguousarray(image_HWC[y0 : y1 : max(1, (y1 - y0) // 24), x0:x1, 1])
    lines, length = rows.shape
    near = cv2.norm(rows[:, 1:], rows[:, :-1], cv2.NORM_L1) / (lines * (length - 1))
    far = cv2.norm(rows[:, 4:], rows[:, :-4], cv2.NORM_L1) / (lines * (length - 4)) + 1e-3
    return _clamp((0.42 - near / far) / 0.12, 0.0, 1.0) * 1.2
