"""What masks, headsets and glasses share: a picture is drawn, placed by the landmarks, and lit like the photo."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from occlufer.occlusion.base import Occluder
from occlufer.occlusion.compositing import Placement, Template, overlay
from occlufer.occlusion.fit import MODES
from occlufer.occlusion.options import between, checked_range, name_at
from occlufer.occlusion.templates.artwork import Artwork
from occlufer.occlusion.tone import measure_look
from occlufer.types import FloatArray, UInt8Array


@dataclass(frozen=True, slots=True)
class Wear:
    """One way of wearing an occluder.

    Attributes:
        variant: name of a picture of the artwork.
        shift: (across, down) off its place, in eye distances of the mean face.
        scale: size relative to the fitted one.
        roll: radians, positive turns it clockwise in the image.
        brightness: factor on the picture.
        severity: 0 (nothing) .. 1 (worn as it should be).
        fit: how far it is off the fit it was drawn for, for each of `fit.MODES`, -1..1; empty for as drawn.
        mirrored: whether the picture is read from right to left.
    """

    variant: str
    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    roll: float = 0.0
    brightness: float = 1.0
    severity: float = 1.0
    fit: tuple[float, ...] = ()
    mirrored: bool = False


class Worn(Occluder[Wear]):
    """A picture that is placed by the landmarks; a final class says where.

    Args:
        artwork: the pictures, and the weights by which they are drawn.
        shift_range: how far it may sit off its place, (low, high), in eye distances, on both axes.
        scale_range: size relative to the fitted one.
        roll_range: how far it may sit askew, degrees.
        brightness_range: factor on the picture's brightness.
        severity_range: share of its height to which it is compressed, 0..1; see `Placement.severity`.

    Raises:
        ConfigError: a range out of bounds.
    """

    def __init__(
        self,
        *,
        artwork: Artwork,
        shift_range: Sequence[float] = (0.0, 0.0),
        scale_range: Sequence[float] = (1.0, 1.0),
        roll_range: Sequence[float] = (0.0, 0.0),
        brightness_range: Sequence[float] = (1.0, 1.0),
        severity_range: Sequence[float] = (1.0, 1.0),
    ) -> None:
        super().__init__(severity_range=severity_range)
        self.artwork = artwork
        self.shift_range = checked_range("shift_range", shift_range, -0.5, 0.5)
        self.scale_range = checked_range("scale_range", scale_range, 0.5, 1.5)
        self.roll_range = checked_range("roll_range", roll_range, -45.0, 45.0)
        self.brightness_range = checked_range("brightness_range", brightness_range, 0.2, 2.0)
        self.fit_range = 0.0, 0.0  # of what has a fit to be off

    @abstractmethod
    def place(self, landmarks_N3: FloatArray, template: Template, wear: Wear) -> Placement:
        """Where the picture falls in the image.

        Args:
            landmarks_N3: float32 (468, 3), pixels of the image.
            template: the picture.
            wear: how it is worn.
        """

    @final
    def sample(self, rng: np.random.Generator, landmarks_N3: FloatArray, image_hw: tuple[int, int]) -> Wear:
        """Draw picture, position, size, tilt, brightness, severity and fit; always takes the same count of numbers."""
        at = rng.random(8 + len(MODES)).tolist()
        low, room = self.fit_range[0], self.fit_range[1] - self.fit_range[0]
        return Wear(
            variant=name_at(self.artwork.shares, at[0]),
            shift=(between(self.shift_range, at[1]), between(self.shift_range, at[2])),
            scale=between(self.scale_range, at[3]),
            roll=between(self.roll_range, at[4]) * (np.pi / 180),
            brightness=between(self.brightness_range, at[5]),
            severity=between(self.severity_range, at[6]),
            fit=tuple([low + room * by for by in at[8:]]) if low or room else (),
            mirrored=at[7] < 0.5 and not self.artwork.symmetric,
        )

    @final
    def apply(
        self, image_HWC: UInt8Array, landmarks_N3: FloatArray, params: Wear
    ) -> tuple[UInt8Array, FloatArray]:
        """Paste the picture; the alpha includes loops, straps and the soft shadow at its edge."""
        template = self.artwork.template(params.variant)
        if params.mirrored:
            template = replace(template, mirrored=True)
        look = measure_look(image_HWC, landmarks_N3, brightness=params.brightness)
        return overlay(image_HWC, template, self.place(landmarks_N3, template, params), look)
