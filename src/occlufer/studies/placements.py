"""Placements as two published studies describe them, so that their experiments can be run again.

Study A: Casas-Ortiz et al., IEEE Access 12, 2024, doi 10.1109/ACCESS.2024.3380439. Study B: Jiang et al., DICTA 2023,
doi 10.1109/DICTA60407.2023.00069, which uses MaskTheFace (Anwar and Raychowdhury 2020, arXiv 2008.11104). The rules are
theirs, the code and the artwork are ours; their known faults (one picture for all turns) are kept on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from occlufer.landmarks import topology
from occlufer.occlusion.compositing import Placement, Template
from occlufer.occlusion.templates.artwork import Artwork
from occlufer.occlusion.templates.own import MASK_POINTS, homography
from occlufer.occlusion.warp import Float64
from occlufer.occlusion.worn import Wear, Worn
from occlufer.types import LANDMARK_COUNT, ConfigError, FloatArray

_SIX_LANDMARKS = np.array([127, 6, 356, 172, 152, 397])
"""Six anchors on the face in the order of `own.MASK_POINTS`, nearest to those of a 68-point detector."""


@final
class CentredPicture(Worn):
    """Study A: a picture centred on a point, as wide as the distance of two others, turned by their angle.

    Args:
        artwork: the pictures; the rectangle around the opaque part counts, or the whole of an `own.Picture`.
        centre: landmarks whose mean is the centre: (15,) for the mask; the eye corners for the headset.
        width: two landmarks, the subject's right one first.
        severity_range: see `Worn`.
    """

    def __init__(
        self,
        *,
        artwork: Artwork,
        centre: Sequence[int],
        width: Sequence[int],
        severity_range: Sequence[float] = (1.0, 1.0),
    ) -> None:
        super().__init__(artwork=artwork, severity_range=severity_range)
        for name, points in (("centre", centre), ("width", width)):
            if not points or not all(0 <= int(point) < LANDMARK_COUNT for point in points):
                raise ConfigError(
                    f"{name} must name landmarks from 0 to {LANDMARK_COUNT - 1}; found {list(points)}."
                )
        if len(width) != 2:
            raise ConfigError(f"width must name two landmarks; found {list(width)}.")
        self.centre, self.width = np.array(centre, int), np.array(width, int)

    def place(self, landmarks_N3: FloatArray, template: Template, wear: Wear) -> Placement:
        """The similarity transform; mirrored never."""
        right, left = landmarks_N3[self.width, :2].astype(np.float64)
        x0, y0, x1, y1 = template.frame
        matrix = (left - right) / max(x1 - x0, 1e-6)
        turn = np.array([[matrix[0], -matrix[1]], [matrix[1], matrix[0]]])  # canonical -> image
        middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
        offset = landmarks_N3[self.centre, :2].astype(np.float64).mean(0) - turn @ middle
        full = np.eye(3)
        full[:2, :2], full[:2, 2] = turn, offset
        return _flat(full, template, wear, kept_y=y1 if middle[1] > 0.4 else y0)


@final
class SixPointMask(Worn):
    """Study B: six points of a mask carried to six anchors on the face by a homography."""

    def place(self, landmarks_N3: FloatArray, template: Template, wear: Wear) -> Placement:
        """The homography nearest to the six points."""
        source = np.array(list(MASK_POINTS.values()))
        found = landmarks_N3[_SIX_LANDMARKS, :2].astype(np.float64)
        # The outer anchors lie on the jaw at the height of the nose and of the lips.
        found[[0, 2]] = landmarks_N3[_NOSE_HEIGHT, :2]
        return _flat(homography(source, found), template, wear, kept_y=MASK_POINTS["chin"][1])


_NOSE_HEIGHT = np.array([93, 323])
assert {topology.MIRROR[93], topology.MIRROR[172]} == {323, 397}


_MARGINS = (-0.05, -0.05, 0.05, 0.05)


def _flat(matrix: Float64, template: Template, wear: Wear, *, kept_y: float) -> Placement:
    """A placement by a matrix (3, 3), canonical -> image."""
    # Straps are left out: far from the six points a homography may fly to infinity.
    x0, y0, x1, y1 = (at + by for at, by in zip(template.frame, _MARGINS, strict=True))
    depth = float(matrix[2] @ np.array([(x0 + x1) / 2, (y0 + y1) / 2, 1.0]))
    matrix = matrix / depth if abs(depth) > 1e-9 else matrix
    corners = np.array([(x0, y0, 1), (x1, y0, 1), (x1, y1, 1), (x0, y1, 1)]) @ matrix.T
    middle = matrix @ np.array([(x0 + x1) / 2, (y0 + y1) / 2, 1.0])
    # Pixels of a canonical square there: the Jacobian of the projective map.
    jacobian = matrix[:2, :2] - middle[:2, None] * matrix[2, :2]
    area = abs(float(jacobian[0, 0] * jacobian[1, 1] - jacobian[0, 1] * jacobian[1, 0]))
    if area < 1e-9 or corners[:, 2].min() < 0.05:  # all points in one place, or seen from behind
        nowhere = (0.0, 0.0, 0.0, 0.0)
        return Placement(inverse=lambda points: points, box=nowhere, pixels_per_unit=1.0)
    back = np.linalg.inv(matrix)
    image = corners[:, :2] / corners[:, 2:]
    low, high = image.min(0), image.max(0)

    def inverse(points_P2: Float64) -> Float64:
        mapped = points_P2 @ back[:, :2].T + back[:, 2]
        canonical: Float64 = mapped[:, :2] / mapped[:, 2:]
        return canonical

    span = float(np.sqrt(area))
    return Placement(
        inverse=inverse,
        box=(float(low[0]), float(low[1]), float(high[0]), float(high[1])),
        pixels_per_unit=span,
        node_spacing=1.0
        if abs(back[2, :2]).max() > 1e-9
        else 1e6,  # a strong perspective bends between nodes
        severity=wear.severity,
        kept_y=kept_y,
    )
