"""Simple occluders as controls: boxes over the eyes or the lower face, a box anywhere on the face, and a blur."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import cv2
import numpy as np

from occlufer.landmarks import topology
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.compositing import polygon_mask
from occlufer.occlusion.options import between
from occlufer.occlusion.warp import Float64
from occlufer.types import ConfigError, FloatArray, UInt8Array, unknown_name

REGIONS = ("eyes", "lower_face", "anywhere")
"""`eyes`: from above the brows to the middle of the nose. `lower_face`: from there to the chin."""
_OVAL, _EYES, _BROWS = (np.array(s) for s in (topology.FACE_OVAL, topology.EYES, topology.BROWS))
_FINE_SIGMA = 3.0  # pixels
_CORNERS = np.array([33, 263])


@dataclass(frozen=True, slots=True)
class BoxParams:
    """One box.

    Attributes:
        shift: (across, down) -1..1: from one end of the room that `anywhere` has to the other.
        severity: share of the full box that is covered.
    """

    shift: tuple[float, float]
    severity: float


class _Region(Occluder[BoxParams]):
    """A box level with the eyes, as wide as the face.

    Args:
        region: one of `REGIONS`; `anywhere` is a box somewhere within the face's bounding box.
        like: the region whose area a box `anywhere` has.
        severity_range: share of the box that is covered: `eyes` grows downwards, `lower_face` upwards from the chin,
            `anywhere` from its middle.
    """

    def __init__(
        self, *, region: str, like: str = "lower_face", severity_range: Sequence[float] = (1.0, 1.0)
    ) -> None:
        super().__init__(severity_range=severity_range)
        if region not in REGIONS:
            raise ConfigError(unknown_name("region", region, REGIONS))
        if like not in REGIONS[:2]:
            raise ConfigError(unknown_name("region in `like`", like, REGIONS[:2]))
        self.region, self.like = region, like

    @final
    def sample(
        self, rng: np.random.Generator, landmarks_N3: FloatArray, image_hw: tuple[int, int]
    ) -> BoxParams:
        """Draw place and severity; always takes three numbers."""
        across, down, severity = rng.random(3).tolist()
        return BoxParams((2 * across - 1, 2 * down - 1), between(self.severity_range, severity))

    def alpha(self, landmarks_N3: FloatArray, params: BoxParams, hw: tuple[int, int]) -> FloatArray:
        """The box, float32 (H, W), 0..1, soft over a pixel."""
        low, high = self._extent(landmarks_N3, params)
        if min(high - low) <= 0:
            return np.zeros(hw, np.float32)
        corners = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
        return polygon_mask(corners @ _axes(landmarks_N3), hw)

    def _extent(self, landmarks_N3: FloatArray, params: BoxParams) -> tuple[Float64, Float64]:
        """Least and greatest coordinate along `_axes`, pixels."""
        points = landmarks_N3[:, :2].astype(np.float64) @ _axes(landmarks_N3).T
        face = points[_OVAL].min(0), points[_OVAL].max(0)
        boxes = {
            "eyes": (points[_BROWS, 1].min(), (points[_EYES, 1].max() + points[4, 1]) / 2),
            "lower_face": (points[6, 1] + 0.4 * (points[4, 1] - points[6, 1]), face[1][1]),
        }
        severity = params.severity
        if self.region != "anywhere":
            top, bottom = boxes[self.region]
            height = (bottom - top) * severity
            top, bottom = (top, top + height) if self.region == "eyes" else (bottom - height, bottom)
            return np.array([face[0][0], top]), np.array([face[1][0], bottom])
        top, bottom = boxes[self.like]
        area = max((face[1][0] - face[0][0]) * (bottom - top), 0.0)
        size = np.minimum(np.full(2, math.sqrt(area)), face[1] - face[0])
        size = np.minimum(area / np.maximum(size[::-1], 1e-6), face[1] - face[0])
        centre = (face[0] + face[1]) / 2 + np.array(params.shift) * (face[1] - face[0] - size) / 2
        half = size * math.sqrt(severity) / 2
        return centre - half, centre + half


@final
class Box(_Region):
    """A box of one colour; see `_Region` for `region`, `like` and `severity_range`.

    Args:
        colour: RGB, 0..255.
    """

    def __init__(
        self,
        *,
        region: str,
        like: str = "lower_face",
        colour: Sequence[int] = (0, 0, 0),
        severity_range: Sequence[float] = (1.0, 1.0),
    ) -> None:
        super().__init__(region=region, like=like, severity_range=severity_range)
        self.colour = tuple(int(value) for value in colour)
        if len(self.colour) != 3 or not all(0 <= value <= 255 for value in self.colour):
            raise ConfigError(f"colour must be three numbers from 0 to 255; found {list(colour)}.")

    def apply(
        self, image_HWC: UInt8Array, landmarks_N3: FloatArray, params: BoxParams
    ) -> tuple[UInt8Array, FloatArray]:
        """Paint the box."""
        alpha = self.alpha(landmarks_N3, params, (image_HWC.shape[0], image_HWC.shape[1]))
        result = image_HWC.copy()
        if (box := _touched(alpha)) is not None:
            colour = np.array(self.colour, np.float32)
            result[box] = _blended(image_HWC[box], colour, alpha[box])
        return result, alpha


@final
class Blur(_Region):
    """A region out of focus; see `_Region` for `region`, `like` and `severity_range`.

    Args:
        sigma: of the Gaussian, eye distances.
    """

    def __init__(
        self,
        *,
        region: str,
        like: str = "lower_face",
        sigma: float = 0.25,
        severity_range: Sequence[float] = (1.0, 1.0),
    ) -> None:
        super().__init__(region=region, like=like, severity_range=severity_range)
        if not 0 < sigma <= 2:
            raise ConfigError(f"sigma must be above 0 and at most 2 eye distances; found {sigma}.")
        self.sigma = float(sigma)

    def apply(
        self, image_HWC: UInt8Array, landmarks_N3: FloatArray, params: BoxParams
    ) -> tuple[UInt8Array, FloatArray]:
        """Blur the region; the alpha says where, not how much."""
        alpha = self.alpha(landmarks_N3, params, (image_HWC.shape[0], image_HWC.shape[1]))
        eyes = landmarks_N3[_CORNERS, :2].astype(np.float64)
        sigma = self.sigma * float(np.hypot(*(eyes[1] - eyes[0])))
        box = _touched(alpha)
        result = image_HWC.copy()
        if sigma < 0.1 or box is None:
            return result, alpha
        sigma = min(sigma, 200.0)
        # OpenCV's kernel for floats reaches four sigma: with this border a region is blurred as in the whole image.
        reach = math.ceil(4 * sigma) + 1
        rows, columns = (slice(max(part.start - reach, 0), part.stop + reach) for part in box)
        soft = _blurred(image_HWC[rows, columns], sigma)
        inner = tuple(
            slice(part.start - wide.start, part.stop - wide.start)
            for part, wide in zip(box, (rows, columns), strict=True)
        )
        result[box] = _blended(image_HWC[box], soft[inner], alpha[box])
        return result, alpha


def _axes(landmarks_N3: FloatArray) -> Float64:
    """Unit vectors (2, 2) in the image: along the eyes, to the subject's left, and down the face."""
    points = landmarks_N3[:, :2].astype(np.float64)
    along = points[_CORNERS[1]] - points[_CORNERS[0]]
    length = float(np.hypot(*along))
    x, y = along / length if length > 1e-6 else (1.0, 0.0)
    return np.array([[x, y], [-y, x]])


def _blurred(image_HWC: UInt8Array, sigma: float) -> FloatArray:
    """Gaussian blur, float32. A wide one is made on a smaller copy: nothing finer than sigma is left of it anyway."""
    pixels = image_HWC.astype(np.float32)
    shrink = max(sigma / _FINE_SIGMA, 1.0)
    if shrink == 1:
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.float32)
    height, width = image_HWC.shape[:2]
    small_wh = max(round(width / shrink), 1), max(round(height / shrink), 1)
    small = cv2.GaussianBlur(cv2.resize(pixels, small_wh, interpolation=cv2.INTER_AREA), (0, 0), _FINE_SIGMA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _touched(alpha_HW: FloatArray) -> tuple[slice, slice] | None:
    """Rows and columns that hold all of alpha above 0; None when there is nothing."""
    x, y, width, height = cv2.boundingRect((alpha_HW > 0).view(np.uint8))
    return (slice(y, y + height), slice(x, x + width)) if width else None


def _blended(image_HWC: UInt8Array, other_HWC: FloatArray, alpha_HW: FloatArray) -> UInt8Array:
    """The other picture where alpha is 1; the image itself, bit by bit, where it is 0."""
    bare = image_HWC.astype(np.float32)
    blended = bare + (other_HWC - bare) * alpha_HW[..., None]
    result: UInt8Array = np.rint(blended).astype(np.uint8)
    return result
