"""Views: which part of an image the network looks at, and the same part of its landmarks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar, final

import cv2
import numpy as np

from occlufer.types import ConfigError, FloatArray, UInt8Array, unknown_name

Size = tuple[int, int]
"""Height and width in pixels."""

BEYOND = ("repeat", "soften")
"""Beyond an image's border: its outermost pixels, which make long stripes; or these, smoothed along the border."""

PictureT = TypeVar("PictureT", UInt8Array, FloatArray)


class View(ABC):
    """Chooses the part of the image that a network sees, in two steps with the occluder between them.

    Calling it gives what the occluder is placed on: at most as large as the network needs, so that occluding stays
    cheap. A small face is left small there, so that an occluder is drawn at the resolution of the source and not of an
    enlargement. `finish` makes the network's input of the covered picture.

    Attributes:
        needs_landmarks: whether the landmarks decide what is shown; a view without them also serves pre-occluded faces.
    """

    needs_landmarks: bool = True

    @abstractmethod
    def __call__(
        self, image_HWC: UInt8Array, landmarks_N3: FloatArray, *, hw: Size
    ) -> tuple[UInt8Array, FloatArray]:
        """The picture for the occluder.

        Args:
            image_HWC: uint8 RGB; left untouched.
            landmarks_N3: float32 (468, 3), pixels; left untouched.
            hw: height and width of the network's input.

        Returns:
            uint8 RGB, and the landmarks in its pixels.
        """

    def finish(self, picture: PictureT, landmarks_N3: FloatArray, *, hw: Size) -> PictureT:
        """The second step: bring a picture, as the call returned it, to height and width `hw`.

        Args:
            picture: uint8 RGB (h, w, 3), or an alpha float32 (h, w).
            landmarks_N3: as the call returned them.
            hw: height and width of the network's input.
        """
        return picture if picture.shape[:2] == hw else resized(picture, hw, cv2.INTER_LINEAR)

    def finish_landmarks(self, landmarks_N3: FloatArray, seen: Size, *, hw: Size) -> FloatArray:
        """Where the landmarks of a picture of height and width `seen` lie after `finish`, float32 (468, 3)."""
        return scale_landmarks(landmarks_N3, hw[1] / seen[1], hw[0] / seen[0])


class SquareView(View):
    """Chooses a square of the image; for an oblong network input it is extended about its middle.

    Attributes:
        beyond: what is shown beyond the image's border, one of `BEYOND`.
    """

    beyond: str = "repeat"

    @abstractmethod
    def square(self, landmarks_N3: FloatArray, image_hw: Size) -> tuple[float, float, float]:
        """The square as (left, top, side) in pixels; it may reach over the image's border.

        Args:
            landmarks_N3: float32 (468, 3), pixels.
            image_hw: height and width of the image.
        """

    @final
    def __call__(
        self, image_HWC: UInt8Array, landmarks_N3: FloatArray, *, hw: Size
    ) -> tuple[UInt8Array, FloatArray]:
        """Cut the region out, and scale it down to `hw` if it is larger; see `beyond` for what lies outside."""
        left, top, side = self.square(landmarks_N3, (image_HWC.shape[0], image_HWC.shape[1]))
        ratio = hw[1] / hw[0]
        height = side if ratio >= 1 else side / ratio
        width = height * ratio
        left, top = left - (width - side) / 2, top - (height - side) / 2
        # Whole pixels for the cut; the landmarks move by exactly the same amount, so nothing is misplaced.
        height_px, width_px = max(round(height), 1), max(round(width), 1)
        left_px, top_px = round(left), round(top)
        cut = _cut(image_HWC, left_px, top_px, (height_px, width_px), self.beyond)
        moved = (landmarks_N3 - np.array([left_px, top_px, 0], np.float32)).astype(np.float32, copy=False)
        if height_px <= hw[0]:
            return cut, moved
        return resized(cut, hw, cv2.INTER_AREA), scale_landmarks(moved, hw[1] / width_px, hw[0] / height_px)


@final
class FaceCrop(SquareView):
    """The square around the face mesh, with a margin.

    Args:
        margin: added on each side, as a share of the longer side of the mesh's box; at least 0.
        beyond: see `SquareView`. Runs and network files that do not say repeat the border, as they were trained.
    """

    def __init__(self, *, margin: float = 0.1, beyond: str = "repeat") -> None:
        if margin < 0:
            raise ConfigError(f"view.margin must be 0 or more, found {margin}.")
        self.margin, self.beyond = margin, _checked_beyond(beyond)

    def square(self, landmarks_N3: FloatArray, image_hw: Size) -> tuple[float, float, float]:
        """The mesh's box, made square about its centre and widened by the margin."""
        xy_2N = np.ascontiguousarray(landmarks_N3[:, :2].T)  # numpy is six times as fast along rows
        low, high = xy_2N.min(axis=1), xy_2N.max(axis=1)
        side = float((high - low).max()) * (1 + 2 * self.margin)
        centre = (low + high) / 2
        return float(centre[0]) - side / 2, float(centre[1]) - side / 2, side


@final
class FullImage(SquareView):
    """The whole image; the shorter side is continued to a square.

    Args:
        beyond: as for `FaceCrop`.
    """

    needs_landmarks = False

    def __init__(self, *, beyond: str = "repeat") -> None:
        self.beyond = _checked_beyond(beyond)

    def square(self, landmarks_N3: FloatArray, image_hw: Size) -> tuple[float, float, float]:
        """The smallest square about the image's centre that holds it."""
        height, width = image_hw
        side = max(height, width)
        return (width - side) / 2, (height - side) / 2, float(side)


@final
class StretchedImage(View):
    """The whole image, stretched to the shape of the input: for sets that were cut to that shape already."""

    needs_landmarks = False

    def __call__(
        self, image_HWC: UInt8Array, landmarks_N3: FloatArray, *, hw: Size
    ) -> tuple[UInt8Array, FloatArray]:
        """The image in its own proportions, scaled down until one side is that of the input."""
        height, width = image_HWC.shape[:2]
        scale = max(hw[0] / height, hw[1] / width)
        if scale >= 1:
            return image_HWC, landmarks_N3
        smaller = max(round(height * scale), 1), max(round(width * scale), 1)
        return resized(image_HWC, smaller, cv2.INTER_AREA), scale_landmarks(
            landmarks_N3, smaller[1] / width, smaller[0] / height
        )


def scale_landmarks(landmarks_N3: FloatArray, across: float, down: float | None = None) -> FloatArray:
    """Landmarks after an image was resized by the factors `across` (depth too) and `down` (None: the same).

    Pixel i covers i..i+1 and OpenCV keeps the image's edges in place when it resizes, so there is no offset.
    """
    factors = np.array([across, across if down is None else down, across], np.float32)
    return (landmarks_N3 * factors).astype(np.float32, copy=False)


def resized(picture: PictureT, hw: Size, interpolation: int) -> PictureT:
    """The picture at another height and width, by one of OpenCV's interpolations."""
    return cv2.resize(picture, (hw[1], hw[0]), interpolation=interpolation)  # type: ignore[return-value]


def _checked_beyond(beyond: str) -> str:
    if beyond not in BEYOND:
        raise ConfigError(unknown_name("view.beyond", str(beyond), BEYOND))
    return beyond


def _cut(image_HWC: UInt8Array, left: int, top: int, size: Size, beyond: str) -> UInt8Array:
    height, width = image_HWC.shape[:2]
    high, wide = size
    pad = (
        max(-top, 0), max(top + high - height, 0), max(-left, 0), max(left + wide - width, 0)
    )  # fmt: skip
    # A region that misses the image altogether (wild landmarks) would cut nothing: the nearest pixels are repeated.
    rows = slice(max(min(top, height - 1), 0), max(top + high, 1))
    columns = slice(max(min(left, width - 1), 0), max(left + wide, 1))
    inside = image_HWC[rows, columns]
    if not any(pad):
        return np.ascontiguousarray(inside[:high, :wide])
    framed: UInt8Array = cv2.copyMakeBorder(inside, *pad, cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    if beyond == "soften":
        _soften(framed, pad, max(size))
    return np.ascontiguousarray(framed[:high, :wide])


def _soften(framed_HWC: UInt8Array, pad: tuple[int, int, int, int], side: int) -> None:
    """Replace the stripes of a repeated border, in place.

    Args:
        framed_HWC: the picture with its border.
        pad: how wide that is above, below, before and behind, pixels.
        side: see `_continued`.
    """
    above, below, before, behind = pad
    height, width = framed_HWC.shape[:2]
    first, last = before, width - behind - 1
    middle = framed_HWC[:, first : last + 1]
    if above:
        middle[:above] = _continued(middle[above], above, side)[::-1]
    if below:
        middle[height - below :] = _continued(middle[height - below - 1], below, side)
    if before:  # OpenCV turns pictures faster than numpy
        framed_HWC[:, :first] = cv2.transpose(_continued(framed_HWC[:, first], before, side)[::-1])
    if behind:
        framed_HWC[:, last + 1 :] = cv2.transpose(_continued(framed_HWC[:, last], behind, side))


def _continued(edge_WC: UInt8Array, count: int, side: int) -> UInt8Array:
    """Rows (count, W, C) that go on from a picture's outermost row and soon are smooth along it.

    A blur across the border would mix in what lies inside, such as eyes.

    Args:
        edge_WC: the outermost row, uint8.
        count: rows, the first of them beside the picture; at least 1.
        side: of the crop in pixels: details of up to a quarter of it are gone after a thirtieth of it.
    """
    edge_1WC = np.ascontiguousarray(edge_WC[None])
    smooth, reach = edge_1WC, (side // 4 | 1, 1)
    for _ in range(2):  # one box would leave kinks
        smooth = cv2.blur(smooth, reach, borderType=cv2.BORDER_REPLICATE)  # type: ignore[assignment]
    turning = min(count, side // 30 + 1)  # from there on all rows are smooth
    share = np.minimum(np.arange(1, turning + 1, dtype=np.float32) * (30 / side), 1)[:, None, None]
    rows = np.empty((count, *edge_WC.shape), np.uint8)
    rows[:turning] = edge_1WC + (smooth - edge_1WC.astype(np.float32)) * share + np.float32(0.5)
    rows[turning:] = rows[turning - 1]
    return rows
