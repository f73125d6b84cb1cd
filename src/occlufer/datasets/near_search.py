"""Which images are nearly the same: likeness by differences of neighbouring pixels, candidates by k-means cells."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, final

import cv2
import numpy as np
from numpy.typing import NDArray

from occlufer.datasets.base import FaceDataset
from occlufer.types import FloatArray, ImageError, IntArray, UInt8Array

_SIDE = 48  # pixels of the small grey versions
_COARSE, _FINE = 4, 2  # of them are averaged, across and down, to choose candidates and to compare them
_FAINT = 1.0  # grey levels between neighbours: an image with less has nothing to be recognised by
_MOVES = 2  # pixels of the small version by which a copy may be moved, across and down
_BLOCK = 4096  # images, or pairs, worked on at once
_SAMPLE = 8192  # images from which axes and cells are learned
_AXES = 48
_PROBED = 12  # nearest cells that are searched for an image
_LEAST = 0.7  # along the axes, to be compared closely: 99 % of FER2013's near-duplicates have .72

ScalarT = TypeVar("ScalarT", bound=np.generic)
Pairs = tuple[IntArray, IntArray, FloatArray]
"""Rows of both images of each pair, and their likeness."""


def small_versions(faces: FaceDataset, on_progress: Callable[[int, int], None]) -> UInt8Array:
    """Grey versions of 48 x 48 pixels, uint8 (N, 48, 48); black where an image cannot be read."""
    small_NHW = np.zeros((len(faces), _SIDE, _SIDE), np.uint8)
    for index in range(len(faces)):
        try:
            grey = cv2.cvtColor(faces.load_image(index), cv2.COLOR_RGB2GRAY)
            small_NHW[index] = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        except ImageError:  # it has no landmarks either, and leaves
            continue
        finally:
            on_progress(index + 1, len(faces))
    return small_NHW


@final
class NearSearch:
    """Finds, for each image of a later part, images of earlier parts that are like it.

    Likeness is the correlation of the differences between neighbouring pixels: the quantity whose signs are the
    difference hash (N. Krawetz, "Kind of Like That", hackerfactor.com, 2013), without the loss of rounding it to bits;
    the largest over moves by up to a twenty-fourth of the image. Brightness and contrast do not count. Crops moved by
    more, and mirrored images, are not found. Images are compared within cells of k-means along the main axes of the
    differences; the number of cells is the root of the number of images.

    Args:
        small_NHW: see `small_versions`.
        place_N: int (N,), the part of each image; only images of earlier parts are looked for.
        candidates: how many images at most are compared closely with one.
    """

    def __init__(self, small_NHW: UInt8Array, place_N: IntArray, *, candidates: int) -> None:
        from sklearn.cluster import MiniBatchKMeans  # a second to import, and only `prepare` searches

        self._small, self._place, self._candidates = small_NHW, place_N, candidates
        sample = np.sort(np.random.default_rng(0).permutation(len(small_NHW))[:_SAMPLE])
        differences_ND = _differences(small_NHW[sample], _COARSE)
        self._mean_D = differences_ND.mean(0)
        centred_ND = differences_ND - self._mean_D
        self._axes_DK = np.linalg.eigh(centred_ND.T @ centred_ND)[1][:, : -_AXES - 1 : -1].astype(np.float32)
        cells = max(1, min(round(len(small_NHW) ** 0.5), len(sample) // 2))
        means = MiniBatchKMeans(cells, random_state=0, batch_size=2048, n_init=1, max_iter=5)
        centres_CK = means.fit(self._along_axes(small_NHW[sample])).cluster_centers_
        self._centres_CK = _unit(centres_CK.astype(np.float32))
        self._points_NK = np.concatenate([self._along_axes(part) for part in _blocks(small_NHW)])
        self._cell_N = np.concatenate(
            [(part @ self._centres_CK.T).argmax(1) for part in _blocks(self._points_NK)]
        )

    def pairs(self, *, mirrored: bool = False) -> Pairs:
        """Earlier image, later image and likeness of the pairs that were compared closely, each once.

        Args:
            mirrored: look for the mirror images of the later images instead.
        """
        later = np.flatnonzero(self._place > self._place.min())
        seen_NHW = self._small[later]
        points_MK = self._points_NK[later]
        if mirrored:
            seen_NHW = seen_NHW[:, :, ::-1]
            points_MK = np.concatenate([points_MK[:0], *map(self._along_axes, _blocks(seen_NHW))])
        first, query = self._near(points_MK, later)
        likeness = [np.empty(0, np.float32)]
        for start in range(0, len(first), _BLOCK):
            part = slice(start, start + _BLOCK)
            likeness.append(_likeness(self._small[first[part]], seen_NHW[query[part]]))
        return first, later[query], np.concatenate(likeness)

    def _near(self, points_MK: FloatArray, later_M: IntArray) -> tuple[IntArray, IntArray]:
        """Row of the earlier image and number of the query for each candidate, at most so many a query."""
        probed = min(_PROBED, len(self._centres_CK))
        nearest = [
            np.argpartition(part @ -self._centres_CK.T, probed - 1, axis=1)[:, :probed]
            for part in _blocks(points_MK)
        ]
        nearest_MP = np.concatenate([np.empty((0, probed), np.int64), *nearest])
        order = np.argsort(nearest_MP, axis=None, kind="stable")  # by cell
        starts = np.searchsorted(nearest_MP.ravel()[order], np.arange(len(self._centres_CK) + 1))
        found = []
        for cell, (start, end) in enumerate(itertools.pairwise(starts)):
            members, queries = np.flatnonzero(self._cell_N == cell), order[start:end] // probed
            alike = points_MK[queries] @ self._points_NK[members].T
            earlier = self._place[members] < self._place[later_M[queries]][:, None]
            row, column = np.nonzero((alike >= _LEAST) & earlier)
            found.append((members[column], queries[row], alike[row, column]))
        first, query, likest = (np.concatenate(columns) for columns in zip(*found, strict=True))
        order = np.lexsort((first, -likest, query))
        rank = np.arange(len(order)) - np.searchsorted(query[order], query[order])
        kept = order[rank < self._candidates]
        return first[kept], query[kept]

    def _along_axes(self, small_NHW: UInt8Array) -> FloatArray:
        return _unit((_differences(small_NHW, _COARSE) - self._mean_D) @ self._axes_DK)


def _blocks(array: NDArray[ScalarT]) -> Iterator[NDArray[ScalarT]]:
    return (array[start : start + _BLOCK] for start in range(0, len(array), _BLOCK))


def _unit(vectors_NK: NDArray[np.floating[Any]]) -> FloatArray:
    lengths_N1 = np.maximum(np.linalg.norm(vectors_NK, axis=1, keepdims=True), 1e-6)
    return np.asarray(vectors_NK / lengths_N1, np.float32)


def _differences(small_NHW: UInt8Array, averaged: int) -> FloatArray:
    """Differences between neighbours of averaged pixels, float32 (N, D), of length 1, or less for faint images."""
    rows = small_NHW[:, ::averaged].astype(np.uint16)
    for start in range(1, averaged):
        rows += small_NHW[:, start::averaged]
    sums = rows[:, :, ::averaged].copy()
    for start in range(1, averaged):
        sums += rows[:, :, start::averaged]
    means = sums / np.float32(averaged**2)
    both = [np.diff(means, axis=axis).reshape(len(means), -1) for axis in (2, 1)]
    differences_ND: FloatArray = np.concatenate(both, axis=1)
    least = _FAINT * differences_ND.shape[1] ** 0.5
    differences_ND /= np.maximum(np.linalg.norm(differences_ND, axis=1, keepdims=True), least)
    return differences_ND


def _likeness(these_PHW: UInt8Array, those_PHW: UInt8Array) -> FloatArray:
    """Correlation of the differences of each pair, float32 (P,), the largest over all moves."""
    best: FloatArray = np.einsum("pd,pd->p", _differences(these_PHW, _FINE), _differences(those_PHW, _FINE))
    side = _SIDE - 2 * _MOVES
    inner = _differences(those_PHW[:, _MOVES:-_MOVES, _MOVES:-_MOVES], _FINE)
    for down, across in itertools.product(range(2 * _MOVES + 1), repeat=2):
        moved = these_PHW[:, down : down + side, across : across + side]
        best = np.maximum(best, np.einsum("pd,pd->p", _differences(moved, _FINE), inner))
    return best
