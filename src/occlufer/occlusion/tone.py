"""How a photo looks around the face: brightness, direction of light, contrast, colour and sharpness.

An occluder takes these on: one that is brighter, sharper or more colourful than its photo is a shortcut for a network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from occlufer.landmarks import topology
from occlufer.types import FloatArray, UInt8Array

# Bare skin, well inside the outline.
_SKIN = (
    50, 280, 101, 330, 118, 347, 205, 425, 187, 411, 207, 427, 151, 9, 108, 337, 69, 299, 104, 333, 5, 195, 4,
    36, 266, 206, 426, 214, 434, 210, 430, 200, 199, 18, 135, 364,
)  # fmt: skip
_PROBES = np.array(
    [*_SKIN, *range(0, 468, 7)]
)  # those after the skin add eyes, brows and lips, for the contrast
_REGRESSORS = np.column_stack([np.ones(len(_SKIN)), topology.mean_mesh()[np.array(_SKIN), :2]])
# Rows that turn the brightness of the probes into its slope across and down the skin, and its mean on skin and overall.
_SUMS = np.zeros((4, len(_PROBES)), np.float32)
_SUMS[:2, : len(_SKIN)] = np.linalg.pinv(_REGRESSORS)[1:]
_SUMS[2, : len(_SKIN)] = 1 / len(_SKIN)
_SUMS[3] = 1 / len(_PROBES)
# Columns that turn a colour into its brightness and the differences of its channels. Chroma means the largest of the
# differences here, which is half the sum of their absolute values.
_LAYERS = np.array([[0.299, 1, 0, -1], [0.587, -1, 1, 0], [0.114, 0, -1, 1]], np.float32)
_USUAL_BRIGHTNESS = 140.0
_USUAL_CONTRAST = 0.16
_FEATURES = np.array([33, 263, 61, 291, 10, 152])
_HALF = np.float32(0.5)


@dataclass(frozen=True, slots=True)
class Look:
    """What is done to a template before it is pasted.

    Attributes:
        brightness: factor on the template.
        slope: (x, y) change of brightness per canonical unit, relative; 0 at the canonical origin, at most half.
        contrast: factor on the template's own contrast.
        saturation: 0 makes the template grey, 1 leaves its colours.
        blur: sigma in pixels of the image.
    """

    brightness: float = 1.0
    slope: tuple[float, float] = (0.0, 0.0)
    contrast: float = 1.0
    saturation: float = 1.0
    blur: float = 0.0

    @property
    def uneven(self) -> bool:
        """Whether the light comes from a side."""
        return self.slope != (0.0, 0.0)


def measure_look(image_HWC: UInt8Array, landmarks_N3: FloatArray, *, brightness: float = 1.0) -> Look:
    """The look that fits an occluder to this face; parts of the face outside the image are read at the border.

    `brightness` is a further factor on the template's own. Brightness follows the skin only partly, so that a white
    mask on dark skin stays a white mask.
    """
    probes = landmarks_N3.take(_PROBES, 0)[:, None, :2] - _HALF
    pixels = cv2.remap(image_HWC, probes, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    layers = pixels[:, 0].astype(np.float32) @ _LAYERS
    luma = layers[:, 0]
    right, down, mean, all_mean = (_SUMS @ luma).tolist()
    mean += 1.0
    spread = math.sqrt(max(float(luma @ luma) / len(luma) - all_mean**2, 0.0)) / mean
    chroma = cv2.norm(layers[:, 1:], cv2.NORM_L1) / (2 * len(luma))
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
    a soft one grows with it. Pictures of fewer than 8 pixels across or down say nothing about that: 0.
    """
    height, width = image_HWC.shape[:2]
    if min(height, width) < 8:
        return 0.0
    xs, ys, _ = zip(*landmarks_N3.take(_FEATURES, 0).tolist(), strict=True)
    x0, y0 = int(_clamp(min(xs), 0, width - 8)), int(_clamp(min(ys), 0, height - 8))
    x1, y1 = int(_clamp(max(xs), x0 + 8, width)), int(_clamp(max(ys), y0 + 8, height))
    rows = np.ascontiguousarray(image_HWC[y0 : y1 : max(1, (y1 - y0) // 24), x0:x1, 1])
    lines, length = rows.shape
    near = cv2.norm(rows[:, 1:], rows[:, :-1], cv2.NORM_L1) / (lines * (length - 1))
    far = cv2.norm(rows[:, 4:], rows[:, :-4], cv2.NORM_L1) / (lines * (length - 4)) + 1e-3
    return _clamp((0.42 - near / far) / 0.12, 0.0, 1.0) * 1.2
