"""XR headsets, placed by the head's pose."""

from __future__ import annotations

from typing import final

from occlufer.occlusion.compositing import Placement, Template
from occlufer.occlusion.solid import place_headset
from occlufer.occlusion.worn import Wear, Worn
from occlufer.types import FloatArray


@final
class Headset(Worn):
    """A headset before forehead, eyes and nose: wider than the face, off which it stands, with a strap round the head.

    A lower severity is a headset of less height: its upper edge stays, its lower edge rises.
    """

    def place(self, landmarks_N3: FloatArray, template: Template, wear: Wear) -> Placement:
        """See `solid.place_headset`."""
        return place_headset(landmarks_N3, template, wear)
