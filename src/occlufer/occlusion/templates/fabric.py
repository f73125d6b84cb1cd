"""What face masks have in common: layers, loops, colours and patterns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from occlufer.occlusion.compositing import Template
from occlufer.occlusion.templates.drawing import Canvas, Points, bump, over, smooth, smoothstep, symmetric
from occlufer.occlusion.templates.styles import crumple, emblem, style
from occlufer.types import FloatArray

MASK_CANVAS = Canvas(half_width=1.05, top=-0.2, bottom=1.5, resolution=220)
"""From above the brows to below the chin, beyond both ears."""

COLOURS: dict[str, tuple[int, int, int]] = {
    "blue": (139, 184, 212),
    "white": (214, 216, 217),
    "green": (150, 196, 178),
    "black": (52, 53, 56),
    "pink": (224, 178, 188),
    "navy": (48, 62, 104),
    "grey": (140, 142, 146),
    "red": (158, 58, 60),
    "beige": (206, 184, 156),
    "teal": (52, 128, 132),
}
"""Fabric colours, RGB."""

EAR_LOOPS: tuple[Points, ...] = (
    ((0.69, 0.41), (0.745, 0.31), (0.79, 0.20), (0.85, 0.09), (0.90, 0.02), (1.03, -0.10)),
    ((0.69, 0.70), (0.75, 0.62), (0.80, 0.53), (0.86, 0.46), (0.92, 0.41), (1.03, 0.35)),
)
"""From the corners of a mask to the ears and beyond, on the subject's left: the end of the head cuts them off."""
SHORT_LOOPS: tuple[Points, ...] = tuple(path[:-1] for path in EAR_LOOPS)
"""Loops that end at the ears, for the placements of published studies, which no head cuts off."""


def sheet_of(half: Points) -> FloatArray:
    """Coverage 0..1 (h, w) of a mask whose left half is outlined from top to bottom, corners rounded."""
    return MASK_CANVAS.fill(smooth(symmetric(half)))


def sheet_between(rng: np.random.Generator, halves: Sequence[Points]) -> FloatArray:
    """As `sheet_of`, of a cut somewhere between some, whose outlines have equally many points."""
    shares = rng.dirichlet(np.full(len(halves), 0.4))
    return sheet_of(np.einsum("c,cpd->pd", shares, np.array(halves)).tolist())


def assemble(
    rgb: FloatArray,
    sheet: FloatArray,
    *,
    cords: Sequence[Points] = EAR_LOOPS,
    cord_width: float = 0.026,
    cord_colour: tuple[float, float, float] = (225.0, 225.0, 225.0),
    shadow_strength: float = 0.55,
    symmetric: bool = True,
) -> Template:
    """Lay a mask over its cords, and both over the shadow that they cast on the skin.

    Args:
        rgb: straight colour 0..255 of the mask, (h, w, 3).
        sheet: its coverage 0..1 (h, w).
        cords: paths on the subject's left; mirrored.
        symmetric: makes the picture exactly so.
    """
    canvas = MASK_CANVAS
    y = canvas.grid()[1]
    shadow = np.clip(canvas.soften(sheet, 0.035) * shadow_strength, 0, 1) * (1 - smoothstep(0.45, 0.7, y))
    picture, alpha = np.zeros_like(rgb), shadow.astype(np.float32)
    if cords:
        drawn = np.maximum.reduce([canvas.stroke(path, cord_width) for path in cords])
        drawn = np.maximum(drawn, drawn[:, ::-1])
        picture, alpha = over(
            picture, alpha, np.broadcast_to(np.array(cord_colour, np.float32), rgb.shape), drawn
        )
    picture, alpha = over(picture, alpha, rgb, sheet)
    return canvas.template(np.clip(picture, 0, 255), alpha, body=sheet, symmetric=symmetric)


def finish_model(
    rng: np.random.Generator,
    sheet: FloatArray,
    light: FloatArray,
    colour: str,
    pattern: str,
    *,
    plain_cords: float,
    cord_width: tuple[float, float],
) -> Template:
    """Print a mask, light it, and give it loops.

    Args:
        rng: of this one picture.
        sheet: coverage 0..1 (h, w), on `MASK_CANVAS`.
        light: factor on the cloth (h, w).
        colour, pattern: of `COLOURS` and `PATTERNS`.
        plain_cords: probability 0..1 of loops of `cord_for`; the others have the colour of the cloth.
        cord_width: range of their width, canonical units.
    """
    x, y = MASK_CANVAS.grid()
    rgb = patterned(np.broadcast_to(np.array(COLOURS[colour], np.float32), (*x.shape, 3)), pattern, x, y, rng)
    cord = cord_for(colour) if rng.random() < plain_cords else COLOURS[colour]
    return assemble(
        rgb * light[..., None], sheet, cord_colour=cord, cord_width=rng.uniform(*cord_width), symmetric=False
    )


def cord_for(colour: str) -> tuple[float, float, float]:
    """Dark cords for dark masks, so that they do not shine."""
    return (70.0, 70.0, 72.0) if colour in ("black", "navy") else (225.0, 225.0, 225.0)


def face_light(x: FloatArray, y: FloatArray) -> FloatArray:
    """Light from above on something as round as a face, about 1."""
    light: FloatArray = 1.06 - 0.26 * (np.abs(x) / 0.75) ** 2.2 - 0.22 * smoothstep(0.98, 1.26, y)
    return light


PATTERNS = ("plain", "stripes", "dots", "checks", "camouflage", "flowers", "halves", "dyed", "mark")


def patterned(
    rgb: FloatArray, pattern: str, x: FloatArray, y: FloatArray, rng: np.random.Generator | None = None
) -> FloatArray:
    """Print one of `PATTERNS` on straight colour (h, w, 3): lighter on dark cloth, darker on light cloth.

    `rng` draws the print's size, angle and colour, and where it lies; without it they are the same always.
    """
    if pattern == "plain":
        return rgb
    toward = np.float32(235.0 if rgb.mean() < 130 else 40.0)
    strength = np.float32(0.55 if toward > 130 else 0.35)
    ink: FloatArray = np.full(3, toward, np.float32)
    if rng is not None:
        angle, size = rng.uniform(-0.5, 0.5), rng.uniform(1.6, 3.2)
        cosine, sine = np.float32(np.cos(angle) / size), np.float32(np.sin(angle) / size)
        x, y = (
            x * cosine - (y - np.float32(0.7)) * sine,
            x * sine + (y - np.float32(0.7)) * cosine + np.float32(0.7),
        )
        ink = np.float32(0.5) * (
            ink + np.array(list(COLOURS.values())[int(rng.integers(len(COLOURS)))], np.float32)
        )
        strength = np.float32(rng.uniform(0.4, 0.6 if pattern == "dyed" else 0.9))
    printed: FloatArray = (
        rgb + (ink - rgb) * (strength * _print(pattern, x, y, rng or style(pattern, 0)))[..., None]
    )
    return printed


def _print(pattern: str, x: FloatArray, y: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Where ink lies, 0..1 (h, w)."""
    print_: FloatArray
    if pattern == "mark":
        print_ = emblem(rng, x, y)
    elif pattern == "halves":  # sewn of two cloths
        print_ = smoothstep(
            -0.01, 0.01, np.cos(rng.uniform(0, np.pi)) * x + np.sin(rng.uniform(0, np.pi)) * (y - 0.7)
        )
    elif pattern in ("camouflage", "dyed"):
        clouds = crumple(rng, MASK_CANVAS, size=0.11 if pattern == "camouflage" else 0.22, strength=1.0)
        print_ = (
            np.float32(0.5) * (smoothstep(-0.4, -0.3, clouds) + smoothstep(0.5, 0.6, clouds))
            if pattern == "camouflage"
            else smoothstep(-1.2, 1.2, clouds)
        )
    elif pattern == "flowers":
        row = np.floor(y / 0.17)
        across = np.mod(x + 0.1 * np.mod(row, 2), 0.2) - 0.1
        down = np.mod(y, 0.17) - 0.085
        petals = np.hypot(across, down) * (1.25 + 0.5 * np.cos(5 * np.arctan2(down, across) + row))
        print_ = smoothstep(0.072, 0.06, petals) * (1 - bump(0.0, 0.012, np.hypot(across, down)))
    elif pattern == "stripes":
        print_ = smoothstep(0.2, 0.5, np.sin(2 * np.pi * (y + 0.05 * x**2) / 0.15).astype(np.float32))
    elif pattern == "dots":
        row = np.floor(y / 0.11)
        across = np.mod(np.abs(x) + 0.065 * np.mod(row, 2), 0.13) - 0.065
        print_ = smoothstep(
            0.034, 0.024, np.sqrt(across**2 + (np.mod(y, 0.11) - 0.055) ** 2).astype(np.float32)
        )
    else:
        bars = [
            smoothstep(-0.2, 0.2, np.sin(2 * np.pi * np.abs(v) / 0.18).astype(np.float32)) for v in (x, y)
        ]
        print_ = (bars[0] + bars[1]) * np.float32(0.5)
    return print_
