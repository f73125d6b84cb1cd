"""Turning a face to the front: the head's pose is taken out of its mesh, and the image follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import Delaunay

from occlufer.landmarks.geometry import head_pose
from occlufer.landmarks.topology import FACE_OVAL, MIRROR
from occlufer.types import FloatArray, UInt8Array

Array = NDArray[np.float64]

_RING = 1.5  # beyond this many times the face, the surroundings only turn in the image plane
_CELLS = 64  # the warp is computed on so many cells a side and interpolated: it is smooth
_BETTER_SEEN = (0.15, 0.45)  # from no fill to all of it, by how much better the other side was seen


@dataclass(frozen=True, slots=True)
class FrontalFace:
    """A face turned to the front.

    Attributes:
        image_HWC: uint8 RGB (S, S, 3).
        landmarks_N3: float32 (468, 3), pixels of `image_HWC`.
        filled_HW: float32 (S, S) in 0..1, how much of a pixel was taken from the other side of the face.
    """

    image_HWC: UInt8Array
    landmarks_N3: FloatArray
    filled_HW: FloatArray


@final
class Frontalizer:
    """Turns a face to the front and fills the side that was turned away from the side that was seen.

    The mesh is rotated back rigidly, so that the expression stays in it: a warp to the mean face itself would take the
    expression away with the pose. The image then follows its mesh piece by piece, and is filled with soft symmetry as
    Hassner et al. 2015 do ("Effective face frontalization in unconstrained images"). Hair and background, which have no
    mesh, turn in the image plane only. Beyond about 45 degrees of yaw half a face is too little to make one from, and
    a nose or a cheek appears twice.

    Args:
        fill: share of the fill, 0..1; 0 leaves the stretched pixels that were there.
    """

    def __init__(self, *, fill: float = 1.0) -> None:
        assert 0 <= fill <= 1
        self.fill = fill

    def __call__(self, image_HWC: UInt8Array, landmarks_N3: FloatArray) -> FrontalFace:
        """Turn one face.

        Args:
            image_HWC: uint8 RGB, square (S, S, 3); left untouched.
            landmarks_N3: float32 (468, 3), pixels of the image.
        """
        side = image_HWC.shape[0]
        assert image_HWC.shape == (side, side, 3)
        found_N3 = landmarks_N3.astype(np.float64)
        centre = found_N3.mean(axis=0)
        frontal_N3 = (found_N3 - centre) @ head_pose(landmarks_N3).rotation + centre

        to_N2, from_N2, mirrored_N2 = _with_surroundings(frontal_N3[:, :2], found_N3[:, :2], side)
        cells = Delaunay(to_N2)
        gain_N = _better_seen(cells, from_N2, mirrored_N2)
        values = np.column_stack([from_N2, mirrored_N2, gain_N])
        grid_HW5 = _on_pixels(LinearNDInterpolator(cells, values), side)

        low, high = _BETTER_SEEN
        weight_HW = self.fill * np.clip((grid_HW5[..., 4] - low) / (high - low), 0, 1)
        seen_HWC, mirrored_HWC = (_remap(image_HWC, grid_HW5[..., part : part + 2]) for part in (0, 2))
        mixed_HWC = seen_HWC * (1 - weight_HW[..., None]) + mirrored_HWC * weight_HW[..., None]
        image = np.clip(np.rint(mixed_HWC), 0, 255).astype(np.uint8)
        return FrontalFace(image, frontal_N3.astype(np.float32), weight_HW.astype(np.float32))


def _with_surroundings(frontal_N2: Array, found_N2: Array, side: int) -> tuple[Array, Array, Array]:
    """Points of the frontal image, where each comes from, and where its mirror image on the face comes from.

    To the mesh is added a ring about the face and the frame's corners, carried by the similarity transform that fits
    the mesh best; they are their own mirror images.
    """
    middle = frontal_N2.mean(axis=0)
    ring = middle + _RING * (frontal_N2[list(FACE_OVAL)] - middle)
    reach = np.array([-side, 2.0 * side])
    corners = np.array([(x, y) for x in reach for y in reach])
    around = np.vstack([ring, corners])
    carried = _similar(frontal_N2, found_N2, around)
    to_N2 = np.vstack([frontal_N2, around])
    return to_N2, np.vstack([found_N2, carried]), np.vstack([found_N2[list(MIRROR)], carried])


def _similar(frontal_N2: Array, found_N2: Array, points_M2: Array) -> Array:
    """Points carried by the similarity transform that takes one mesh to the other with least squares."""
    wanted, given, points = (array[:, 0] + 1j * array[:, 1] for array in (found_N2, frontal_N2, points_M2))
    given_0, wanted_0 = given.mean(), wanted.mean()
    turn = np.vdot(given - given_0, wanted - wanted_0) / np.vdot(given - given_0, given - given_0)
    carried = turn * (points - given_0) + wanted_0
    return np.column_stack([carried.real, carried.imag])


def _better_seen(cells: Delaunay, from_N2: Array, mirrored_N2: Array) -> Array:
    """By how much better the mirror image of each point was seen, -1..1, by how little of each triangle is left."""
    corners = cells.simplices
    wanted = _areas(cells.points, corners)
    gain = np.zeros(len(from_N2))
    count = np.zeros(len(from_N2))
    # A mirrored triangle has its corners in the other order.
    difference = np.clip(-_areas(mirrored_N2, corners) / wanted, 0, 1) - np.clip(
        _areas(from_N2, corners) / wanted, 0, 1
    )
    for column in corners.T:
        np.add.at(gain, column, difference)
        np.add.at(count, column, 1)
    mean: Array = gain / np.maximum(count, 1)
    mean[len(MIRROR) :] = 0
    return mean


def _areas(points_N2: Array, corners_M3: NDArray[np.int32]) -> Array:
    """Twice the signed area of each triangle."""
    a, b, c = (points_N2[column] for column in corners_M3.T)
    area: Array = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    return area


def _on_pixels(interpolate: LinearNDInterpolator, side: int) -> FloatArray:
    """The interpolator's values at the pixels' centres, float32 (side, side, K)."""
    cells = min(side, _CELLS)
    at = (np.arange(cells) + 0.5) * side / cells
    coarse = np.asarray(interpolate(*np.meshgrid(at, at)), np.float32)
    if cells == side:
        return coarse
    parts = [
        cv2.resize(coarse[..., k], (side, side), interpolation=cv2.INTER_LINEAR)
        for k in range(coarse.shape[2])
    ]
    return np.stack(parts, axis=-1)


def _remap(image_HWC: UInt8Array, from_HW2: FloatArray) -> FloatArray:
    """The image's colours at the given places, float32; pixel i has its centre at i + 0.5."""
    at = from_HW2 - np.float32(0.5)
    sampled = cv2.remap(
        image_HWC,
        np.ascontiguousarray(at[..., 0]),
        np.ascontiguousarray(at[..., 1]),
        interpolation=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return sampled.astype(np.float32)
