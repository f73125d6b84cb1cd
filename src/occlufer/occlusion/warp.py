"""Where each pixel of the image comes from in a template: thin-plate splines, and bent strips.

Canonical coordinates are those of `landmarks.topology.mean_mesh`: the unit is the distance of the outer eye corners,
the origin lies midway between them, x points to the subject's left, y down.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from occlufer.types import FloatArray

Float64 = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
InverseMap = Callable[[Float64], Floats]
"""Image points (P, 2) in pixels -> canonical points (P, 2)."""

MEAN_LENGTH = 1.758
"""Forehead (10) to chin (152) on the mean face, canonical units."""


def thin_plate(source_K2: Floats, target_K2: Floats, smoothing_K: Floats | float) -> InverseMap:
    """The thin-plate spline that carries `source_K2` near `target_K2` (Bookstein 1989, doi 10.1109/34.24792).

    Args:
        source_K2: points in the image, pixels.
        target_K2: the same points in canonical coordinates.
        smoothing_K: for each point or for all; 0 passes through the points, a larger value bends less and misses them.
    """
    count = len(source_K2)
    mean, spread = cv2.meanStdDev(source_K2[:, None])
    (x,), (y,) = mean.tolist()
    size = math.hypot(*spread[:, 0].tolist()) + 1e-6
    # To (x, y, 1): about the middle, and about 1 in size.
    flatten = np.array(((1 / size, 0, -x / size), (0, 1 / size, -y / size), (0, 0, 1)))
    knots = cv2.transform(source_K2[:, None], flatten)[:, 0]
    squares = _squares(knots)
    facing = (knots * _FACING).T
    facing[2] = squares - 2
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _radial(knots, squares, facing)
    diagonal = system.reshape(-1)[:: count + 4]  # a view
    diagonal[:count] += smoothing_K
    diagonal[count:] = -1e-9  # all points in one place: still solvable
    system[:count, count:] = knots
    system[count:, :count] = knots.T
    right = np.zeros((count + 3, 2))
    right[:count] = target_K2
    # Not numpy's solver: its threads wait for each other for up to 200 ms when loaders keep all cores busy.
    weights = np.asarray(cv2.solve(system, right, flags=cv2.DECOMP_LU)[1], np.float32)

    def inverse(points_P2: Floats) -> Floats:
        points = cv2.transform(points_P2[:, None].astype(np.float32), flatten)[:, 0]
        flat: Floats = _radial(points, _squares(points), facing) @ weights[:count]
        flat += points @ weights[count:]
        return flat

    return inverse


_FACING = np.array([-2, -2, 0], np.float32)
_TINY = np.float32(1e-9)


def _squares(points_P3: Any) -> Any:
    """x² + y² + 1 of points (x, y, 1), (P,)."""
    squares = points_P3 * points_P3
    return squares[:, 0] + squares[:, 1] + squares[:, 2]


def _radial(points_P3: Any, squares_P: Any, facing_3K: Any) -> FloatArray:
    """r² log r² of the distances r of points (x, y, 1) from knots (x', y', 1), float32 (P, K).

    r² is (x² + y² + 1) plus the product of (x, y, 1) and (-2x', -2y', x'² + y'² - 1). Single precision is exact to a
    thousandth of a pixel.
    """
    squared: FloatArray = points_P3 @ facing_3K
    squared += squares_P[:, None]
    np.maximum(squared, _TINY, out=squared)
    squared *= np.log(squared)
    return squared


@dataclass(frozen=True, slots=True)
class Strip:
    """A band bent round the head, as it is seen in the image; made by `strip`.

    Attributes:
        inverse: image pixels -> (coordinate along the band, canonical height).
        normal: unit vector (2,) in the image, across the band's height.
        down: image vector (2,) of one canonical unit of height.
        at_K, height_K: the visible part of the band's middle line along `normal`, pixels, and its height in units.
    """

    inverse: InverseMap
    normal: Float64
    down: Float64
    at_K: Float64
    height_K: Float64

    def outline(self, reach: tuple[float, float], body: tuple[float, float], corner: float) -> Float64:
        """Polygon (P, 2) in pixels beyond which the band must not be painted: its ends, with rounded corners.

        Where a band turns away from the viewer it has no end of its own.

        Args:
            reach: canonical heights of the drawing's upper and lower border.
            body: canonical heights between which the corners are rounded.
            corner: their radius, canonical units.
        """
        start, end = float(self.at_K[0]), float(self.at_K[-1])
        width = min(corner * math.hypot(*self.down.tolist()), (end - start) / 2)
        heights = np.array([reach[0], body[0], body[1], reach[1], corner]) @ _OUTLINE_HEIGHTS
        along = np.array([start, end, width]) @ _OUTLINE_ALONG
        heights += np.interp(along, self.at_K, self.height_K)
        outline = along[:, None] * self.normal + heights[:, None] * self.down
        return np.asarray(outline, np.float64)


def _outline_weights() -> tuple[Float64, Float64]:
    """What the corners of `Strip.outline` are sums of.

    Returns:
        Weights (5, P) of the heights: upper border, upper and lower edge of the body, lower border, and corner radius;
        weights (3, P) of the places along it: start, end, and width of the corners.
    """
    turn = np.linspace(0.0, np.pi / 2, 6)
    down, inward = 1 - np.cos(turn), 1 - np.sin(turn)
    border = [([1, 0, 0, 0, 0], 1.0)]
    upper = [([0, 1, 0, 0, at], by) for at, by in zip(down, inward, strict=True)]
    lower = [([0, 0, 1, 0, -at], by) for at, by in zip(down[::-1], inward[::-1], strict=True)]
    side = [*border, *upper, *lower, ([0, 0, 0, 1, 0], 1.0)]
    fifths = [at / 5 for at in range(1, 5)]
    low = [([0, 0, 0, 1, 0], [1 - at, at, 1 - 2 * at]) for at in fifths]
    high = [([1, 0, 0, 0, 0], [1 - at, at, 1 - 2 * at]) for at in fifths]
    right = [(height, [1, 0, by]) for height, by in side]
    left = [(height, [0, 1, -by]) for height, by in side]
    corners = [*right, *low, *left[::-1], *high[::-1]]
    heights, along = (np.array(part, np.float64).T for part in zip(*corners, strict=True))
    return heights, along


_OUTLINE_HEIGHTS, _OUTLINE_ALONG = _outline_weights()


def strip(path_K2: Sequence[Sequence[float]], u_K: Float64, down: tuple[float, float]) -> Strip:
    """Bend a band along a path.

    Parts that turn away behind the band's own silhouette are dropped, so that nothing folds back or is squeezed.

    Args:
        path_K2: image points of the band's middle line, pixels, from the subject's right to the left; K is odd.
        u_K: their coordinate along the band, increasing.
        down: image vector (x, y) of one canonical unit of height.
    """
    # Plain Python: for so few points numpy would take longer.
    square = down[0] ** 2 + down[1] ** 2 + 1e-9
    normal = down[1] / math.sqrt(square), -down[0] / math.sqrt(square)
    along = [x * normal[0] + y * normal[1] for x, y in path_K2]
    middle = len(along) // 2
    left = max(range(middle, len(along)), key=along.__getitem__)
    right = min(range(middle, -1, -1), key=along.__getitem__)
    shown = slice(right, left + 1)
    at_K = np.array(list(itertools.accumulate(along[shown], max)))
    height_K = np.array([(x * down[0] + y * down[1]) / square for x, y in path_K2[shown]])
    u_shown = u_K[shown]
    axes = np.array(((normal[0], down[0] / square), (normal[1], down[1] / square)))

    def inverse(points_P2: Float64) -> Float64:
        canonical: Float64 = points_P2 @ axes
        at = canonical[:, 0].copy()
        canonical[:, 0] = np.interp(at, at_K, u_shown)
        canonical[:, 1] -= np.interp(at, at_K, height_K)
        return canonical

    return Strip(inverse, np.array(normal), np.array(down), at_K, height_K)
