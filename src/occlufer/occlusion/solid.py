"""Headsets as solids: a front that stands off the face, sides, a seal on the face and a strap, as the pose shows them.

A headset is drawn unrolled, u along it, 0 before the nose, and v down, in eye distances of the mean face; v = 0 is
level with the eyes. `Template.frame` goes round its front: from it follow the width and the depth of the solid.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from occlufer.landmarks.geometry import head_pose
from occlufer.occlusion.band import half_width
from occlufer.occlusion.compositing import Placement, Template
from occlufer.occlusion.warp import Float64, Floats, strip
from occlufer.occlusion.worn import Wear
from occlufer.types import FloatArray

FRONT_EDGE = 1.0
"""Coordinate along the drawing at which the front of a usual headset ends and its side begins; faces end at .78."""
RIM = 0.07
"""The drawing's uppermost and lowermost part: the solid's upper and lower side, of which bent heads show more."""
SEAL_END = 0.1
"""Canonical z at which the seal meets the face beside the eyes."""
_CORNER = 0.2  # from the front to the side, eye distances
_EDGES = 0.84, 1.12  # least and greatest half width of a front
_BEHIND = 1.5  # a strap is drawn as far as where it is behind any head
_STRAP = 4  # points of the path at either end

_BROWS = (70, 63, 105, 66, 107, 300, 293, 334, 296, 336)  # their upper rims
_EYES = (144, 145, 153, 373, 374, 380)  # their lower rims
_NOSTRILS = (20, 250, 60, 290, 75, 305, 98, 327)
_FITTED = np.array(_BROWS + _EYES + _NOSTRILS)
_ABOVE_BROWS, _BELOW_EYES, _ABOVE_NOSTRILS = 0.09, 0.10, 0.075
_CORNERS = (
    0.6,
    0.55,
)  # beyond this share of the half width the upper edge falls; brows there need so much more
_SEAL = -0.40, 0.26  # canonical y of the seal's upper and lower edge, at _SEAL_Z
_SEAL_Z = -0.1
_RIMS = 0.03, 0.28  # how little and how much of the upper or lower side is seen
_HIDDEN = (
    0.12  # of the strap's length beside the front, eye distances: heads are narrower than straps allow for
)
_STEEPEST = 0.7  # tangent of the angle by which a head is bent, as far as meshes can be trusted
_LEAST_HEIGHT = 0.62
_NODE_SHARE = 0.1
_ANYWHERE = -math.inf, -math.inf, math.inf, math.inf  # the outline alone says where it is


def depth(edge: float) -> float:
    """How far before the eyes a front of half width `edge` lies: flat ones are slim."""
    return 0.57 + 1.2 * (edge - 0.86)


def side_at(edge: float, z: float) -> float:
    """Coordinate along the drawing at which the side of such a headset has the canonical depth `z`, -.3 to 1.2."""
    return edge + depth(edge) - _CORNER + z


@functools.lru_cache(maxsize=64)
def _path(edge: float) -> tuple[Float64, Float64]:
    """The solid's middle line: coordinates along the drawing (K,), and canonical x and z (K, 2)."""
    front = -depth(edge)
    arm = min(edge, 0.92)
    half = [
        (0.0, 0.0, front),
        (0.45 * edge, 0.46 * edge, front + 0.015),
        (0.75 * edge, 0.78 * edge, front + 0.05),
        (0.90 * edge, 0.93 * edge, front + 0.11),
        (edge, edge, front + _CORNER),
        (edge + 0.18, edge, front + _CORNER + 0.18),
        (side_at(edge, 0.0), arm, 0.0),
        (side_at(edge, 0.4), min(arm, 0.86), 0.4),
        (side_at(edge, 0.8), 0.84, 0.8),
        (side_at(edge, 1.15), 0.72, 1.1),
        (side_at(edge, _BEHIND), 0.45, 1.35),
    ]
    full = [(-u, -x, z) for u, x, z in half[:0:-1]] + half
    return np.array([u for u, _, _ in full]), np.array([(x, z) for _, x, z in full])


def end(edge: float) -> float:
    """Coordinate along the drawing at which the strap is behind the head."""
    return side_at(edge, _BEHIND)


def place_headset(landmarks_N3: FloatArray, template: Template, wear: Wear) -> Placement:
    """Place a headset: as large as it is, moved no further than it may be to cover the brows and free the nostrils."""
    pose = head_pose(landmarks_N3)
    edge = min(max(round(template.frame[2], 3), _EDGES[0]), _EDGES[1])
    u_K, path_K2 = _path(edge)
    size = wear.scale * half_width(landmarks_N3, pose)
    cosine, sine = math.cos(wear.roll), math.sin(wear.roll)
    axes = pose.scale * pose.rotation[:2]  # columns: the canonical axes as image vectors
    place = axes[:, :2] @ np.array(wear.shift) + pose.origin[:2]
    (xx, xy, xz), (yx, yy, yz) = (np.array(((cosine, -sine), (sine, cosine))) @ axes).tolist()
    path = path_K2 @ np.array(((xx * size, yx * size), (xz, yz))) + place
    bent = strip(_shortened(path.tolist(), (xy, yy), _HIDDEN * pose.scale), u_K, (xy, yy))
    tilt = (xz * xy + yz * yy) / (xy * xy + yy * yy + 1e-9)
    fitted = bent.inverse(landmarks_N3.take(_FITTED, 0)[:, :2].astype(np.float64)).tolist()
    (drawn_top, drawn_bottom), (above, below) = template.body_y, _reach(template)
    levels = _levels(fitted, template.body_y, wear.scale, min(max(tilt, -_STEEPEST), _STEEPEST), edge)
    top, bottom = float(levels[1]), float(levels[4])
    drawn = _drawn(drawn_top, drawn_bottom)

    def inverse(points_P2: Float64) -> Floats:
        canonical = bent.inverse(points_P2)
        canonical[:, 1] = np.interp(canonical[:, 1], levels, drawn)
        return canonical

    return Placement(
        inverse=inverse,
        box=_ANYWHERE,
        pixels_per_unit=pose.scale,
        limit_P2=bent.outline(
            (top + above - drawn_top, bottom + below - drawn_bottom), (top, bottom), _CORNER
        ),
        node_spacing=_NODE_SHARE * pose.scale,
        severity=wear.severity,
        kept_y=template.body_y[0],
    )


def _shortened(path_K2: list[list[float]], down: tuple[float, float], least: float) -> list[list[float]]:
    """The path with a strap that is seen shorter by `least` pixels: no sliver of it stands beside a front."""
    # Plain Python: for so few points numpy would take longer.
    length = math.hypot(*down) + 1e-9
    along = [(x * down[1] - y * down[0]) / length for x, y in path_K2]
    last = len(along) - 1
    for sign, side, before, strap in (
        (-1, _STRAP, _STRAP + 1, range(_STRAP)),
        (1, last - _STRAP, last - _STRAP - 1, range(last - _STRAP + 1, last + 1)),
    ):
        seen = max(sign * along[at] for at in strap) - max(sign * along[side], sign * along[before])
        kept = max(seen - least, 0.0) / max(seen, 1e-9)
        x0, y0 = path_K2[side]
        for at in strap:
            x, y = path_K2[at]
            path_K2[at] = [x0 + kept * (x - x0), y0 + kept * (y - y0)]
    return path_K2


def _reach(template: Template) -> tuple[float, float]:
    """Canonical y of the drawing's upper and lower border."""
    return template.origin[1], template.origin[1] + template.levels[0].shape[0] / template.resolution


def _levels(
    fitted: list[list[float]], front: tuple[float, float], scale: float, tilt: float, edge: float
) -> Float64:
    """Heights off the band's middle line at which parts of the drawing are seen, eye distances.

    Args:
        fitted: `_FITTED` as coordinate along the band and height off its middle line, eye distances.
        front: canonical y of the front's upper and lower edge in the drawing.
        scale: size relative to the drawn one.
        tilt: how much lower in the image a point is seen for each unit that it lies further back.
        edge: half width of the front.

    Returns:
        A unit above the upper edge, the edge, the inner end of its rim, the same below in reverse; see `_drawn`.
    """
    brows, eyes = len(_BROWS), len(_BROWS) + len(_EYES)
    corner = _CORNERS[0] * edge
    brow = min([v - _CORNERS[1] * max(abs(u) - corner, 0.0) for u, v in fitted[:brows]])
    eye, nostril = max([v for _, v in fitted[brows:eyes]]), min([v for _, v in fitted[eyes:]])
    top, bottom = front[0] * scale, front[1] * scale
    # Above and below the front the seal is seen where the head is bent: the outline goes round both.
    behind = (depth(edge) + _SEAL_Z) * tilt
    highest = min(top, _SEAL[0] + behind, brow - _ABOVE_BROWS)
    lowest = min(max(bottom, _SEAL[1] + behind), nostril - _ABOVE_NOSTRILS)
    lowest = max(lowest, eye + _BELOW_EYES, highest + _LEAST_HEIGHT)
    upper, lower = (
        min(max(RIM * scale + more, _RIMS[0]), _RIMS[1]) for more in (top - highest, lowest - bottom)
    )
    return np.array((highest - 1, highest, highest + upper, lowest - lower, lowest, lowest + 1))


def _drawn(top: float, bottom: float) -> Float64:
    """Canonical y of the same places in a drawing whose front reaches from `top` to `bottom`."""
    return np.array((top - 1, top, top + RIM, bottom - RIM, bottom, bottom + 1))
