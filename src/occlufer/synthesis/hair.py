"""Hair on the head: a grid of strands from the crown down, held by the head's skin so that it fits every head.

Rows 0 to 9 lie on the head, from the crown (row 0) to below the ears; the rows after them hang from row `HANG_FROM`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from occlufer.synthesis.identity import HAIR_STYLES, Identity
from occlufer.synthesis.mesh import SKIN, mean_head
from occlufer.types import FloatArray, IntArray, seeded_rng

ROWS_ON_HEAD, ROWS_HANGING, COLUMNS = 10, 5, 36
HANG_FROM = 9
_ORIGIN = np.array([0.0, -0.25, 1.05])
_TILT = np.deg2rad(22.0)  # of the crown towards the back
_LAST_ANGLE = np.deg2rad(112.0)
_MAP_HEIGHT, _MAP_WIDTH = 120, 288
_ROWS = ROWS_ON_HEAD + ROWS_HANGING


@dataclass(frozen=True, slots=True)
class HairShell:
    """Hair as a surface.

    Attributes:
        points_V3: float32, head units.
        triangles_T3: int64, clockwise from outside.
        map_V2: positions in `strands_HW4`, pixels, float32.
        strands_HW4: float32: opacity, lightness about 1, and two channels of zeros.
    """

    points_V3: FloatArray
    triangles_T3: IntArray
    map_V2: FloatArray
    strands_HW4: FloatArray


@cache
def _roots() -> tuple[IntArray, FloatArray]:
    """Triangle corners (K, 3) and barycentric weights (K, 3) where the grid meets the mean head's skin."""
    angle = np.linspace(0.08, _LAST_ANGLE, ROWS_ON_HEAD)[:, None]
    turn = np.linspace(-np.pi, np.pi, COLUMNS + 1)[None]
    # A frame with the crown as its pole: y' towards the crown, z' to the front.
    up, front = np.cos(angle) * np.ones_like(turn), np.sin(angle) * np.cos(turn)
    side = np.sin(angle) * np.sin(turn)
    y = -(up * np.cos(_TILT) + front * np.sin(_TILT))
    z = up * np.sin(_TILT) - front * np.cos(_TILT)
    rays = np.stack([side, y, z], -1).reshape(-1, 3)
    head = mean_head()
    triangles = head.triangles_T3[head.materials_T == SKIN]
    a, b, c = (head.vertices_V3[triangles[:, corner]].astype(np.float64) for corner in range(3))
    ab, ac = b - a, c - a
    p = np.cross(rays[:, None], ac[None])
    scale = (p * ab).sum(-1)
    scale = np.where(np.abs(scale) < 1e-9, 1e-9, scale)
    s = _ORIGIN - a
    u = (p * s).sum(-1) / scale
    q = np.cross(s, ab)
    v = (rays[:, None] * q[None]).sum(-1) / scale
    distance = (q * ac).sum(-1)[None] / scale
    miss = -np.minimum(np.minimum(u, v), 1 - u - v).clip(None, 0) + 10 * (distance < 0)
    best = miss.argmin(1)
    rows = np.arange(len(rays))
    weights = np.stack([1 - u - v, u, v], -1)[rows, best].clip(-0.2, 1.2)
    return triangles[best], (weights / weights.sum(1, keepdims=True)).astype(np.float32)


@cache
def _hairline() -> FloatArray:
    """Row of the natural hairline for each column, float32 (37,): forehead, temples, in front of the ears."""
    turn = np.abs(np.linspace(-180, 180, COLUMNS + 1))
    return np.interp(
        turn, [0, 20, 36, 46, 58, 70, 82, 100, 180], [6.4, 6.35, 6.1, 6.6, 7.6, 8.7, 9.5, 9.8, 9.9]
    ).astype(np.float32)


@cache
def _grid() -> tuple[IntArray, FloatArray]:
    """Triangles and map positions of the grid, all rows."""
    width = COLUMNS + 1
    index = np.arange(_ROWS * width).reshape(_ROWS, width)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    triangles = np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([b, d, c], -1).reshape(-1, 3)]
    )
    row, column = np.mgrid[:_ROWS, :width].astype(np.float32)
    where = np.stack([column * (_MAP_WIDTH - 1) / COLUMNS, row * (_MAP_HEIGHT - 1) / (_ROWS - 1)], -1)
    return triangles, where.reshape(-1, 2).astype(np.float32)


def grow(identity: Identity, head_V3: FloatArray, normals_V3: FloatArray) -> HairShell | None:
    """The hair of a person on a deformed head; None for bald and shaved heads.

    Args:
        identity: whose hair.
        head_V3, normals_V3: the head before it is turned, head units.
    """
    style = HAIR_STYLES[identity.style]
    if not style.cover:
        return None
    rng = seeded_rng(identity.seed, 2)
    corners, weights = _roots()
    shape = (ROWS_ON_HEAD, COLUMNS + 1, 3)
    skin = (head_V3[corners] * weights[..., None]).sum(1).reshape(shape)
    normal = (normals_V3[corners] * weights[..., None]).sum(1).reshape(shape)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    limit = _limit(identity)
    row = np.arange(ROWS_ON_HEAD, dtype=np.float32)[:, None]
    taper = 0.12 + 0.88 * np.clip((limit[None] + 0.4 - row) / 2.2, 0, 1)
    thick = np.interp(row, [2, 7], style.volume) * taper
    bumps = cv2.resize(rng.standard_normal((5, 9)).astype(np.float32), (COLUMNS + 1, ROWS_ON_HEAD))
    small = rng.standard_normal((ROWS_ON_HEAD, COLUMNS + 1)).astype(np.float32)
    bumps[:, -1], small[:, -1] = bumps[:, 0], small[:, 0]
    thick = thick * (1 + 0.16 * bumps + (0.05 + 0.16 * style.curl) * small).clip(0.3, 2)
    points = skin + normal * thick[..., None] + np.array([0, -0.3, 0.1]) * thick[..., None]
    hanging = _hanging(points[HANG_FROM], style.hang, style.curl, rng)
    triangles, where = _grid()
    row_of, column_of = np.divmod(triangles, COLUMNS + 1)
    visible = triangles[
        (row_of.min(1) < limit[column_of].max(1) + 0.8)
        & (row_of.max(1) < _ROWS if style.hang else row_of.max(1) < ROWS_ON_HEAD)
    ]
    return HairShell(
        points_V3=np.concatenate([points, hanging]).reshape(-1, 3).astype(np.float32),
        triangles_T3=visible,
        map_V2=where,
        strands_HW4=_strands(identity, limit, rng),
    )


def _limit(identity: Identity) -> FloatArray:
    """Row at which the hair ends, for each column, float32 (37,)."""
    style = HAIR_STYLES[identity.style]
    turn = np.abs(np.linspace(-180, 180, COLUMNS + 1))
    front = np.interp(turn, [0, 30, 62], [1, 0.85, 0])
    limit = _hairline() + style.front * front
    limit = limit + style.side * np.interp(turn, [50, 66, 95, 120], [0, 1, 1, 0])
    if style.hang:
        limit = np.where(turn > 64, _ROWS + 2.0, limit)
    recede = np.clip((identity.age - 35) / 40, 0, 1) * identity.masculine
    limit = (
        limit
        - 0.5 * recede * front
        - 0.5 * recede * np.exp(-0.5 * ((turn - 36) / 9) ** 2) * (style.front < 1)
    )
    return np.asarray(cv2.GaussianBlur(limit.astype(np.float32)[None], (5, 1), 0.9)[0], np.float32)


def _hanging(start: FloatArray, length: float, curl: float, rng: np.random.Generator) -> FloatArray:
    """Rows that fall from `start` (37, 3), float32 (5, 37, 3)."""
    share = np.linspace(0, 1, ROWS_HANGING + 1)[1:, None]
    turn = np.linspace(-np.pi, np.pi, COLUMNS + 1)[None]
    wave = 0.05 + 0.13 * curl
    swing = wave * np.sin(share * rng.uniform(5, 9) + rng.uniform(0, 6)) + 0.07 * share
    out = 1 + swing - 0.12 * share**2
    x = start[None, :, 0] * out + 0.0 * turn
    y = start[None, :, 1] + length * share * (1 + 0.06 * np.sin(turn * 5 + 1))
    z = start[None, :, 2] + 0.05 * share
    return np.stack([x, y, z], -1)


def _strands(identity: Identity, limit: FloatArray, rng: np.random.Generator) -> FloatArray:
    style = HAIR_STYLES[identity.style]
    noise = rng.standard_normal((_MAP_HEIGHT, _MAP_WIDTH)).astype(np.float32)
    if style.curl > 0.8:
        strand = cv2.GaussianBlur(noise, (0, 0), 2.0) * 6 + cv2.GaussianBlur(noise, (0, 0), 5) * 9
    else:
        along = 9.0 - 5 * style.curl
        strand = cv2.GaussianBlur(noise, (0, 0), sigmaX=0.9, sigmaY=along) * 4.5
        strand += cv2.GaussianBlur(noise, (0, 0), sigmaX=4, sigmaY=14) * 9
    strand /= max(float(strand.std()), 1e-3)
    row = np.linspace(0, _ROWS - 1, _MAP_HEIGHT, dtype=np.float32)[:, None]
    end = np.interp(np.linspace(0, COLUMNS, _MAP_WIDTH), np.arange(COLUMNS + 1), limit)
    jag = cv2.GaussianBlur(rng.standard_normal((1, _MAP_WIDTH)).astype(np.float32), (0, 0), 1.1)[0] * 1.8
    ragged = 0.2 if style.front > 0.5 else 0.1
    jag = ragged * (jag + 0.7 * strand.mean(0))
    soft = 0.7
    opacity = np.clip((end + jag - row) / soft + 0.5, 0, 1)
    tips = _ROWS - 1.6 + 2.0 * jag - row
    opacity = np.minimum(opacity, np.clip(tips / 0.8 + 0.5, 0, 1))
    thin = 0.84 + 0.16 * np.clip((end[None] - row) / 1.0, 0, 1) + 0.03 * strand
    opacity = opacity * np.clip(thin, 0.75, 1)
    part = np.linspace(-180, 180, _MAP_WIDTH)[None] - identity.parting
    light = 1 + 0.17 * strand
    if not style.curl and style.volume[0] > 0.1:
        light = light - 0.35 * np.exp(-0.5 * (part / 3.0) ** 2) * (row < 5.5)
    light = light * (0.72 + 0.28 * np.clip((end[None] - row) / 1.0 + 0.2, 0, 1))
    zero = np.zeros_like(opacity, np.float32)
    planes = [opacity.astype(np.float32), light.astype(np.float32), zero, zero]
    return np.asarray(cv2.merge(planes), np.float32)
