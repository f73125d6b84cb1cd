"""XR headsets, placed by the head's pose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from occlufer.landmarks import topology
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.compositing import Placement, overlay
from occlufer.occlusion.options import checked_range, draw, draw_name, normalised
from occlufer.occlusion.templates import visor
from occlufer.occlusion.tone import measure_look
from occlufer.occlusion.warp import Float64, head_pose, strip
from occlufer.types import ConfigError, FloatArray, UInt8Array, unknown_name

# The band round the head: coordinate along the drawing, then canonical x and z of its middle line.
_SIDE = (
    (0.0, 0.0, -0.36),
    (0.22, 0.23, -0.34),
    (0.44, 0.46, -0.26),
    (visor.PLATE_EDGE, 0.655, -0.10),
    (visor.TEMPLE, 0.75, 0.42),
    (1.30, 0.775, 0.66),
    (visor.STRAP_END, 0.76, 0.95),
)
_BAND = np.array([(-u, -x, z) for u, x, z in _SIDE[:0:-1]] + list(_SIDE))
_EYES, _BROWS = np.array(topology.EYES), np.array(topology.BROWS)
_TEMPLES = np.array([127, 356])
_ABOVE_BROWS = 0.085
_LEAST_HEIGHT = 0.62
_REACH = 0.47  # half the height of the drawing's canvas, with the shadow
_LOWEST = 0.37  # canonical y: above the wings of the nose, so that nostrils stay visible
_NODE_SHARE = 0.06  # fine enough for the bend of the side panels, in eye distances
_MEAN_HALF_WIDTH = 0.779


@dataclass(frozen=True, slots=True)
class HeadsetParams:
    """One headset.

    Attributes:
        colour: key of `templates.visor.COLOURS`.
        shift: (across, down) in units of the eye distance.
        scale: size relative to the fitted one.
        roll: radians, positive turns it clockwise in the image.
        brightness: factor on the shell.
    """

    colour: str
    shift: tuple[float, float]
    scale: float
    roll: float
    brightness: float


class Headset(Occluder[HeadsetParams]):
    """A standalone VR headset from above the brows to the middle of the nose, with a strap round the head.

    Args:
        colours: weights of `templates.visor.COLOURS`.
        shift_range: how far it may sit off its place, in eye distances, on both axes.
        scale_range: size relative to the fitted one.
        roll_range: how far it may sit askew, degrees.
        brightness_range: factor on the shell's brightness.

    Raises:
        ConfigError: an unknown colour, or a range out of bounds.
    """

    def __init__(
        self,
        *,
        colours: Mapping[str, float],
        shift_range: Sequence[float] = (-0.012, 0.012),
        scale_range: Sequence[float] = (1.0, 1.04),
        roll_range: Sequence[float] = (-1.5, 1.5),
        brightness_range: Sequence[float] = (0.88, 1.08),
    ) -> None:
        for name in colours:
            if name not in visor.COLOURS:
                raise ConfigError(unknown_name("headset colour", name, visor.COLOURS))
        self.colours = normalised("colours", colours)
        self.shift_range = checked_range("shift_range", shift_range, -0.5, 0.5)
        self.scale_range = checked_range("scale_range", scale_range, 0.5, 1.5)
        self.roll_range = checked_range("roll_range", roll_range, -45.0, 45.0)
        self.brightness_range = checked_range("brightness_range", brightness_range, 0.2, 2.0)

    def sample(
        self, rng: np.random.Generator, landmarks_N3: FloatArray, image_hw: tuple[int, int]
    ) -> HeadsetParams:
        """Draw colour, seat, size, tilt and brightness."""
        return HeadsetParams(
            colour=draw_name(rng, self.colours),
            shift=(draw(rng, self.shift_range), draw(rng, self.shift_range)),
            scale=draw(rng, self.scale_range),
            roll=float(np.deg2rad(draw(rng, self.roll_range))),
            brightness=draw(rng, self.brightness_range),
        )

    def apply(
        self, image_HWC: UInt8Array, landmarks_N3: FloatArray, params: HeadsetParams
    ) -> tuple[UInt8Array, FloatArray]:
        """Paste the headset; the alpha includes the strap and the soft shadow under the face pad."""
        look = measure_look(image_HWC, landmarks_N3, brightness=params.brightness)
        return overlay(image_HWC, visor.headset(params.colour), place_headset(landmarks_N3, params), look)


def place_headset(landmarks_N3: FloatArray, params: HeadsetParams) -> Placement:
    """Where the headset's band falls in the image, by pose, with its height stretched to brows and nose."""
    pose = head_pose(landmarks_N3)
    top, bottom = vertical_reach(pose.canonical(landmarks_N3.astype(np.float64)))
    height = params.scale * (bottom - top) / (2 * visor.HALF_HEIGHT)
    middle = (top + bottom) / 2 + params.shift[1]
    width = params.scale * _half_width(
        landmarks_N3, pose.canonical(landmarks_N3[_TEMPLES].astype(np.float64))
    )
    band = np.column_stack([_BAND[:, 1] * width + params.shift[0], np.full(len(_BAND), middle), _BAND[:, 2]])
    path = pose.project(band)
    down = pose.scale * pose.rotation[:2, 1] * height
    path, down = _rolled(path, down, params.roll)
    inverse, corners = strip(path, _BAND[:, 0], down, (-_REACH, _REACH))
    edge = np.concatenate([path - _REACH * down, path + _REACH * down])
    low, high = edge.min(0) - 2, edge.max(0) + 2
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return Placement(inverse, box, pose.scale, _limit(path, corners, down), _NODE_SHARE * pose.scale)


def _limit(path_K2: Float64, corners_42: Float64, down_2: Float64) -> Float64:
    """The corners, drawn out along the height so that a bent band fits between them."""
    bend = float(np.ptp(path_K2 @ down_2) / (down_2 @ down_2 + 1e-9))
    stretch = np.array([-bend, -bend, bend, bend])[:, None] * down_2
    limit: Float64 = corners_42 + stretch
    return limit


def vertical_reach(canonical_N3: Float64) -> tuple[float, float]:
    """Canonical y of the headset's upper and lower edge: above the brows, down to the middle of the nose."""
    top = float(canonical_N3[_BROWS, 1].min()) - _ABOVE_BROWS
    bottom = min(max(float(canonical_N3[_EYES, 1].max()) + 0.16, top + _LEAST_HEIGHT), _LOWEST)
    return min(top, bottom - _LEAST_HEIGHT), bottom


def _half_width(landmarks_N3: FloatArray, temples_23: Float64) -> float:
    """Half the distance of the temples against the mean face, so that narrow and wide heads both fit."""
    return float(np.clip(np.ptp(temples_23[:, 0]) / 2 / _MEAN_HALF_WIDTH, 0.9, 1.12))


def _rolled(path_K2: Float64, down_2: Float64, angle: float) -> tuple[Float64, Float64]:
    """Turn the band by `angle` radians about its middle."""
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    centre = path_K2[len(path_K2) // 2]
    return (path_K2 - centre) @ turn + centre, down_2 @ turn
