"""Other headsets, unrolled into a band: slim VR, ski-goggle mixed reality, and tethered VR with its straps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np

from occlufer.occlusion.band import PLATE_EDGE, STRAP_END
from occlufer.occlusion.compositing import Template
from occlufer.occlusion.templates.artwork import Artwork, combined, known_shares
from occlufer.occlusion.templates.drawing import Canvas, bump, over, smooth, smoothstep, symmetric, weave
from occlufer.occlusion.templates.visor import COLOURS
from occlufer.types import FloatArray

_CANVAS = Canvas(half_width=1.75, top=-0.45, bottom=0.5, resolution=200)
_TALL = Canvas(half_width=1.75, top=-0.98, bottom=0.5, resolution=200)

_SLIM = (
    (0.0, -0.31), (0.35, -0.318), (0.62, -0.312), (0.76, -0.275), (0.83, -0.18), (0.85, -0.02), (0.82, 0.14),
    (0.74, 0.25), (0.60, 0.31), (0.42, 0.33), (0.27, 0.315), (0.165, 0.255), (0.085, 0.19), (0.0, 0.17),
)  # fmt: skip
_SKI = (
    (0.0, -0.335), (0.30, -0.335), (0.58, -0.31), (0.80, -0.255), (0.97, -0.16), (1.04, -0.02), (1.0, 0.12),
    (0.87, 0.225), (0.68, 0.30), (0.48, 0.34), (0.32, 0.325), (0.20, 0.26), (0.10, 0.185), (0.0, 0.165),
)  # fmt: skip
_BOX = (
    (0.0, -0.325), (0.30, -0.33), (0.60, -0.325), (0.70, -0.295), (0.94, -0.20), (1.02, -0.14), (1.05, -0.05),
    (1.03, 0.07), (0.96, 0.145), (0.74, 0.27), (0.62, 0.325), (0.42, 0.335), (0.26, 0.31), (0.16, 0.25),
    (0.08, 0.19), (0.0, 0.17),
)  # fmt: skip
_DIMPLES = (
    (0.12, -0.19),
    (0.36, -0.20),
    (0.54, -0.08),
    (0.30, -0.02),
    (0.50, 0.14),
    (0.30, 0.18),
    (0.0, 0.02),
)
Layer = tuple[FloatArray, FloatArray]
"""Straight colour 0..255 (h, w, 3) and coverage 0..1 (h, w)."""


class HeadMounted(Artwork):
    """Headsets of three more silhouettes.

    Args:
        kinds: weights of `KINDS`.
        colours: weights of `visor.COLOURS`.
    """

    def __init__(self, *, kinds: Mapping[str, float], colours: Mapping[str, float]) -> None:
        shapes = known_shares("headset kind", kinds, KINDS)
        super().__init__(combined(shapes, known_shares("headset colour", colours, COLOURS)))

    def template(self, variant: str) -> Template:
        """The headset of a kind and colour, as "slim black"."""
        return _draw(*variant.split())


@functools.lru_cache(maxsize=16)
def _draw(kind: str, colour: str) -> Template:
    return KINDS[kind](np.array(COLOURS[colour], np.float32))


def _strap(canvas: Canvas, start: float, half: float, shade: float, ribs: float = 0.0) -> Layer:
    """A strap from `start` to behind the head, `half` its height."""
    y = canvas.grid()[1]
    upper = [(start, -half * 1.25), (1.3, -half * 1.05), (STRAP_END, -half)]
    path = [*upper, *((u, -v) for u, v in reversed(upper))]
    right = canvas.fill(path)
    light = (
        shade
        + 26 * bump(0.0, half * 0.7, y)
        - ribs * smoothstep(0.2, 0.8, np.sin(150 * y).astype(np.float32))
    )
    cloth = weave(canvas, 0.006, 0.05) * light
    return np.dstack([cloth] * 3).astype(np.float32), np.maximum(right, right[:, ::-1])


def _grown(outline: tuple[tuple[float, float], ...], by: float) -> list[tuple[float, float]]:
    """A half outline a little larger, for the pad that touches the face."""
    return [(x * (1 + by), y + np.sign(y) * by) for x, y in outline]


def _finish(canvas: Canvas, layers: list[Layer], touching: FloatArray) -> Template:
    """Lay the layers over the shadow of what touches the face."""
    shadow = np.clip(canvas.soften(touching, 0.03) * 0.6, 0, 1)
    picture, alpha = np.zeros((*canvas.hw, 3), np.float32), shadow.astype(np.float32)
    for colour, coverage in layers:
        picture, alpha = over(picture, alpha, colour.astype(np.float32), coverage)
    return canvas.template(np.clip(picture, 0, 255), alpha, body=touching)


def _lit(colour: FloatArray, light: FloatArray, shine: FloatArray | float = 0.0) -> FloatArray:
    lit: FloatArray = (colour * light[..., None] + np.asarray(shine, np.float32)[..., None]).astype(
        np.float32
    )
    return lit


def _slim(colour: FloatArray) -> Template:
    """A thin headset: a flat shield of dark glass in a light frame, worn like large glasses."""
    x, y = _CANVAS.grid()
    shell, pad = (_CANVAS.fill(smooth(symmetric(half))) for half in (_SLIM, _grown(_SLIM, 0.02)))
    depth = _CANVAS.depth(shell)
    light = (
        1.05 - 0.28 * smoothstep(-0.28, 0.33, y) - 0.25 * smoothstep(PLATE_EDGE, PLATE_EDGE + 0.12, np.abs(x))
    )
    frame = _lit(colour, light + 0.12 * bump(0.02, 0.012, depth) * (y < 0))
    glass = smoothstep(0.045, 0.055, depth)
    sheen = 42 * smoothstep(0.12, 0.0, np.abs(y + 0.2 - 0.10 * np.abs(x))) + 14 * smoothstep(0.1, -0.3, y)
    # The lenses shimmer through the glass.
    sheen = sheen + 12 * bump(0.19, 0.015, np.sqrt((np.abs(x) - 0.36) ** 2 + y**2).astype(np.float32))
    pane = np.dstack([24 + sheen, 25 + sheen, 30 + 1.1 * sheen])
    return _finish(
        _CANVAS,
        [_strap(_CANVAS, 0.78, 0.05, 60), (np.full_like(frame, 34.0), pad), (frame, shell), (pane, glass)],
        pad,
    )


def _ski(colour: FloatArray) -> Template:
    """Mixed reality in the shape of ski goggles: one curved pane, a soft frame and a wide knitted band."""
    x, y = _CANVAS.grid()
    shell, pad = (_CANVAS.fill(smooth(symmetric(half))) for half in (_SKI, _grown(_SKI, 0.025)))
    depth, across = _CANVAS.depth(shell), np.abs(x)
    frame = _lit(colour, 1.02 - 0.25 * smoothstep(-0.28, 0.33, y) + 0.10 * bump(0.025, 0.012, depth))
    glass = smoothstep(0.05, 0.06, depth)
    sky = smoothstep(0.30, -0.30, y - 0.12 * across**2) * (1 - 0.45 * smoothstep(0.4, 1.0, across))
    streak = 60 * bump(0.0, 0.035, y + 0.16 - 0.18 * across**2) * smoothstep(0.75, 0.2, across)
    pane = np.dstack([28 + 62 * sky + streak, 30 + 74 * sky + streak, 40 + 100 * sky + streak])
    pane *= (1 - 0.35 * bump(0.06, 0.02, depth))[..., None]
    band = _strap(_CANVAS, 0.98, 0.115, 96, ribs=22)
    return _finish(_CANVAS, [band, (np.full_like(frame, 52.0), pad), (frame, shell), (pane, glass)], pad)


def _tethered(colour: FloatArray) -> Template:
    """A boxy headset with dimpled front, rigid side straps, and a strap with the cable over the head."""
    x, y = _TALL.grid()
    shell, pad = (_TALL.fill(smooth(symmetric(half))) for half in (_BOX, _grown(_BOX, 0.02)))
    depth, across = _TALL.depth(shell), np.abs(x)
    light = 1.04 - 0.28 * smoothstep(-0.25, 0.33, y) - 0.30 * smoothstep(0.62, 0.74, across)
    light = (
        light + 0.14 * bump(0.02, 0.014, depth) * (y < 0) + 0.13 * bump(0.64, 0.02, across) * (depth > 0.01)
    )
    for cx, cy in _DIMPLES:
        away = np.sqrt((across - cx) ** 2 + (y - cy) ** 2).astype(np.float32)
        light = light - 0.30 * smoothstep(0.05, 0.03, away) + 0.10 * bump(0.052, 0.008, away) * (y > cy)
    body = _lit(colour, light)
    # Narrower towards the crown, and lost in the hair: a band ends level, a head does not.
    into_hair = smoothstep(-0.96, -0.70, y)
    top = _TALL.fill([(-0.05, -1.0), (0.05, -1.0), (0.095, -0.28), (-0.095, -0.28)]) * into_hair
    cloth = weave(_TALL, 0.006, 0.05) * (58 + 22 * bump(0.0, 0.09, x))
    cable = _TALL.stroke([(0.0, -1.0), (0.0, -0.30)], 0.04) * into_hair
    cord = np.dstack([34 + 40 * bump(-0.008, 0.010, x)] * 3)
    return _finish(
        _TALL,
        [
            _strap(_TALL, 0.95, 0.07, 66),
            (np.dstack([cloth] * 3), top),
            (cord, cable),
            (np.full_like(body, 36.0), pad),
            (body, shell),
        ],
        pad,
    )


KINDS: dict[str, Callable[[FloatArray], Template]] = {"slim": _slim, "ski": _ski, "tethered": _tethered}
"""Silhouettes of headsets."""
