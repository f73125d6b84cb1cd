"""Views: which part of an image the network looks at, and the same part of its landmarks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import cv2
import numpy as np

from occlufer.types import ConfigError, FloatArray, UInt8Array


class View(ABC):
    """Chooses a square of the image; `__call__` cuts it out and scales it down to at most the wanted side."""

    @abstractmethod
    def square(self, landmarks_N3: FloatArray, image_hw: tuple[int, int]) -> tuple[float, float, float]:
        """The square as (left, top, side) in pixels; it may reach over the image's border.

        Args:
            landmarks_N3: float32 (468, 3), pixels.
            image_hw: height and width of the image.
        """

    @final
    def __call__(
        self, image_HWC: UInt8Array, landmarks_N3: FloatArray, *, side: int
    ) -> tuple[UInt8Array, FloatArray]:
        """Cut out the square and scale it to `min(its side, side)`.

        A small face is left small, so that an occluder is drawn at the resolution of the source and not of an
        enlargement. What lies outside the image repeats its border.

        Returns:
            uint8 RGB (S, S, 3) with S <= side, and the landmarks in its pixels.
        """
        height, width = image_HWC.shape[:2]
        left, top, length = self.square(landmarks_N3, (height, width))
        # Whole pixels for the cut; the landmarks move by exactly the same amount, so nothing is misplaced.
        length_px = max(round(length), 1)
        left_px, top_px = round(left), round(top)
        cut = _cut(image_HWC, left_px, top_px, length_px)
        moved = landmarks_N3 - np.array([left_px, top_px, 0], np.float32)
        if length_px <= side:
            return cut, moved.astype(np.float32)
        scale = side / length_px
        return cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA), scale_landmarks(moved, scale)  # type: ignore[return-value]


@final
class FaceCrop(View):
    """The square around the face mesh, with a margin.

    Args:
        margin: added on each side, as a share of the longer side of the mesh's box; at least 0.
    """

    def __init__(self, *, margin: float = 0.1) -> None:
        if margin < 0:
            raise ConfigError(f"view.margin must be 0 or more, found {margin}.")
        self.margin = margin

    def square(self, landmarks_N3: FloatArray, image_hw: tuple[int, int]) -> tuple[float, float, float]:
        """The mesh's box, made square about its centre and widened by the margin."""
        low, high = landmarks_N3[:, :2].min(axis=0), landmarks_N3[:, :2].max(axis=0)
        side = float((high - low).max()) * (1 + 2 * self.margin)
        centre = (low + high) / 2
        return float(centre[0]) - side / 2, float(centre[1]) - side / 2, side


@final
class FullImage(View):
    """The whole image; the shorter side is padded by repeating the border."""

    def square(self, landmarks_N3: FloatArray, image_hw: tuple[int, int]) -> tuple[float, float, float]:
        """The smallest square about the image's centre that holds it."""
        height, width = image_hw
        side = max(height, width)
        return (width - side) / 2, (height - side) / 2, float(side)


def scale_landmarks(landmarks_N3: FloatArray, scale: float) -> FloatArray:
    """Landmarks after an image was resized by `scale`.

    Pixel i covers i..i+1 and OpenCV keeps the image's edges in place when it resizes, so there is no offset.
    """
    return (landmarks_N3 * np.float32(scale)).astype(np.float32)


def _cut(image_HWC: UInt8Array, left: int, top: int, side: int) -> UInt8Array:
    height, width = image_HWC.shape[:2]
    pad = (max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0))
    # A square that misses the image altogether (wild landmarks) would cut nothing: the nearest pixels are repeated.
    rows = slice(max(min(top, height - 1), 0), max(top + side, 1))
    columns = slice(max(min(left, width - 1), 0), max(left + side, 1))
    inside = image_HWC[rows, columns]
    if any(pad):
        inside = cv2.copyMakeBorder(inside, *pad, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    return np.ascontiguousarray(inside[:side, :side])
