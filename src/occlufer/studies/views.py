"""Study A's crop of a face (Casas-Ortiz et al., IEEE Access 12, 2024), and study B's: what a face mask leaves of it.

Study B: Jiang et al., "MaskTheFER", DICTA 2023, doi 10.1109/DICTA60407.2023.00069. The rules are theirs, not the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import cv2
import numpy as np
from numpy.typing import NDArray

from occlufer.data.view import PictureT, Size, SquareView, View, resized, scale_landmarks
from occlufer.types import ConfigError, FloatArray, UInt8Array

_RIGHT_CORNERS, _LEFT_CORNERS = (33, 133), (362, 263)  # the subject's; from the right to the left
_NOSE_TIP = 1
_ROOM = 0.25  # of the face's side, kept around it: a rolled head's strip reaches over the mesh's upright box


@dataclass(frozen=True, slots=True)
class _Strip:
    """A rectangle that lies level in the face and turned in the image.

    Attributes:
        corner: its top left corner in the image, pixels.
        across, down: its sides as vectors in the image.
    """

    corner: NDArray[np.float64]
    across: NDArray[np.float64]
    down: NDArray[np.float64]

    @property
    def hw(self) -> tuple[float, float]:
        """Height and width in pixels of the image."""
        return float(np.hypot(*self.down)), float(np.hypot(*self.across))


@final
class EyeStrip(View):
    """The region of the eyes, turned so that they are level, cut out, and stretched to the shape of the input.

    It reaches from the top of the face mesh down to `below` under the lowest eye corner or to the tip of the nose,
    whichever is lower, and from `before` outside one outer eye corner to `behind` outside the other. The study counts
    8, 6 and 7 pixels on images of 48 pixels; the mesh of such a face is 43.8 pixels long (median over FER2013), so
    that here they are shares of the longer side of the mesh's box, and a larger photo gives the same strip. The study's
    face box is a detector's, whose top is near the brows; ours is the mesh's, whose top is near the hair.

    The occluder is placed before the strip is cut, as in the study: it is lit by the whole face. The share of the face
    that it covers is one of the whole face, too.

    Args:
        before: beyond the outer corner at the left of the image.
        behind: beyond the outer corner at its right.
        below: under the lowest eye corner.
        cut: height and width in pixels to which the strip is resampled first: what is finer is lost, as in the study.
    """

    def __init__(
        self,
        *,
        before: float = 0.137,
        behind: float = 0.160,
        below: float = 0.183,
        cut: tuple[int, int] = (24, 48),
    ) -> None:
        for name, value in (("before", before), ("behind", behind), ("below", below)):
            if value < 0:
                raise ConfigError(f"view.{name} must be 0 or more, found {value}.")
        if len(cut) != 2 or not all(isinstance(side, int) and side >= 8 for side in cut):
            raise ConfigError(
                f"view.cut must be a height and a width of at least 8 pixels, as [24,48]; found {cut!r}."
            )
        self.before, self.behind, self.below = before, behind, below
        self.cut: Size = (cut[0], cut[1])

    def __call__(
        self, image_HWC: UInt8Array, landmarks_N3: FloatArray, *, hw: Size
    ) -> tuple[UInt8Array, FloatArray]:
        """The face and some room around it, not yet turned, scaled down until the strip has the size of `cut`."""
        low, high = landmarks_N3[:, :2].min(axis=0), landmarks_N3[:, :2].max(axis=0)
        room = _ROOM * (high - low).max()
        size = np.array([image_HWC.shape[1], image_HWC.shape[0]])
        left, top = np.clip(np.floor(low - room), 0, size - 1).astype(int)
        right, bottom = np.clip(np.ceil(high + room), (left + 1, top + 1), size).astype(int)
        face_HWC = np.ascontiguousarray(image_HWC[top:bottom, left:right])
        moved = (landmarks_N3 - np.array([left, top, 0], np.float32)).astype(np.float32)
        height, width = self._strip(landmarks_N3).hw
        scale = max(self.cut[0] / height, self.cut[1] / width)
        if scale >= 1:
            return face_HWC, moved
        high_px, wide_px = face_HWC.shape[:2]
        smaller = max(round(high_px * scale), 1), max(round(wide_px * scale), 1)
        factors = smaller[1] / wide_px, smaller[0] / high_px
        return resized(face_HWC, smaller, cv2.INTER_AREA), scale_landmarks(moved, *factors)

    def finish(self, picture: PictureT, landmarks_N3: FloatArray, *, hw: Size) -> PictureT:
        """The level strip, resampled to `cut` and then to `hw`; what lies outside the image repeats its border."""
        strip = self._strip(landmarks_N3)
        height, width = self.cut
        # Pixel i covers i..i+1, and warpAffine counts from pixel centres: half a pixel either way.
        columns = np.column_stack([strip.across / width, strip.down / height])
        offset = strip.corner + columns @ (0.5, 0.5) - 0.5
        matrix = np.column_stack([columns, offset])
        level: Any = cv2.warpAffine(
            picture, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        return resized(level, hw, cv2.INTER_LINEAR)

    def finish_landmarks(self, landmarks_N3: FloatArray, seen: Size, *, hw: Size) -> FloatArray:
        """See `View.finish_landmarks`; the points are turned with the strip."""
        strip = self._strip(landmarks_N3)
        (_, width), axes = strip.hw, np.array([strip.across, strip.down])
        shares = (landmarks_N3[:, :2] - strip.corner) @ axes.T / (axes**2).sum(axis=1)
        points = np.column_stack([shares, landmarks_N3[:, 2] / width])
        return (points * (hw[1], hw[0], hw[1])).astype(np.float32)

    def _strip(self, landmarks_N3: FloatArray) -> _Strip:
        points = landmarks_N3[:, :2].astype(np.float64)
        line = points[list(_LEFT_CORNERS)].mean(axis=0) - points[list(_RIGHT_CORNERS)].mean(axis=0)
        length = float(np.hypot(*line))
        along = line / length if length > 1e-6 else np.array([1.0, 0.0])
        axes = np.array([along, (-along[1], along[0])])  # rows: along the eyes, down the face
        level = points @ axes.T
        side = float((level.max(axis=0) - level.min(axis=0)).max())
        corners = level[[*_RIGHT_CORNERS, *_LEFT_CORNERS]]
        left, right = corners[0, 0] - self.before * side, corners[3, 0] + self.behind * side
        top = float(level[:, 1].min())
        bottom = max(float(corners[:, 1].max()) + self.below * side, float(level[_NOSE_TIP, 1]))
        # A wild mesh may put them in any order: a strip of a pixel is still a picture.
        width, height = max(right - left, 1.0), max(bottom - top, 1.0)
        return _Strip(np.array([left, top]) @ axes, width * axes[0], height * axes[1])


@final
class MeshCorner(SquareView):
    """The square whose top left corner is the (least x, least y) of the mesh, as wide as the longer side of its box.

    So the face is not in the middle: where the box is higher than wide, what is over stands on the right. Where the
    square leaves the image, the border is repeated (the study's arrays end there, and its resize distorts the rest).

    Args:
        whole_side: square images of exactly this side in pixels are not cropped (RAF-DB's aligned images: 100); None
            crops all.
    """

    def __init__(self, *, whole_side: int | None = 100) -> None:
        if whole_side is not None and (not isinstance(whole_side, int) or whole_side < 1):
            raise ConfigError(f"view.whole_side must be a side in pixels, or null; found {whole_side!r}.")
        self.whole_side = whole_side

    def square(self, landmarks_N3: FloatArray, image_hw: Size) -> tuple[float, float, float]:
        """The mesh's corner and the longer side of its box, or the whole image."""
        if image_hw == (self.whole_side, self.whole_side):
            return 0.0, 0.0, float(image_hw[0])
        low, high = landmarks_N3[:, :2].min(axis=0), landmarks_N3[:, :2].max(axis=0)
        return float(low[0]), float(low[1]), float((high - low).max())
