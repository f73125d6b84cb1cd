"""Face masks, bent onto the mesh by a thin-plate spline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from occlufer.landmarks import topology
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.compositing import Placement, overlay
from occlufer.occlusion.options import checked_range, draw, draw_name, normalised
from occlufer.occlusion.templates.surgical import COLOURS, surgical_mask
from occlufer.occlusion.tone import measure_look
from occlufer.occlusion.warp import MEAN_LENGTH, Float64, keep_outward, thin_plate
from occlufer.types import ConfigError, FloatArray, UInt8Array, unknown_name

# Bridge, nose tip, lips and chin; then pairs from the temples down the jaw; then cheeks and wings of the nose.
_ANCHORS = (
    6, 195, 4, 0, 17, 152,
    127, 356, 234, 454, 132, 361, 172, 397, 150, 379, 148, 377,
    118, 347, 187, 411, 129, 358,
)  # fmt: skip
_ANCHOR_INDEX = np.array(_ANCHORS)
_OUTLINE = np.array(topology.FACE_OVAL)
_SMOOTHING = 0.02
_NODE_SHARE = 0.13  # spline points between which the map is linear, in eye distances
_FAR_SMOOTHING = 2.0
_PROFILE = np.array([6, 195, 5, 4, 1, 2, 0, 17, 61, 291, 129, 358, 200])
_LEAST_FAR_WIDTH = 0.15
_BOX_POINTS = np.array([6, 4, 127, 356, 234, 454, 132, 361, 172, 397, 150, 379, 152, 118, 347])


@dataclass(frozen=True, slots=True)
class MaskParams:
    """One mask.

    Attributes:
        colour: key of `templates.surgical.COLOURS`.
        shift: (across, down) in units of the eye distance.
        scale: size relative to the fitted one.
        brightness: factor on the fabric.
    """

    colour: str
    shift: tuple[float, float]
    scale: float
    brightness: float


class SurgicalMask(Occluder[MaskParams]):
    """A pleated surgical mask from the bridge of the nose to below the chin.

    Args:
        colours: weights of `templates.surgical.COLOURS`.
        shift_range: how far it may sit off its place, (low, high), in eye distances, on both axes.
        scale_range: size relative to the fitted one.
        brightness_range: factor on the fabric's brightness.

    Raises:
        ConfigError: an unknown colour, or a range out of bounds.
    """

    def __init__(
        self,
        *,
        colours: Mapping[str, float],
        shift_range: Sequence[float] = (-0.015, 0.015),
        scale_range: Sequence[float] = (0.99, 1.03),
        brightness_range: Sequence[float] = (0.9, 1.08),
    ) -> None:
        for name in colours:
            if name not in COLOURS:
                raise ConfigError(unknown_name("mask colour", name, COLOURS))
        self.colours = normalised("colours", colours)
        self.shift_range = checked_range("shift_range", shift_range, -0.5, 0.5)
        self.scale_range = checked_range("scale_range", scale_range, 0.5, 1.5)
        self.brightness_range = checked_range("brightness_range", brightness_range, 0.2, 2.0)

    def sample(
        self, rng: np.random.Generator, landmarks_N3: FloatArray, image_hw: tuple[int, int]
    ) -> MaskParams:
        """Draw colour, seat, size and brightness."""
        return MaskParams(
            colour=draw_name(rng, self.colours),
            shift=(draw(rng, self.shift_range), draw(rng, self.shift_range)),
            scale=draw(rng, self.scale_range),
            brightness=draw(rng, self.brightness_range),
        )

    def apply(
        self, image_HWC: UInt8Array, landmarks_N3: FloatArray, params: MaskParams
    ) -> tuple[UInt8Array, FloatArray]:
        """Paste the mask; the alpha includes ear loops and the soft shadow at its edge."""
        look = measure_look(image_HWC, landmarks_N3, brightness=params.brightness)
        return overlay(image_HWC, surgical_mask(params.colour), place_mask(landmarks_N3, params), look)


def place_mask(landmarks_N3: FloatArray, params: MaskParams) -> Placement:
    """Where a mask drawn on the mean face falls on this face."""
    points = landmarks_N3[:, :2].astype(np.float64)
    canonical = topology.mean_mesh()[_ANCHOR_INDEX, :2].astype(np.float64)
    frame = (points[10], points[152])
    found, foreshortening = keep_outward(points[_ANCHOR_INDEX], canonical, frame, least=_LEAST_FAR_WIDTH)
    seat = np.array([0.0, 0.66])
    source = (canonical - seat) / params.scale + seat - np.array(params.shift)
    inverse = thin_plate(
        found, source, _SMOOTHING + _FAR_SMOOTHING * np.maximum(foreshortening - 0.35, 0.0) ** 2
    )
    box = points[_BOX_POINTS]
    span = float(np.hypot(*(frame[1] - frame[0]))) / MEAN_LENGTH
    margin = 0.16 * span
    low, high = box.min(0) - margin, box.max(0) + margin
    across = max(float(np.hypot(*(points[454] - points[234]))) / 1.54, 0.5 * span)
    return Placement(
        inverse=inverse,
        box=(float(low[0]), float(low[1]), float(high[0]), float(high[1])),
        pixels_per_unit=float(np.sqrt(across * span)),
        limit_P2=head_limit(points, span),
        node_spacing=_NODE_SHARE * span,
    )


def head_limit(points_N2: Float64, span: float) -> Float64:
    """Outline of the head: the convex hull of the face oval, a little enlarged, and of the nose and lips.

    On the near side of a turned head it reaches on towards the ear.

    Args:
        points_N2: landmarks, pixels.
        span: pixels of one canonical unit.
    """
    outline = points_N2[_OUTLINE]
    centre = (points_N2[234] + points_N2[454]) / 2
    away = outline - centre
    length = np.sqrt((away**2).sum(1, keepdims=True)) + 1e-6
    nose = points_N2[6]
    right, left = (float(np.hypot(*(points_N2[side] - nose))) for side in (234, 454))
    turn = (right - left) / (right + left + 1e-6)
    side = np.sign(topology.mean_mesh()[_OUTLINE, :1])
    reach = 0.005 + 0.12 * np.clip(-side * turn, 0.0, 1.0)
    profile = points_N2[_PROFILE] + 0.06 * (points_N2[_PROFILE] - centre)
    enlarged = np.concatenate([outline + away / length * reach * span, profile])
    limit: Float64 = cv2.convexHull(enlarged.astype(np.float32))[:, 0].astype(np.float64)
    return limit
