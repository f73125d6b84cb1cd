"""What headsets are drawn of: a shell of some shape, seal, strap, the shadow on the face, reflections and wear."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from occlufer.occlusion.compositing import Template
from occlufer.occlusion.solid import RIM, SEAL_END, end, side_at
from occlufer.occlusion.templates.artwork import combined, known_shares
from occlufer.occlusion.templates.drawing import Canvas, bump, over, smoothstep, weave
from occlufer.types import FloatArray

COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (222, 222, 220),
    "grey": (128, 130, 134),
    "black": (44, 45, 48),
}
"""Shell colours, RGB."""
FINISHES = ("dull", "lit", "worn")
"""What shows on a front: the soft light of a room, a window and a lamp, or smears and scratches."""

Layer = tuple[FloatArray, FloatArray]
"""Straight colour 0..255 (h, w, 3) and coverage 0..1 (h, w)."""
_RESOLUTION = 144
_SHADOW = 0.48  # below half, as a point under more counts as covered


@dataclass(frozen=True, slots=True)
class Shell:
    """The shape of a headset's front and sides, eye distances; 0 is level with the eyes.

    Attributes:
        edge: half its width.
        top, bottom: of the front.
        side: upper and lower edge where the front ends and the side begins.
        power: 2 is an oval, 6 a box with round corners.
        notch: how much higher the lower edge is before the nose.
        strap: half the strap's height.
        over_head: whether a strap runs over the head too.
    """

    edge: float
    top: float
    bottom: float
    side: tuple[float, float] = (-0.36, 0.24)
    power: float = 4.0
    notch: float = 0.08
    strap: float = 0.11
    over_head: bool = False

    def canvas(self) -> Canvas:
        """Wide enough for the strap, high enough for the shadow on the cheeks."""
        top = -1.3 if self.over_head else self.top - 0.08
        # A whole number of pixels that can be halved: each level of the pyramid is as symmetric as the drawing.
        half_width = math.ceil(end(self.edge) * _RESOLUTION / 8) * 8 / _RESOLUTION
        return Canvas(half_width=half_width, top=top, bottom=self.bottom + 0.22, resolution=_RESOLUTION)


class Drawing:
    """A headset in the making.

    Args:
        shell: its shape.
        finish: one of `FINISHES`.

    Attributes:
        x, y: coordinates of each pixel, (h, w); `across` is x without its sign.
        body: coverage of the shell, (h, w).
        depth: distance from its outline inwards, eye distances.
    """

    def __init__(self, shell: Shell, finish: str) -> None:
        self.shell, self.finish, self.canvas = shell, finish, shell.canvas()
        self.x, self.y = self.canvas.grid()
        self.across = np.abs(self.x)
        self.body = self.canvas.fill(self._outline(0.0, side_at(shell.edge, -0.12)))
        self.depth = self.canvas.depth(self.body)

    def _outline(self, grown: float, until: float) -> FloatArray:
        """Front and side as far as `until` along the drawing, all around, `grown` outwards."""
        shell = self.shell
        front = np.linspace(0.0, 1.0, 40)
        bend = 1 - np.sqrt(1 - front**shell.power)
        side = np.linspace(shell.edge, until, 20)[1:]
        # The side ends in a quarter of an oval towards the face.
        closing = np.sqrt(np.clip((until - side) / (0.35 * (until - shell.edge)), 0, 1))
        u = np.concatenate([front * shell.edge, side])
        upper, lower = (
            np.concatenate(
                [level + (reach - level) * bend, reach * (0.35 + 0.65 * closing) * np.ones_like(side)]
            )
            for level, reach in zip((shell.top, shell.bottom), shell.side, strict=True)
        )
        lower = lower - shell.notch * bump(0.0, 0.13, u)
        half = np.concatenate([np.stack([u, upper - grown], 1), np.stack([u[::-1], lower[::-1] + grown], 1)])
        mirrored = half[::-1] * np.array([-1.0, 1.0])
        outline: FloatArray = np.concatenate([half, mirrored]).astype(np.float32)
        return outline

    def pane(self, margin: float) -> FloatArray:
        """Coverage (h, w) of a pane in the front, `margin` inside its outline."""
        shell = self.shell
        across = np.linspace(0.0, 1.0, 60)
        bend = np.sqrt(1 - across**shell.power)
        middle = (shell.top + shell.bottom) / 2
        upper, lower = (middle + (at - middle) * bend for at in (shell.top + margin, shell.bottom - margin))
        u = across * (shell.edge - margin)
        lower = lower - shell.notch * bump(0.0, 0.13, u)
        half = np.concatenate([np.stack([u, upper], 1), np.stack([u[::-1], lower[::-1]], 1)])
        return self.canvas.fill(np.concatenate([half, half[::-1] * np.array([-1.0, 1.0])]))

    def plastic(self, colour: FloatArray) -> FloatArray:
        """The shell's colour, RGB 0..255 (h, w, 3): lit from above, its sides, rims and lower side darker."""
        shell, y = self.shell, self.y
        light = 1.04 - 0.20 * smoothstep(shell.top, shell.bottom, y)
        light += 0.10 * smoothstep(shell.top + RIM, shell.top + 0.6 * RIM, y)
        light -= 0.34 * smoothstep(shell.bottom - RIM, shell.bottom - 0.5 * RIM, y)
        light -= 0.26 * smoothstep(shell.edge - 0.05, shell.edge + 0.05, self.across)
        light += 0.14 * bump(shell.edge - 0.07, 0.03, self.across) * (self.depth > 0.01)
        light -= 0.18 * bump(shell.edge + 0.12, 0.012, self.across)  # the seam of the housing
        light -= 0.28 * bump(0.1, 0.014, self.depth)  # the gap around the plate in its front
        light += 0.14 * bump(0.022, 0.014, self.depth) * (y < 0) - 0.14 * bump(0.012, 0.014, self.depth)
        return self._finished(colour * light[..., None], gloss=0.35)

    def glass(self, tint: tuple[float, float, float], *, gloss: float = 1.0) -> FloatArray:
        """A dark pane with what is mirrored in it, RGB 0..255 (h, w, 3); a window only at a gloss of 1."""
        pane = np.ones_like(self.x)[..., None] * np.array(tint, np.float32)
        return self._finished(pane.astype(np.float32), gloss=gloss)

    def _finished(self, rgb: FloatArray, *, gloss: float) -> FloatArray:
        shell = self.shell
        height = shell.bottom - shell.top
        v = (self.y - shell.top) / height  # 0 above, 1 below
        u = self.across / shell.edge
        front = smoothstep(1.0, 0.9, u)
        if self.finish == "lit":
            lamp = bump(0.22, 0.10, v) * smoothstep(0.75, 0.2, u)
            pane = smoothstep(0.47, 0.45, u) * smoothstep(0.12, 0.15, v) * smoothstep(0.46, 0.43, v)
            pane *= (1 - 0.8 * bump(0.16, 0.012, u)) * (1 - 0.8 * bump(0.30, 0.014, v))  # the window's bars
            added = (120 * pane if gloss == 1 else 110 * lamp) + 34 * smoothstep(0.72, 1.0, v)
        elif self.finish == "worn":
            rng = np.random.Generator(np.random.PCG64(11))
            noise = rng.standard_normal(self.canvas.hw).astype(np.float32)
            smear, dust = self.canvas.soften(noise, 0.06), self.canvas.soften(noise, 0.008)
            scratch = self.canvas.soften(np.ascontiguousarray(noise[:, ::-1]), 0.01)
            added = 22 + 8 * smear / smear.std() + 5 * dust / dust.std()
            added = added + 60 * (np.abs(scratch / scratch.std()) > 2.9)
        else:
            added = 46 * bump(0.16, 0.10, v - 0.10 * u**2) + 16 * smoothstep(0.9, 0.1, v)
        shown: FloatArray = rgb + (gloss * front * added)[..., None]
        return shown.astype(np.float32)

    def finished(self, layers: list[Layer]) -> Template:
        """The layers, from back to front, over shadow, strap and seal."""
        shell, canvas, y = self.shell, self.canvas, self.y
        seal_end = side_at(shell.edge, SEAL_END)
        seal = canvas.fill(self._outline(0.012, seal_end))
        foam = 40.0 * weave(canvas, 0.006, 0.06) * (1.1 - 0.3 * smoothstep(shell.top, shell.bottom, y))
        picture, alpha = np.zeros((*canvas.hw, 3), np.float32), self._shadow(seal)
        for paint, coverage in (*self._straps(), (np.dstack([foam] * 3).astype(np.float32), seal), *layers):
            picture, alpha = over(picture, alpha, paint, coverage)
        return canvas.template(np.clip(picture, 0, 255), alpha, body=self.body * (self.across <= shell.edge))

    def _shadow(self, seal: FloatArray) -> FloatArray:
        """Dark on cheeks and nose below the front, and a line of contact along the seal."""
        canvas, shell = self.canvas, self.shell
        fallen = np.zeros_like(seal)
        down = round(0.06 * canvas.resolution)
        fallen[down:] = seal[:-down]
        under = canvas.soften(fallen, 0.05) * (self.y > 0) * smoothstep(0.66, 0.40, self.across)
        contact = canvas.soften(seal, 0.03) * smoothstep(shell.edge, shell.edge + 0.2, self.across)
        shadow: FloatArray = np.maximum(_SHADOW * under, 0.4 * contact).astype(np.float32)
        return shadow

    def _straps(self) -> list[Layer]:
        shell, canvas, y = self.shell, self.canvas, self.y
        start, half = side_at(shell.edge, -0.25), shell.strap
        middle = -0.08 - 0.05 * smoothstep(start, start + 0.8, self.across)  # it passes above the ear
        side = smoothstep(half + 0.006, half - 0.006, np.abs(y - middle)) * (self.across > start)
        cloth = weave(canvas, 0.006, 0.05) * (56 + 30 * bump(0.0, 0.6 * half, y - middle))
        straps = [(np.dstack([cloth] * 3).astype(np.float32), side)]
        if shell.over_head:
            # From behind the front over the hair: bare skin ends there.
            wide = 0.10 - 0.02 * smoothstep(shell.top, -1.3, y)
            top = smoothstep(0.006, -0.006, self.across - wide) * (y < shell.top + 0.1)
            top = top * smoothstep(-1.25, -0.95, y)
            cord = 34 + 34 * bump(0.0, 0.012, self.across)
            cable = smoothstep(0.026, 0.020, self.across) * top
            straps += [(np.dstack([cloth] * 3).astype(np.float32), top), (np.dstack([cord] * 3), cable)]
        return straps


def finished(shares: Mapping[str, float], finishes: Mapping[str, float] | None) -> dict[str, float]:
    """Shares of variants, each in the finishes of these weights (None: all alike), as "VARIANT FINISH"."""
    weights = dict.fromkeys(FINISHES, 1.0) if finishes is None else finishes
    return combined(shares, known_shares("headset finish", weights, dict.fromkeys(FINISHES)))
