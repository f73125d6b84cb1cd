"""Where each pixel of the image comes from in a template: thin-plate splines, bent strips, and head pose.

Canonical coordinates are those of `landmarks.topology.mean_mesh`: the unit is the distance of the outer eye corners,
the origin lies midway between them, x points to the subject's left, y down.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from occlufer.landmarks import topology

Float64 = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
InverseMap = Callable[[Float64], Float64]
"""Image points (P, 2) in pixels -> canonical points (P, 2)."""

MEAN_LENGTH = 1.758
"""Forehead (10) to chin (152) on the mean face, canonical units."""

_POSE_POINTS = (
    33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 127, 356, 162, 389, 234, 454, 21, 251, 151, 9, 98, 327,
)  # fmt: skip


def _radial(squared: Floats) -> Floats:
    """r² log r² of squared distances, which it overwrites."""
    logarithm = np.log(squared + np.float32(1e-9))
    return np.multiply(squared, logarithm, out=squared)


def thin_plate(source_K2: Float64, target_K2: Float64, smoothing_K: Float64) -> InverseMap:
    """The thin-plate spline that carries `source_K2` near `target_K2` (Bookstein 1989, doi 10.1109/34.24792).

    Args:
        source_K2: points in the image, pixels.
        target_K2: the same points in canonical coordinates.
        smoothing_K: per point; 0 passes through it, larger lets the map miss it rather than bend.
    """
    count = len(source_K2)
    centre = source_K2.mean(0)
    knots = source_K2 - centre
    size = math.sqrt(float(np.vdot(knots, knots)) / count) + 1e-6
    knots /= size
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _radial(_squared_distances(knots, knots))
    diagonal = system.reshape(-1)[:: count + 4]  # a view
    diagonal[:count] += smoothing_K
    diagonal[count:] = -1e-9  # all points in one place: still solvable
    system[:count, count] = system[count, :count] = 1.0
    system[:count, count + 1 :] = knots
    system[count + 1 :, :count] = knots.T
    right = np.zeros((count + 3, 2))
    right[:count] = target_K2
    # Not numpy's solver: its threads wait for each other for up to 200 ms when loaders keep all cores busy.
    weights: Float64 = np.asarray(cv2.solve(system, right, flags=cv2.DECOMP_LU)[1], np.float64)
    # Single precision takes half the time and is exact to a thousandth of a pixel.
    knots_32, bends_32 = knots.astype(np.float32), weights[:count].astype(np.float32)

    def inverse(points_P2: Float64) -> Float64:
        points = (points_P2 - centre) / size
        squared = _squared_distances(points.astype(np.float32), knots_32)
        flat: Float64 = _radial(squared) @ bends_32 + (points @ weights[count + 1 :] + weights[count])
        return flat

    return inverse


def _squared_distances(left: Floats, right: Floats) -> Floats:
    squared = left @ (-2.0 * right.T)
    squared += np.einsum("ij,ij->i", left, left)[:, None]
    squared += np.einsum("ij,ij->i", right, right)
    return np.maximum(squared, 0.0, out=squared)


@dataclass(frozen=True, slots=True)
class Strip:
    """A band bent round the head, seen from the front; made by `strip`.

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
        unit = float(np.hypot(*self.down))
        width = min(corner * unit, (self.at_K[-1] - self.at_K[0]) / 2)
        heights = np.concatenate(
            [reach[:1], body[0] + corner * _ARC_DOWN, body[1] - corner * _ARC_DOWN[::-1], reach[1:]]
        )
        inset = width * np.concatenate([_ONE, _ARC_IN, _ARC_IN[::-1], _ONE])
        between = self.at_K[0] + width + (self.at_K[-1] - self.at_K[0] - 2 * width) * _FIFTHS
        along = np.concatenate([self.at_K[0] + inset, between, (self.at_K[-1] - inset)[::-1], between[::-1]])
        height = np.concatenate([heights, _FOUR * reach[1], heights[::-1], _FOUR * reach[0]])
        height += np.interp(along, self.at_K, self.height_K)
        outline: Float64 = along[:, None] * self.normal + height[:, None] * self.down
        return outline


_TURN = np.linspace(0.0, np.pi / 2, 6)
_ARC_DOWN, _ARC_IN, _ONE = 1 - np.cos(_TURN), 1 - np.sin(_TURN), np.ones(1)
_FIFTHS, _FOUR = np.arange(1, 5) / 5, np.ones(4)


def strip(path_K2: Float64, u_K: Float64, down_2: Float64) -> Strip:
    """Bend a band along a path.

    Parts that turn away behind the band's own silhouette are dropped, so that nothing folds back or is squeezed.

    Args:
        path_K2: image points of the band's middle line, pixels, from the subject's right to the left; K is odd.
        u_K: their coordinate along the band, increasing.
        down_2: image vector of one canonical unit of height.
    """
    square = float(down_2 @ down_2) + 1e-9
    normal = np.array([down_2[1], -down_2[0]]) / np.sqrt(square)
    along, heights = path_K2 @ normal, (path_K2 @ down_2) / square
    middle = len(along) // 2
    left = middle + int(np.argmax(along[middle:]))
    right = middle - int(np.argmax(-along[middle::-1]))
    shown = slice(right, left + 1)
    at_K, u_shown, height_K = np.maximum.accumulate(along[shown]), u_K[shown], heights[shown]

    def inverse(points_P2: Float64) -> Float64:
        at = points_P2 @ normal
        canonical = np.empty((len(points_P2), 2))
        canonical[:, 0] = np.interp(at, at_K, u_shown)
        canonical[:, 1] = (points_P2 @ down_2) / square - np.interp(at, at_K, height_K)
        return canonical

    return Strip(inverse, normal, down_2, at_K, height_K)


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Weak-perspective pose: image = scale * (rotation @ canonical)[:2] + origin.

    Attributes:
        rotation: (3, 3), orthonormal, from canonical axes to the image's (x right, y down, z away).
        scale: pixels of one canonical unit.
        origin: (3,) pixels, where the canonical origin falls.
    """

    rotation: Float64
    scale: float
    origin: Float64

    @property
    def yaw(self) -> float:
        """Sine of the turn: positive when the face looks to the image's left, so that its left side shows."""
        return float(self.rotation[0, 2])

    def project(self, points_P3: Float64) -> Float64:
        """Canonical points (P, 3) -> image pixels (P, 2)."""
        projected: Float64 = points_P3 @ (self.scale * self.rotation[:2]).T + self.origin[:2]
        return projected

    def canonical(self, points_P3: Float64) -> Float64:
        """Landmarks (P, 3) in pixels -> canonical axes (P, 3): the face turned to the front."""
        turned: Float64 = (points_P3 - self.origin) @ self.rotation / self.scale
        return turned


def head_pose(landmarks_N3: Floats) -> HeadPose:
    """Pose of the upper head by Procrustes alignment of points that no expression moves (Kabsch 1976).

    Args:
        landmarks_N3: (468, 3) pixels with mediapipe's z.
    """
    found = landmarks_N3[_POSE_INDEX].astype(np.float64)
    found_centre = found.mean(0)
    found -= found_centre
    stretch, left, right = (np.asarray(part, np.float64) for part in cv2.SVDecomp(found.T @ _POSE_MEAN))
    turn = left @ right
    if cv2.determinant(turn) < 0:  # a reflection: the weakest axis changes its sign
        left[:, 2], stretch[2] = -left[:, 2], -stretch[2]
        turn = left @ right
    scale = max(float(stretch.sum()) / _POSE_SIZE, 1e-3)
    return HeadPose(turn, scale, found_centre - scale * turn @ _POSE_CENTRE)


_POSE_INDEX = np.array(_POSE_POINTS)
_POSE_MEAN = topology.mean_mesh()[_POSE_INDEX].astype(np.float64)
_POSE_CENTRE = _POSE_MEAN.mean(0)
_POSE_MEAN -= _POSE_CENTRE
_POSE_SIZE = float((_POSE_MEAN**2).sum())


def keep_outward(
    points_K2: Float64, canonical_K2: Float64, upright: tuple[Float64, Float64], *, least: float
) -> tuple[Float64, Float64]:
    """Push points of a far cheek back outside the profile, so that a map through them cannot fold.

    Args:
        points_K2: image points, pixels; those with canonical x = 0 come first, from top to bottom.
        canonical_K2: the same points in canonical coordinates; x < 0 is the subject's right.
        upright: image points (2,) of the forehead (10) and the chin (152).
        least: smallest distance from the profile allowed, as a share of the distance on the mean face.

    Returns:
        The points, and for each how foreshortened it is: 0 as on the mean face or wider, 1 at the profile or beyond.
    """
    top, bottom = upright
    down = bottom - top
    length = float(np.hypot(*down)) + 1e-6
    across = np.array([down[1], -down[0]]) / length
    x, y = canonical_K2[:, 0], canonical_K2[:, 1]
    middle = int(np.count_nonzero(x == 0))
    at = (points_K2 - top) @ across
    profile = np.interp(y, y[:middle], at[:middle])
    side = np.sign(x)
    outward = side * (at - profile)
    expected = (length / MEAN_LENGTH) * np.abs(x)
    missing = np.maximum(least * expected - outward, 0.0) * side
    shown = np.minimum(np.maximum(outward / np.maximum(expected, 1e-6), 0.0), 1.0)
    foreshortening = np.where(side == 0, 0.0, 1.0 - shown)
    return points_K2 + missing[:, None] * across, foreshortening
