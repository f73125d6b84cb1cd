"""Textures for the tiny fake datasets that adapters write for tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from occlufer.types import UInt8Array, seeded_rng

FakeImages = Callable[[int, int], UInt8Array]
"""(label, running number) -> uint8 (H, W) or (H, W, 3)."""


def texture(label: int, number: int) -> UInt8Array:
    """Soft noise, uint8 (48, 48), different for every number and brighter for higher labels."""
    rng = seeded_rng(label, number)
    coarse = (rng.random((12, 12)) * 90 + 20 * label + 20).astype(np.uint8)
    return grey48(coarse)


def grey48(image: UInt8Array) -> UInt8Array:
    """Any uint8 (H, W) or (H, W, 3) image as grey (48, 48), the size of FER2013."""
    small = Image.fromarray(image).convert("L").resize((48, 48), Image.Resampling.BICUBIC)
    return np.array(small, dtype=np.uint8)
