"""Linear interpolation from a coarse grid of nodes to all pixels of a region."""

from __future__ import annotations

import functools

import numpy as np

from occlufer.occlusion.warp import Float64
from occlufer.types import FloatArray

_ONE_THREAD = 2**18  # multiplications up to which OpenBLAS never uses a second thread


def spread(grid_RFC: FloatArray, hw: tuple[int, int]) -> FloatArray:
    """Interpolate values at nodes, float32 (rows, fields, columns), to all pixels: float32 (H, fields, W)."""
    (height, width), (rows, _, columns) = hw, grid_RFC.shape
    tall = _product(_interpolation(height, rows), grid_RFC.reshape(rows, -1))
    return _product(tall.reshape(-1, columns), _interpolation(width, columns).T).reshape(height, -1, width)


def _product(left: FloatArray, right: FloatArray) -> FloatArray:
    """`left @ right` with the same bits for any number of BLAS threads: blocks of rows too small to share."""
    cost = left.shape[1] * right.shape[1]
    if left.shape[0] * cost <= _ONE_THREAD:
        return left @ right
    block = max(_ONE_THREAD // cost // 64 * 64, 64)
    parts = [left[start : start + block] @ right for start in range(0, len(left), block)]
    return np.concatenate(parts)


def node_count(length: int, spacing: float) -> int:
    """How many nodes, `spacing` pixels apart or a little less, span `length` pixels."""
    return min(max(length, 2), 2 + int((length - 1) / max(spacing, 1.0)))


@functools.lru_cache(maxsize=4096)
def _interpolation(length: int, nodes: int) -> FloatArray:
    """Matrix (length, nodes) that spreads values at evenly spaced nodes linearly over `length` pixel centres."""
    at = np.linspace(0.0, nodes - 1.0, length) if length > 1 else np.zeros(1)
    matrix = np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(nodes)[None]))
    return np.ascontiguousarray(matrix, dtype=np.float32)


@functools.lru_cache(maxsize=4096)
def node_places(hw: tuple[int, int], counts: tuple[int, int]) -> Float64:
    """Places (P, 2) of nodes in pixels, row by row: the first and last lie on the first and last pixel's centre."""
    y, x = (np.linspace(0.5, length - 0.5, count) for length, count in zip(hw, counts, strict=True))
    nodes: Float64 = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return nodes
