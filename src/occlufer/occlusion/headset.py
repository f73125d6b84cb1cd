"""XR headsets, placed by the head's pose."""

from __future__ import annotations

from typing import final

from occlufer.occlusion.band import place_headset
from occlufer.occlusion.compositing import Placement, Template
from occlufer.occlusion.worn import Wear, Worn
from occlufer.types import FloatArray


@final
class Headset(Worn):
    """A headset from above the brows to the middle of the nose, with a strap round the head.

    A lower severity is a headset of less height: its upper edge stays, its lower edge rises.
    """

    def place(self, landmarks_N3: FloatArray, template: Template, wear: Wear) -> Placement:
        """See `band.place_headset`."""
        return place_headset(landmarks_N3, template, wear)
