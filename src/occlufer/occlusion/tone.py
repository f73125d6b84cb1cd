"""How a photo looks around the face: brightness, direction of light, contrast, colour and sharpness.

An occluder takes these on: one that is brighter, sharper or more colourful than its photo is a shortcut for a network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from occlufer.occlusion.light import SKIN, Light, read_light
from occlufer.types import FloatArray, UInt8Array

# After the skin: eyes, brows and lips, too, for the contrast.
_PROBES = 3 * np.array([*SKIN, *range(0, 468, 7)])[:, None, None] + np.arange(
    2
)  # x and y in the flat landmarks
_MEAN = np.full(len(_PROBES), 1 / len(_PROBES), np.float32)
# Columns that turn a colour into its brightness and the differences of its channels. Chroma means the largest of the
# differences here, which is half the sum of their absolute values.
_LAYERS = np.array([[0.299, 1, 0, -1], [0.587, -1, 1, 0], [0.114, 0, -1, 1]], np.float32)
_USUAL_CONTRAST = 0.16
_FEATURES = 3 * np.array([33, 263, 61, 291, 10, 152]) + np.array([[0], [1]])  # x and y in the flat landmarks
# Artwork's edges have at least this sharpness; pixels of sigma for each of it that a face lacks, and the most.
_SHARP, _SOFTENING, _MOST_BLUR = 0.46, 6.0, 0.9
_HALF = np.float32(0.5)


@dataclass(frozen=True, slots=True)
class Look:
    """What is done to a template before it is pasted.

    Attributes:
        brightness: factor on the template, where `light` is None.
        light: what the light of the photo does to the template, its brightness included.
        contrast: factor on the template's own contrast.
        saturation: 0 makes the template grey, 1 leaves its colours.
        sharpness: of the face, see `sharpness`; 1 where nothing is to be softened.
    """

    brightness: float = 1.0
    light: Light | None = None
    contrast: float = 1.0
    saturation: float = 1.0
    sharpness: float = 1.0

    def blur(self, sharpness: float) -> float:
        """Sigma in pixels of the image by which a picture of this sharpness is softened; outlines are always sharp."""
        return _clamp(_SOFTENING * (max(sharpness, _SHARP) - self.sharpness), 0.0, _MOST_BLUR)


def measure_look(image_HWC: UInt8Array, landmarks_N3: FloatArray, *, brightness: float = 1.0) -> Look:
    """The look that fits an occluder to this face; parts of the face outside the image are read at the border.

    `brightness` is a further factor on the template's own. Brightness follows the skin only partly, so that a white
    mask on dark skin stays a white mask.
    """
    probes = landmarks_N3.take(_PROBES) - _HALF
    pixels = cv2.remap(image_HWC, probes, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    layers = pixels[:, 0].astype(np.float32) @ _LAYERS
    luma = layers[:, 0]
    mean = float(_MEAN @ luma)
    spread = math.sqrt(max(float(luma @ luma) / len(luma) - mean**2, 0.0)) / (mean + 1.0)
    chroma = cv2.norm(layers[:, 1:], cv2.NORM_L1) / (2 * len(luma))
    saturation = _clamp((chroma - 1.5) / 12.0, 0.0, 1.0)
    return Look(
        light=read_light(pixels[: len(SKIN), 0], landmarks_N3, brightness=brightness, colour=saturation),
        contrast=_clamp((spread / _USUAL_CONTRAST) ** 0.3, 0.75, 1.15),
        saturation=saturation,
        sharpness=_sharpness(image_HWC, landmarks_N3),
    )


def _clamp(value: float, low: float, high: float) -> float:
    """`np.clip` of one number, at a twentieth of its cost."""
    return min(max(value, low), high)


def _sharpness(image_HWC: UInt8Array, landmarks_N3: FloatArray) -> float:
    """Of the face between eyes, mouth, forehead and chin; 1 for pictures of fewer than 8 pixels across or down."""
    height, width = image_HWC.shape[:2]
    if min(height, width) < 8:
        return 1.0
    (xx, yy) = landmarks_N3.take(_FEATURES).tolist()
    x0, y0 = int(_clamp(min(xx), 0, width - 8)), int(_clamp(min(yy), 0, height - 8))
    x1, y1 = int(_clamp(max(xx), x0 + 8, width)), int(_clamp(max(yy), y0 + 8, height))
    rows = np.ascontiguousarray(image_HWC[y0 : y1 : max(1, (y1 - y0) // 24), x0:x1, 1])
    lines, length = rows.shape
    near = cv2.norm(rows[:, 1:], rows[:, :-1], cv2.NORM_L1) / (lines * (length - 1))
    far = cv2.norm(rows[:, 4:], rows[:, :-4], cv2.NORM_L1) / (lines * (length - 4)) + 1e-3
    return float(near / far)


def sharpness(layer_HW: FloatArray) -> float:
    """Mean difference of neighbours in rows over that of values four apart, about .25 to 1; 0 where too few are known.

    A sharp edge gains little with distance, a soft one grows with it.

    Args:
        layer_HW: float (H, W), nan where nothing is known.
    """
    known = [np.abs(layer_HW[:, step:] - layer_HW[:, :-step]) for step in (1, 4)]
    near, far = (
        float(apart[~np.isnan(apart)].mean()) if (~np.isnan(apart)).any() else 0.0 for apart in known
    )
    return near / (far + 1e-3)
