"""From triangles to pixels with OpenCV: which triangle covers a pixel, and vertex values interpolated over it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from occlufer.types import FloatArray, IntArray

_SHIFT = 4  # fractional bits of cv2's polygon corners


def cover(xy_V2: FloatArray, depth_V: FloatArray, triangles_K3: IntArray, size: int) -> NDArray[np.int32]:
    """The nearest triangle at each pixel, by painting from far to near.

    Args:
        xy_V2: pixels, the centre of the first pixel at 0.
        depth_V: larger is farther.
        triangles_K3: the triangles to paint.
        size: height and width of the picture.

    Returns:
        int32 (size, size): 1 + row of `triangles_K3`, 0 where there is none.
    """
    picture = np.zeros((size, size), np.int32)
    order = np.argsort(-depth_V[triangles_K3].mean(1))
    corners = np.rint(xy_V2[triangles_K3[order]] * (1 << _SHIFT)).astype(np.int32)
    for number, corner in zip((order + 1).tolist(), corners, strict=True):
        cv2.fillConvexPoly(picture, corner, number, cv2.LINE_8, _SHIFT)
    return picture


def interpolate(
    xy_V2: FloatArray, values_VC: FloatArray, triangles_K3: IntArray, rows_P: NDArray[np.int32], x_P: IntArray,
    y_P: IntArray,
) -> FloatArray:  # fmt: skip
    """Vertex values at pixels, float32 (C, P).

    Args:
        xy_V2: vertices in pixels.
        values_VC: what to interpolate.
        triangles_K3: vertex indices.
        rows_P: for each pixel the row of its triangle.
        x_P, y_P: the pixels.
    """
    a, b, c = (xy_V2[triangles_K3[:, corner]] for corner in range(3))
    ab, ac = b - a, c - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    area = np.where(np.abs(area) < 1e-3, 1e-3, area)
    value_a = values_VC[triangles_K3[:, 0]]
    step_b = values_VC[triangles_K3[:, 1]] - value_a
    step_c = values_VC[triangles_K3[:, 2]] - value_a
    # value = base + along_x * x + along_y * y over the whole triangle
    along_x = (step_b * ac[:, 1:2] - step_c * ab[:, 1:2]) / area[:, None]
    along_y = (step_c * ab[:, 0:1] - step_b * ac[:, 0:1]) / area[:, None]
    base = value_a - along_x * a[:, 0:1] - along_y * a[:, 1:2]
    x, y = x_P.astype(np.float32), y_P.astype(np.float32)
    result = np.empty((values_VC.shape[1], len(rows_P)), np.float32)
    for channel in range(values_VC.shape[1]):
        plane = (along_x[:, channel].astype(np.float32), along_y[:, channel].astype(np.float32))
        result[channel] = base[:, channel].astype(np.float32)[rows_P]
        result[channel] += plane[0][rows_P] * x
        result[channel] += plane[1][rows_P] * y
    return result


def vertex_normals(points_V3: FloatArray, triangles_T3: IntArray) -> FloatArray:
    """Outward unit normals, weighted by area, float32 (V, 3); triangles are clockwise as seen from outside."""
    a, b, c = (points_V3[triangles_T3[:, corner]] for corner in range(3))
    normal = -np.cross(b - a, c - a)
    flat = triangles_T3.T.ravel()
    total = np.stack(
        [np.bincount(flat, np.tile(normal[:, axis], 3), len(points_V3)) for axis in range(3)], axis=1
    )
    length = np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)
    return np.asarray(total / length, np.float32)
