"""Other headsets, unrolled: slim VR, ski-goggle mixed reality, and tethered VR with a strap over the head."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np

from occlufer.occlusion.compositing import Template
from occlufer.occlusion.templates.artwork import Artwork, combined, known_shares
from occlufer.occlusion.templates.drawing import bump, smoothstep
from occlufer.occlusion.templates.headgear import COLOURS, Drawing, Shell, finished
from occlufer.types import FloatArray

_DIMPLES = (
    (0.17, -0.33),
    (0.52, -0.35),
    (0.78, -0.14),
    (0.42, -0.06),
    (0.72, 0.20),
    (0.40, 0.24),
    (0.0, 0.02),
)


class HeadMounted(Artwork):
    """Headsets of three more silhouettes.

    Args:
        kinds: weights of `KINDS`.
        colours: weights of `headgear.COLOURS`.
        finishes: weights of `headgear.FINISHES`; None draws all alike.
    """

    def __init__(
        self,
        *,
        kinds: Mapping[str, float],
        colours: Mapping[str, float],
        finishes: Mapping[str, float] | None = None,
    ) -> None:
        shapes = known_shares("headset kind", kinds, KINDS)
        shares = combined(shapes, known_shares("headset colour", colours, COLOURS))
        super().__init__(finished(shares, finishes))

    def template(self, variant: str) -> Template:
        """The headset of a kind, colour and finish, as "slim black lit"."""
        return _draw(*variant.split())


@functools.lru_cache(maxsize=32)
def _draw(kind: str, colour: str, finish: str) -> Template:
    return KINDS[kind](np.array(COLOURS[colour], np.float32), finish)


def _slim(colour: FloatArray, finish: str) -> Template:
    """A thin headset: a flat shield of dark glass in a light frame, worn like large glasses."""
    d = Drawing(Shell(edge=0.87, top=-0.40, bottom=0.36, power=4.0, side=(-0.31, 0.2), strap=0.08), finish)
    pane = d.glass((24.0, 25.0, 30.0))
    # The lenses shimmer through the glass.
    pane += (14 * bump(0.21, 0.016, np.hypot(d.across - 0.40, d.y + 0.01)))[..., None]
    return d.finished([(d.plastic(colour), d.body), (pane, d.pane(0.045))])


def _ski(colour: FloatArray, finish: str) -> Template:
    """Mixed reality in the shape of ski goggles: one curved pane, a soft frame and a wide knitted band."""
    d = Drawing(Shell(edge=0.98, top=-0.46, bottom=0.40, power=2.6, notch=0.14, strap=0.17), finish)
    pane = d.glass((30.0, 33.0, 44.0))
    sky = smoothstep(0.42, -0.42, d.y - 0.12 * d.across**2) * (1 - 0.45 * smoothstep(0.4, 1.0, d.across))
    pane += sky[..., None] * np.array((46.0, 58.0, 84.0), np.float32)
    return d.finished([(d.plastic(colour), d.body), (pane.astype(np.float32), d.pane(0.06))])


def _tethered(colour: FloatArray, finish: str) -> Template:
    """A boxy headset with a dimpled front, and a strap with the cable over the head."""
    shell = Shell(
        edge=1.06, top=-0.60, bottom=0.40, power=5.0, side=(-0.43, 0.28), strap=0.09, over_head=True
    )
    d = Drawing(shell, finish)
    body = d.plastic(colour)
    for cx, cy in _DIMPLES:
        away = np.hypot(d.across - cx, d.y - cy).astype(np.float32)
        light = 1 - 0.34 * smoothstep(0.075, 0.045, away) + 0.14 * bump(0.078, 0.010, away) * (d.y > cy)
        body *= light[..., None]
    return d.finished([(body.astype(np.float32), d.body)])


KINDS: dict[str, Callable[[FloatArray, str], Template]] = {"slim": _slim, "ski": _ski, "tethered": _tethered}
"""Silhouettes of headsets."""
