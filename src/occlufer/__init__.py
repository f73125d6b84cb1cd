"""OccluFER: how much of a facial expression can a network still read under a mask or a headset?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from occlufer.inference.predictor import Predictor

__all__ = ["Predictor", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name != "Predictor":
        raise AttributeError(f"module 'occlufer' has no attribute {name!r}")
    from occlufer.inference.predictor import Predictor  # only here: `occlufer --help` is instant

    return Predictor
