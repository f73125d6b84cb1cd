"""AR glasses and sunglasses, placed by the head's pose."""

from __future__ import annotations

from typing import final

from occlufer.occlusion.band import place_glasses
from occlufer.occlusion.compositing import Placement, Template
from occlufer.occlusion.worn import Wear, Worn
from occlufer.types import FloatArray


@final
class Glasses(Worn):
    """Glasses before the eyes, with arms to the ears. A lower severity is a pair with lower lenses."""

    def place(self, landmarks_N3: FloatArray, template: Template, wear: Wear) -> Placement:
        """See `band.place_glasses`."""
        return place_glasses(landmarks_N3, template, wear)
