"""The face crop of study A (Casas-Ortiz et al., IEEE Access 12, 2024)."""

from __future__ import annotations

from typing import final

from occlufer.data.view import Size, SquareView
from occlufer.types import ConfigError, FloatArray


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
