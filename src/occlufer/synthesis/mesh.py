"""The head that every drawn face is deformed from: the mean 468-point face, carried on to skull, ears and neck.

Units: the distance of the eyes' centres is 1. The origin lies half-way between the eyes; x right and y down as in an
image of the face, z away from the viewer. `scripts/make_mean_mesh.py` says what the 468 points were made from.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from occlufer.landmarks.topology import FACE_OVAL
from occlufer.types import LANDMARK_COUNT, FloatArray, IntArray

# Rings of points from the corner on the image's left, over the upper lid (lip), back along the lower one.
EYE_RINGS: tuple[tuple[int, ...], ...] = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382),
)
MOUTH_RING: tuple[int, ...] = (
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95,
)  # fmt: skip
LIPS_RING: tuple[int, ...] = (
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146,
)  # fmt: skip
SKIN, EYE, MOUTH, EAR, NECK, CLOTH = range(6)
"""Materials of triangles."""

Points = NDArray[Any]

CENTRE = np.array([0.0, 0.1, 1.05])
"""The middle of the head: the texture is a map of directions from here."""
_BACK = np.array([0.0, -0.25, 2.55])
_CRANIUM = np.array([1.2, 1.72, 1.5])  # half axes of the skull around `CENTRE`
_RING_STEPS = np.array([0.1, 0.22, 0.36, 0.52, 0.7, 0.86])
TEXTURE_SIZE = 304
_TEXTURE_ANGLE = np.deg2rad(118.75)  # from the front to the texture's border; what lies behind is plain


@dataclass(frozen=True, slots=True)
class Head:
    """The mean head. V vertices, of which the first 468 are the landmarks; T triangles.

    Attributes:
        vertices_V3: float32, head units.
        triangles_T3: int64, wound clockwise on the screen when they face the viewer.
        materials_T: int64, `SKIN` and so on.
        uv_V2: float32, pixels of the texture.
        mirror_N: int64 (468,), the landmark across the midline.
        follow_V: int64, the landmark whose deformations a vertex follows (itself for landmarks), -1 for none.
        follow_weight_V: float32, how much of them.
        shade_V: float32, darkening of ears and neck, 0..1.
    """

    vertices_V3: FloatArray
    triangles_T3: IntArray
    materials_T: IntArray
    uv_V2: FloatArray
    mirror_N: IntArray
    follow_V: IntArray
    follow_weight_V: FloatArray
    shade_V: FloatArray


def texture_position(points_V3: FloatArray) -> FloatArray:
    """Azimuthal equidistant map of directions from the head's centre, in texture pixels, float32 (V, 2)."""
    direction = points_V3 - CENTRE
    across = np.hypot(direction[:, 0], direction[:, 1])
    angle = np.arctan2(across, -direction[:, 2])
    radius = np.minimum(angle / _TEXTURE_ANGLE, 0.99) * (TEXTURE_SIZE / 2)
    unit = direction[:, :2] / np.maximum(across, 1e-6)[:, None]
    return np.asarray(unit * radius[:, None] + TEXTURE_SIZE / 2, np.float32)


@cache
def mean_face() -> tuple[FloatArray, IntArray, IntArray]:
    """Vertices float32 (468, 3), triangles int64 (852, 3) and mirror int64 (468,) of the mean face."""
    with (
        resources.files(__package__).joinpath("mean_mesh.npz").open("rb") as handle,
        np.load(handle) as stored,
    ):
        return (
            stored["vertices"].astype(np.float32),
            stored["triangles"].astype(np.int64),
            stored["mirror"].astype(np.int64),
        )


class _Builder:
    """Collects vertices and triangles."""

    def __init__(self) -> None:
        face, triangles, self.mirror = mean_face()
        self.vertices = [np.asarray(face, np.float64)]
        self.count = LANDMARK_COUNT
        self.triangles = [triangles]
        self.materials = [np.full(len(triangles), SKIN)]
        self.follow = [np.arange(LANDMARK_COUNT)]
        self.weight = [np.ones(LANDMARK_COUNT)]
        self.shade = [np.zeros(LANDMARK_COUNT)]
        self.face = face

    def add_vertices(
        self,
        points: Points,
        follow: Points | int,
        weight: Points | float,
        shade: Points | float = 0.0,
    ) -> int:
        """Returns the index of the first one."""
        first = self.count
        self.vertices.append(points)
        self.follow.append(np.broadcast_to(follow, len(points)))
        self.weight.append(np.broadcast_to(weight, len(points)))
        self.shade.append(np.broadcast_to(shade, len(points)))
        self.count += len(points)
        return first

    def add_triangles(self, triangles: Points, material: int, inside: Points | None = None) -> None:
        """Wound so that they face away from the point(s) `inside`, where given."""
        triangles = np.array(triangles)
        if inside is not None:
            points = np.concatenate(self.vertices)[triangles]
            normal = -np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
            inward = ((points.mean(1) - inside) * normal).sum(1) < 0
            triangles[inward] = triangles[inward][:, [0, 2, 1]]
        self.triangles.append(triangles)
        self.materials.append(np.full(len(triangles), material))


def _slerp(start: Points, end: Points, share: float) -> Points:
    angle = np.arccos(np.clip((start * end).sum(-1, keepdims=True), -1, 1))
    return np.asarray((np.sin((1 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle))


def _quads(rows: list[Points], closed: bool) -> Points:
    """Two triangles for each cell of a grid of vertex indices."""
    cells = []
    for upper, lower in pairwise(rows):
        size = len(upper)
        for k in range(size if closed else size - 1):
            after = (k + 1) % size
            cells += [(upper[k], upper[after], lower[k]), (upper[after], lower[after], lower[k])]
    return np.array(cells)


def _add_skull(build: _Builder) -> None:
    """Rings from the face oval to a pole at the back: one skin with the face, so that a bald head has no seam."""
    oval = np.array(FACE_OVAL)
    offset = build.face[oval] - CENTRE
    radius = np.linalg.norm(offset, axis=1, keepdims=True)
    start = offset / radius
    pole = (_BACK - CENTRE) / np.linalg.norm(_BACK - CENTRE)
    rows = [oval]
    for share in _RING_STEPS:
        direction = _slerp(start, np.broadcast_to(pole, start.shape), float(share))
        ellipsoid = 1 / ((np.abs(direction / _CRANIUM) ** 2.3).sum(1, keepdims=True)) ** (1 / 2.3)
        below = np.clip(direction[:, 1:2] * 1.6, 0, 1)  # under the jaw the skin turns in at once
        ellipsoid = ellipsoid * (1 - 0.2 * below)
        keep = np.exp(-share * (5 + 5 * below))
        points = CENTRE + direction * (ellipsoid + keep * (radius - ellipsoid))
        first = build.add_vertices(points, oval, np.exp(-share * 4))
        rows.append(np.arange(first, first + len(oval)))
    last = build.add_vertices(_BACK[None], -1, 0.0)
    build.add_triangles(_quads(rows, closed=True), SKIN, CENTRE)
    ring = rows[-1]
    build.add_triangles(
        np.array([(ring[k], ring[(k + 1) % len(ring)], last) for k in range(len(ring))]), SKIN, CENTRE
    )


_EAR_ROWS, _EAR_COLUMNS = 11, 7


def _add_ears(build: _Builder) -> None:
    """A curved leaf each side, rooted inside the skull so that it never comes off when the head turns."""
    out = np.linspace(0, 1, _EAR_COLUMNS)
    for side in (-1, 1):
        rows = []
        for t in np.sin(np.linspace(-np.pi / 2, np.pi / 2, _EAR_ROWS)):
            middle = np.sqrt(max(1 - t * t, 0.0))
            width = 0.52 * middle**0.9 * (1 - 0.28 * t)
            hollow = -0.1 * np.sin(np.pi * out) * middle + 0.04 * out**4
            x = 1.05 + 0.07 * middle + out * width * 0.55 + hollow - 0.03 * t
            z = 1.02 + out * width * 0.8 - hollow * 0.3 - 0.07 * t
            y = 0.34 + 0.5 * t - 0.05 * out
            shade = 0.3 * np.sin(np.pi * np.clip(out * 1.15, 0, 1)) ** 2 * middle**2 * (t < 0.6)
            first = build.add_vertices(
                np.stack([side * x, y, z], 1), 234 if side < 0 else 454, 0.8, shade=shade + 0.03
            )
            rows.append(np.arange(first, first + _EAR_COLUMNS))
        build.add_triangles(_quads(rows, closed=False), EAR, np.array([side * 0.2, 0.36, 1.9]))


def _add_fans(build: _Builder) -> None:
    """Eyes and mouth: a fan over each hole, so that what lies behind is drawn exactly inside it."""
    for ring, material in ((EYE_RINGS[0], EYE), (EYE_RINGS[1], EYE), (MOUTH_RING, MOUTH)):
        points = np.array(ring)
        first = build.add_vertices(build.face[points].mean(0, keepdims=True).astype(np.float64), -1, 0.0)
        build.add_triangles(
            np.array([(points[k], points[(k + 1) % len(points)], first) for k in range(len(points))]),
            material,
        )


_NECK_ROWS = (  # height, half width, half depth, centre z
    (0.75, 0.8, 0.8, 1.35), (1.3, 0.8, 0.76, 1.3), (1.75, 0.79, 0.72, 1.3), (2.05, 0.84, 0.72, 1.35),
    (2.25, 1.0, 0.78, 1.4), (2.33, 1.08, 0.82, 1.4), (2.46, 1.75, 0.92, 1.45), (2.7, 2.6, 1.0, 1.5),
    (3.4, 3.1, 1.1, 1.5), (6.0, 3.2, 1.2, 1.5),
)  # fmt: skip
NECK_ROWS, NECK_COLUMNS = len(_NECK_ROWS), 16
_COLLAR_ROW = 4


def _add_neck(build: _Builder) -> None:
    angle = np.linspace(0, 2 * np.pi, NECK_COLUMNS, endpoint=False)
    rows = []
    for y, width, depth, z in _NECK_ROWS:
        points = np.stack([width * np.sin(angle), np.full(NECK_COLUMNS, y), z - depth * np.cos(angle)], 1)
        first = build.add_vertices(points, -1, 0.0, shade=0.13)
        rows.append(np.arange(first, first + NECK_COLUMNS))
    centre = np.array([0, 2.0, 1.4])
    build.add_triangles(_quads(rows[: _COLLAR_ROW + 1], closed=True), NECK, centre)
    build.add_triangles(_quads(rows[_COLLAR_ROW:], closed=True), CLOTH, np.array([0, 3.5, 1.4]))


@cache
def mean_head() -> Head:
    """The mean head, built once in a process; never change its arrays."""
    build = _Builder()
    _add_fans(build)
    _add_skull(build)
    _add_ears(build)
    _add_neck(build)
    vertices = np.concatenate(build.vertices).astype(np.float32)
    return Head(
        vertices_V3=vertices,
        triangles_T3=np.concatenate(build.triangles),
        materials_T=np.concatenate(build.materials),
        uv_V2=texture_position(vertices),
        mirror_N=build.mirror,
        follow_V=np.concatenate(build.follow),
        follow_weight_V=np.concatenate(build.weight).astype(np.float32),
        shade_V=np.concatenate(build.shade).astype(np.float32),
    )


def neck_rows(head: Head) -> IntArray:
    """Vertex indices of the neck and shoulders, int64 (rows, columns), from the skull down."""
    count = NECK_ROWS * NECK_COLUMNS
    return np.arange(len(head.vertices_V3) - count, len(head.vertices_V3)).reshape(NECK_ROWS, NECK_COLUMNS)
