"""Drawing tools for templates: a canvas in canonical coordinates, soft shapes, smooth outlines.

Outlines are drawn for the subject's left half and mirrored; unless asked otherwise, templates are exactly symmetric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from occlufer.occlusion.compositing import Template
from occlufer.occlusion.warp import Floats
from occlufer.types import FloatArray

Points = Sequence[tuple[float, float]]
_OVERSAMPLING = 3
_SUBPIXEL_BITS = 4


@dataclass(frozen=True, slots=True)
class Canvas:
    """A rectangle of canonical space, symmetric about x = 0.

    Attributes:
        half_width: x runs from -half_width to half_width.
        top, bottom: range of y.
        resolution: pixels of one canonical unit.
    """

    half_width: float
    top: float
    bottom: float
    resolution: float

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return round((self.bottom - self.top) * self.resolution), round(2 * self.half_width * self.resolution)

    def grid(self) -> tuple[FloatArray, FloatArray]:
        """Canonical x and y of every pixel centre, (h, w) each."""
        height, width = self.hw
        xs = (np.arange(width) + 0.5) / self.resolution - self.half_width
        ys = (np.arange(height) + 0.5) / self.resolution + self.top
        x, y = np.meshgrid(xs, ys)
        return x.astype(np.float32), y.astype(np.float32)

    def fill(self, outline: Points | Floats) -> FloatArray:
        """Coverage 0..1 (h, w) of a closed outline."""
        height, width = self.hw
        mask = np.zeros((height * _OVERSAMPLING, width * _OVERSAMPLING), np.uint8)
        cv2.fillPoly(mask, [self._fixed(outline)], (255,), cv2.LINE_8, _SUBPIXEL_BITS)
        return self._reduce(mask)

    def stroke(self, path: Points | Floats, width: float) -> FloatArray:
        """Coverage 0..1 (h, w) of an open line `width` canonical units thick."""
        height, columns = self.hw
        mask = np.zeros((height * _OVERSAMPLING, columns * _OVERSAMPLING), np.uint8)
        thickness = max(1, round(width * self.resolution * _OVERSAMPLING))
        cv2.polylines(mask, [self._fixed(path)], False, (255,), thickness, cv2.LINE_8, _SUBPIXEL_BITS)
        return self._reduce(mask)

    def soften(self, coverage: FloatArray, sigma: float) -> FloatArray:
        """Blur by `sigma` canonical units."""
        blurred: FloatArray = cv2.GaussianBlur(coverage, (0, 0), sigma * self.resolution).astype(np.float32)
        return blurred

    def depth(self, coverage: FloatArray) -> FloatArray:
        """Distance to the outline from inside, canonical units, 0 outside."""
        inside = (coverage > 0.5).astype(np.uint8)
        distance: FloatArray = cv2.distanceTransform(inside, cv2.DIST_L2, 5) / np.float32(self.resolution)
        return distance

    def template(
        self, rgb: FloatArray, alpha: FloatArray, *, body: FloatArray | None = None, symmetric: bool = True
    ) -> Template:
        """Finish: straight colour 0..255 (h, w, 3) and alpha 0..1 (h, w), made exactly symmetric unless told not to.

        `body` is the coverage of the occluder without its straps; by default `alpha`.
        """
        if symmetric:
            half = np.float32(0.5)
            rgb, alpha = (rgb + rgb[:, ::-1]) * half, (alpha + alpha[:, ::-1]) * half
        return Template.from_straight(rgb, alpha, (-self.half_width, self.top), self.resolution, body_HW=body)

    def _fixed(self, path: Points | Floats) -> NDArray[np.int32]:
        points = (np.asarray(path, np.float64) - (-self.half_width, self.top)) * self.resolution
        fixed: NDArray[np.int32] = np.rint((points * _OVERSAMPLING - 0.5) * 2**_SUBPIXEL_BITS).astype(
            np.int32
        )
        return fixed

    def _reduce(self, mask: NDArray[np.uint8]) -> FloatArray:
        height, width = self.hw
        small = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
        return small.astype(np.float32) / np.float32(255)


def symmetric(half: Points) -> list[tuple[float, float]]:
    """The closed outline whose half with x >= 0 is given from top to bottom; both ends lie on x = 0."""
    return [*half, *((-x, y) for x, y in reversed(half[1:-1]))]


def smooth(outline: Points, *, rounds: int = 3) -> NDArray[np.float64]:
    """Round a closed outline's corners by cutting them (Chaikin 1974)."""
    points = np.asarray(outline, np.float64)
    for _ in range(rounds):
        following = np.roll(points, -1, axis=0)
        points = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], 1).reshape(
            -1, 2
        )
    return points


def smoothstep(low: float, high: float, value: Floats) -> FloatArray:
    """0 below `low`, 1 above `high`, smooth between; `low` may be the larger."""
    at = np.clip((value - low) / (high - low), 0.0, 1.0)
    stepped: FloatArray = (at * at * (3.0 - 2.0 * at)).astype(np.float32)
    return stepped


def bump(centre: float | FloatArray, width: float, value: Floats) -> FloatArray:
    """A bell of height 1 about `centre`."""
    bell: FloatArray = np.exp(-0.5 * ((value - centre) / width) ** 2).astype(np.float32)
    return bell


def weave(canvas: Canvas, sigma: float, strength: float) -> FloatArray:
    """A fixed fabric grain about 1 (h, w)."""
    noise = np.random.Generator(np.random.PCG64(7)).standard_normal(canvas.hw).astype(np.float32)
    grain = canvas.soften(noise, sigma)
    cloth: FloatArray = (1.0 + strength * grain / grain.std()).astype(np.float32)
    return cloth


def over(
    rgb: FloatArray, alpha: FloatArray, colour: FloatArray, coverage: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Lay straight `colour` (h, w, 3) with `coverage` (h, w) over a straight picture (Porter and Duff 1984)."""
    result = coverage + alpha * (1 - coverage)
    weight = np.divide(coverage, result, out=np.zeros_like(result), where=result > 0)[..., None]
    return rgb * (1 - weight) + colour * weight, result
