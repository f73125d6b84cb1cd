"""What a network takes: size, channels, normalisation. No torch."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from occlufer.data.view import Size
from occlufer.types import ConfigError, FloatArray, UInt8Array

MOST = 1024
"""Pixels of a side: a training's memory grows with its square, and at 4096 no batch fits."""


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """What the network takes: height and width, 1 (grey) or 3 (RGB) channels, and the normalisation of 0..1 values."""

    hw: Size
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def create(
        cls, *, size: int | list[int], channels: int, mean: float | list[float], std: float | list[float]
    ) -> ImageFormat:
        """Check the values of the `image` group; `size` is a side, or [height, width]. Raises `ConfigError`."""
        sides = size if isinstance(size, list) else [size, size]
        if len(sides) != 2 or not all(isinstance(side, int) and 16 <= side <= MOST for side in sides):
            raise ConfigError(
                f"image.size must be 16 to {MOST} pixels, found {size!r}; give a whole number, or [height,width]."
            )
        if channels not in (1, 3):
            raise ConfigError(f"model.in_chans must be 1 (grey) or 3 (RGB), found {channels}.")
        values = []
        for name, given in (("mean", mean), ("std", std)):
            try:
                several = tuple(map(float, given)) if isinstance(given, list) else (float(given),) * channels
            except (TypeError, ValueError):
                raise ConfigError(
                    f"image.{name} must be one number or {channels} for the channels, found {given!r}."
                ) from None
            if len(several) != channels:
                raise ConfigError(
                    f"image.{name} has {len(several)} numbers for {channels} channels; give one number or {channels}."
                )
            values.append(several)
        if min(values[1]) <= 0:
            raise ConfigError(f"image.std must be above 0, found {std}.")
        return cls((sides[0], sides[1]), channels, values[0], values[1])

    def to_array(self, image_HWC: UInt8Array) -> FloatArray:
        """uint8 RGB (H, W, 3) of the right size to the network's float32 (C, H, W)."""
        if self.channels == 1:
            image_HWC = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
        # Each value is looked up, a plane a channel: a tenth of the time of arithmetic on whole images.
        planes_CHW = np.empty((self.channels, *image_HWC.shape[:2]), np.float32)
        for plane, channel, table in zip(
            planes_CHW, cv2.split(image_HWC), _tables(self.mean, self.std), strict=True
        ):
            cv2.LUT(channel, table, dst=plane)
        return planes_CHW


@functools.lru_cache(maxsize=8)
def _tables(mean: tuple[float, ...], std: tuple[float, ...]) -> FloatArray:
    """What each of the 256 values becomes in each channel, float32 (C, 256)."""
    scaled = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
    normalised = (scaled - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    tables: FloatArray = np.ascontiguousarray(normalised.T)
    return tables
