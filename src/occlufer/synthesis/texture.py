"""The skin's texture: lips, brows, beard, creases and wrinkles, painted on the map of directions of `mesh.py`.

It has four channels, float32 (304, 304, 4): how much lip colour, how much hair, darkening (1 leaves nothing of the
light), and relief (height, shaded by the renderer with the light of the scene, so that a wrinkle is never a pencil
line).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np

from occlufer.synthesis.deform import UNIT_NAMES
from occlufer.synthesis.identity import HAIR_STYLES, Identity
from occlufer.synthesis.mesh import EYE_RINGS, LIPS_RING, MOUTH_RING, TEXTURE_SIZE, mean_head
from occlufer.types import FloatArray, seeded_rng

_SHIFT = 4
LINES: dict[str, tuple[tuple[int, ...], ...]] = {
    "forehead": ((69, 108, 151, 337, 299), (67, 109, 10, 338, 297), (105, 66, 107, 9, 336, 296, 334)),
    "glabella": ((107, 55, 193), (336, 285, 417)),
    "bunny": ((122, 196, 197, 419, 351), (193, 168, 417)),
    "crows_feet": ((130, 143), (130, 156), (226, 111), (359, 372), (359, 383), (446, 340)),
    "under_eye": ((232, 231, 230, 229, 228), (452, 451, 450, 449, 448)),
    "nasolabial": ((129, 203, 206, 216, 212), (358, 423, 426, 436, 432)),
    "marionette": ((57, 202, 204), (287, 422, 424)),
    "chin": ((182, 83, 18, 313, 406),),
    "lid_crease": ((30, 29, 27, 28, 56), (260, 259, 257, 258, 286)),
    "alar": ((198, 129, 64, 98), (420, 358, 294, 327)),
}
_WIDTHS = {"forehead": 2.2, "glabella": 2.0, "nasolabial": 2.8, "under_eye": 2.4, "crows_feet": 1.6, "chin": 3.0,
           "lid_crease": 0.9, "alar": 1.5, "bunny": 1.8, "marionette": 2.4}  # fmt: skip

# line -> ({action unit: depth at weight 1}, depth at 75 years)
_WRINKLES: dict[str, tuple[dict[int, float], float]] = {
    "forehead": ({1: 0.5, 2: 0.6}, 0.5),
    "glabella": ({4: 1.0, 9: 0.5}, 0.3),
    "bunny": ({9: 1.0}, 0.05),
    "crows_feet": ({6: 0.9, 9: 0.2}, 0.55),
    "under_eye": ({6: 0.6, 7: 0.5, 9: 0.3}, 0.55),
    "nasolabial": ({12: 1.0, 9: 0.8, 10: 0.8, 20: 0.25, 6: 0.2}, 0.6),
    "marionette": ({15: 0.8}, 0.45),
    "chin": ({17: 0.8}, 0.2),
    "lid_crease": ({5: 0.2}, 0.3),
    "alar": ({9: 0.4, 12: 0.2}, 0.1),
}
_JAW = (127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454,
        356)  # fmt: skip


def _uv(points: Sequence[int]) -> FloatArray:
    return mean_head().uv_V2[list(points)]


def _blank() -> FloatArray:
    return np.zeros((TEXTURE_SIZE, TEXTURE_SIZE), np.float32)


def _filled(outline_K2: FloatArray, blur: float) -> FloatArray:
    mask = _blank()
    cv2.fillPoly(mask, [np.rint(outline_K2 * (1 << _SHIFT)).astype(np.int32)], (1.0,), cv2.LINE_8, _SHIFT)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), blur), np.float32)


def _smooth_path(points_K2: FloatArray, count: int = 24) -> FloatArray:
    """A curve through the points, float32 (count, 2)."""
    place = np.linspace(0, 1, len(points_K2))
    fine = np.linspace(0, 1, count)
    linear = np.stack([np.interp(fine, place, points_K2[:, axis]) for axis in range(2)], 1)
    kernel = np.array([1, 2, 3, 2, 1]) / 9
    padded = np.concatenate([2 * linear[:1] - linear[2:0:-1], linear, 2 * linear[-1:] - linear[-2:-4:-1]])
    return np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in range(2)], 1).astype(
        np.float32
    )


@cache
def _line_map(name: str) -> FloatArray:
    """0..1: near 1 on the lines of that name, fading along their ends and to the sides."""
    mask = _blank()
    for line in LINES[name]:
        path = _smooth_path(_uv(line))
        level = np.sin(np.linspace(0.12, np.pi - 0.12, len(path) - 1)) ** 0.7
        for start, end, value in zip(path[:-1], path[1:], level, strict=True):
            corners = np.rint(np.stack([start, end]) * 16).astype(np.int32)
            segment = _blank()
            cv2.line(
                segment, corners[0].tolist(), corners[1].tolist(), (float(value),), 1, cv2.LINE_8, _SHIFT
            )
            np.maximum(mask, segment, out=mask)
    width = _WIDTHS[name]
    blurred = cv2.GaussianBlur(mask, (0, 0), width)
    return np.asarray(blurred * (width * 2.2), np.float32)


@cache
def _box(name: str) -> tuple[slice, slice]:
    """The part of the texture where `_line_map` is not 0."""
    y, x = np.nonzero(_line_map(name) > 1e-3)
    return slice(int(y.min()), int(y.max()) + 1), slice(int(x.min()), int(x.max()) + 1)


def _blobs(points: Sequence[int], reach: float) -> FloatArray:
    """1 near the points, falling off with `reach` pixels."""
    seeds = np.ones((TEXTURE_SIZE, TEXTURE_SIZE), np.uint8)
    for x, y in np.rint(_uv(points)).astype(int):
        seeds[y, x] = 0
    distance = cv2.distanceTransform(seeds, cv2.DIST_L2, 5)
    return np.asarray(np.exp(-0.5 * (distance / reach) ** 2), np.float32)


def _along(points: Sequence[int], reach: float) -> FloatArray:
    """1 on the curve through the points, falling off with `reach` pixels."""
    canvas = np.full((TEXTURE_SIZE, TEXTURE_SIZE), 255, np.uint8)
    path = np.rint(_smooth_path(_uv(points), 4 * len(points)) * (1 << _SHIFT)).astype(np.int32)
    cv2.polylines(canvas, [path], False, (0,), 1, cv2.LINE_8, _SHIFT)
    distance = cv2.distanceTransform(canvas, cv2.DIST_L2, 5)
    return np.asarray(np.exp(-0.5 * (distance / reach) ** 2), np.float32)


@cache
def _masks() -> dict[str, FloatArray]:
    """Where things are on every face, 0..1 (304, 304)."""
    lips = _filled(_uv(LIPS_RING), 0.7)
    hole = _filled(_uv(MOUTH_RING), 0.4)
    below = _blank()
    below[int(_uv([2])[0, 1]) :] = 1
    below = np.asarray(cv2.GaussianBlur(below, (0, 0), 4), np.float32)
    no_lips = 1 - np.clip(_filled(_uv(LIPS_RING), 1.2) * 1.6, 0, 1)
    moustache = np.maximum(_along((186, 92, 165, 167, 164), 3.6), _along((164, 393, 391, 322, 410), 3.6))
    moustache = np.clip(moustache * 1.2, 0, 1) * no_lips * below
    chin = np.clip(_blobs((18, 200, 199, 175, 152, 201, 421, 208, 428), 6) * 1.15, 0, 1) * no_lips
    corners = _blobs((57, 287, 43, 273, 202, 422, 204, 424), 3.5) * no_lips
    jaw = _along(_JAW, 8.5) + _along((177, 215, 214, 210, 211), 8) + _along((401, 435, 434, 430, 431), 8)
    jaw = np.clip(jaw, 0, 1) * no_lips
    lash = _blank()
    for ring in EYE_RINGS:
        path = np.rint(_smooth_path(_uv(ring[:9])) * 16).astype(np.int32)
        cv2.polylines(lash, [path], False, (1.0,), 2, cv2.LINE_8, _SHIFT)
    return {
        "lips": np.clip(lips, 0, 1),
        "hole": hole,
        "line": cv2.GaussianBlur(hole, (0, 0), 0.8),
        "blush": _blobs((50, 280, 117, 346), 13) * 0.5 + _blobs((1, 4), 7) * 0.3,
        "moustache": moustache,
        "goatee": np.maximum(np.maximum(chin, moustache * 0.9), corners),
        "full": np.maximum.reduce([jaw, chin, moustache * 0.95, corners]),
        "lash": cv2.GaussianBlur(lash, (0, 0), 0.55),
        "lower_lash": cv2.GaussianBlur(_lower_lash(), (0, 0), 0.7),
        "scalp": _scalp(),
        "shade": _shade(),
        "relief": _fixed_relief(),
    }


def _lower_lash() -> FloatArray:
    mask = _blank()
    for ring in EYE_RINGS:
        path = np.rint(_smooth_path(_uv((*ring[8:], ring[0]))) * 16).astype(np.int32)
        cv2.polylines(mask, [path], False, (1.0,), 1, cv2.LINE_8, _SHIFT)
    return mask


def _scalp() -> FloatArray:
    """The hairline of a shaved head, soft."""
    y, x = np.mgrid[:TEXTURE_SIZE, :TEXTURE_SIZE].astype(np.float32)
    from_front = np.hypot(x - TEXTURE_SIZE / 2, y - TEXTURE_SIZE / 2)
    top = _uv([10])[0]
    limit = np.hypot(*(top - TEXTURE_SIZE / 2)) + 4
    turn = np.abs(np.arctan2(x - TEXTURE_SIZE / 2, TEXTURE_SIZE / 2 - y))  # 0 upwards
    limit = limit + 9 * np.clip(turn / 0.6, 0, 1) + 36 * np.clip((turn - 0.75) / 0.7, 0, 1.4)
    return np.asarray((turn < 2.1) / (1 + np.exp(-(from_front - limit) / 3.0)), np.float32)


def _shade() -> FloatArray:
    """Light that never gets into hollows."""
    shade = 0.16 * _blobs((56, 190, 286, 414, 28, 258), 6) + 0.1 * _blobs((193, 417, 244, 464), 5)
    shade += 0.14 * _line_map("alar") + 0.10 * _blobs((18, 83, 313), 4)
    shade += 0.10 * _blobs((61, 291), 3.0) + 0.22 * _line_map("lid_crease")
    shade += 0.55 * _blobs((241, 461, 238, 458), 2.0)  # nostrils
    shade += 0.07 * _blobs((230, 450, 231, 451), 5)
    return np.asarray(shade, np.float32)


def _fixed_relief() -> FloatArray:
    philtrum = _filled(_uv((97, 2, 326, 267, 0, 37)), 2.0) - 1.6 * _filled(_uv((2, 0)), 1.0)
    lips = _filled(_uv(LIPS_RING), 1.6)
    return np.asarray(0.5 * lips - 0.2 * philtrum - 0.12 * _line_map("nasolabial"), np.float32)


def _noise(rng: np.random.Generator, grain: float, size: int = TEXTURE_SIZE) -> FloatArray:
    """Smooth noise, mean 0, standard deviation 1; grain in pixels."""
    small = max(4, round(size / grain))
    coarse = rng.standard_normal((small, small), np.float32)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def brow_outline(shape: tuple[float, float, float], side: int) -> FloatArray:
    """Outline of one brow in texture pixels, float32 (K, 2); side 0 is the image's left."""
    pairs = [(107, 55), (66, 65), (105, 52), (63, 53), (70, 46)]
    if side:
        mirror = mean_head().mirror_N
        pairs = [(int(mirror[a]), int(mirror[b])) for a, b in pairs]
    upper, lower = _uv([pair[0] for pair in pairs]), _uv([pair[1] for pair in pairs])
    middle: FloatArray = upper * np.float32(0.45) + lower * np.float32(0.55)
    middle[:, 1] -= shape[1] * np.array([0.0, 0.8, 1.6, 1.2, 0.0])
    middle = _smooth_path(middle, 12)
    width = np.interp(np.linspace(0, 4, 12), range(5), (1.4, 1.9, 1.8, 1.4, 0.5)) * shape[0]
    half = width.astype(np.float32)[:, None] * np.array([0.1, 1], np.float32)
    return np.concatenate([middle - half, (middle + half)[::-1]])


def paint(identity: Identity, units: FloatArray) -> FloatArray:
    """The texture of one face, float32 (304, 304, 4), see the module.

    Args:
        identity: whose skin.
        units: weights of the action units in the order of `UNIT_NAMES`.
    """
    masks = _masks()
    weight = dict(zip(UNIT_NAMES, units.tolist(), strict=True))
    rng = seeded_rng(identity.seed, 1)
    fine, mottle = _noise(rng, 1.5), _noise(rng, 14)
    ageing = float(np.clip((identity.age - 28) / 47, 0, 1))

    lips = masks["lips"] + masks["blush"] * (0.2 if identity.skin_type < 4 else 0.08)
    dark = masks["shade"] + 0.014 * identity.marks[1] * mottle + 0.012 * fine
    dark += 0.1 * ageing * _line_map("under_eye")
    if identity.marks[0] > 0.15:
        spots = np.clip(_noise(rng, 2.2) - 1.2, 0, 1) * np.clip(masks["blush"] * 3 + 0.15, 0, 1)
        dark += 0.3 * min(identity.marks[0], 1.0) * spots
    relief = masks["relief"].copy()
    for name, (causes, old) in _WRINKLES.items():
        depth = sum(value * weight[unit] for unit, value in causes.items())
        depth = depth * (0.5 + 0.5 * ageing) + old * ageing
        if depth > 0.02:
            box = _box(name)
            line = _line_map(name)[box]
            relief[box] -= 0.9 * depth * line
            dark[box] += 0.1 * depth * line
    return np.asarray(cv2.merge([lips, _hair(identity, fine), dark, relief]), np.float32)


def _hair(identity: Identity, fine: FloatArray) -> FloatArray:
    """Brows, lashes, beard and shaved scalp, 0..1."""
    masks = _masks()
    brows = _blank()
    for side in (0, 1):
        outline = np.rint(brow_outline(identity.brow_shape, side) * 16).astype(np.int32)
        cv2.fillPoly(brows, [outline], (1.0,), cv2.LINE_8, _SHIFT)
    brows = np.asarray(cv2.GaussianBlur(brows, (0, 0), 0.9), np.float32)
    hair = brows * identity.brow_shape[2] * (0.9 + 0.2 * fine)
    lashes = 0.95 - 0.25 * identity.masculine
    hair = np.maximum(hair, np.maximum(masks["lash"] * lashes, masks["lower_lash"] * 0.3))
    if identity.beard != "none":
        name = "full" if identity.beard == "stubble" else identity.beard
        strength = 0.34 if identity.beard == "stubble" else 0.92
        beard = np.clip(masks[name] * 1.5 - 0.25 + 0.12 * fine, 0, 1)
        hair = np.maximum(hair, strength * beard * (0.88 + 0.12 * fine))
    stubble = HAIR_STYLES[identity.style].stubble
    if stubble:
        hair = np.maximum(hair, stubble * masks["scalp"] * (0.75 + 0.15 * fine))
    return np.asarray(np.clip(hair, 0, 1), np.float32)
