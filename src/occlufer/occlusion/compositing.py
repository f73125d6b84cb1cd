"""Pasting a template: a premultiplied pyramid, warped with float precision, region of interest only.

Pixel i covers i..i+1, so its centre lies at i + .5; landmarks and canonical points use the same convention.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from occlufer.occlusion.tone import Look
from occlufer.occlusion.warp import Float64, Floats, InverseMap
from occlufer.types import FloatArray, UInt8Array

_GAIN_ONE = 160.0  # the number that stands for an unchanged brightness in an 8-bit field of gains
_OUTLINE = 0.62  # pixels
_LEAST_BLUR = 0.3  # pixels of sigma below which softening is not worth its time
_LEAST_SEVERITY = 0.05
_FINEST_MINIFICATION = 0.4  # octaves that bilinear reading may shrink before the next pyramid level is taken


@dataclass(frozen=True, slots=True)
class Template:
    """A picture of an occluder in canonical coordinates.

    Attributes:
        levels: uint8 RGBA, premultiplied by alpha; each level has half the size of the one before.
        origin: canonical (x, y) of the first level's top left corner.
        resolution: pixels of the first level for one canonical unit.
        tone: mean brightness of the opaque part, 0..255: the point about which contrast is changed.
        frame: canonical (x0, y0, x1, y1) around the occluder without its straps.
    """

    levels: tuple[UInt8Array, ...]
    origin: tuple[float, float]
    resolution: float
    tone: float
    frame: tuple[float, float, float, float]

    @property
    def body_y(self) -> tuple[float, float]:
        """Canonical y of the upper and lower edge of the occluder without its straps."""
        return self.frame[1], self.frame[3]

    @classmethod
    def from_straight(
        cls,
        rgb_HW3: FloatArray,
        alpha_HW: FloatArray,
        origin: tuple[float, float],
        resolution: float,
        *,
        body_HW: FloatArray | None = None,
    ) -> Template:
        """From straight colour 0..255 and alpha 0..1, both float32 of one size.

        Args:
            rgb_HW3, alpha_HW: the picture.
            origin, resolution: see the attributes.
            body_HW: coverage 0..1 of what `frame` goes round; by default `alpha_HW`.
        """
        premultiplied: FloatArray = np.dstack([rgb_HW3 * alpha_HW[..., None], alpha_HW * 255.0]).astype(
            np.float32
        )
        levels = []
        while True:
            levels.append(np.rint(np.clip(premultiplied, 0, 255)).astype(np.uint8))
            height, width = premultiplied.shape[:2]
            if min(height, width) < 16:
                break
            premultiplied = _halved(premultiplied)
        weight = float(alpha_HW.sum()) + 1e-6
        tone = float((rgb_HW3.mean(2) * alpha_HW).sum() / weight)
        frame = _frame(alpha_HW if body_HW is None else body_HW, origin, resolution)
        return cls(tuple(levels), origin, resolution, tone, frame)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a template goes.

    Attributes:
        inverse: image pixels -> canonical coordinates.
        box: image rectangle (x0, y0, x1, y1) outside which the template is empty; may leave the image.
        pixels_per_unit: pixels of one canonical unit, about; it chooses the pyramid level.
        node_spacing: pixels between the points at which `inverse` is evaluated; between them it is linear.
        severity: share of the template's height, 0..1, to which it is pushed together; 0 pastes nothing.
        kept_y: canonical y that stays in place meanwhile.
        limit_P2: polygon in pixels outside which nothing is pasted (the head), or None.
    """

    inverse: InverseMap
    box: tuple[float, float, float, float]
    pixels_per_unit: float
    limit_P2: Float64 | None = None
    node_spacing: float = 6.0
    severity: float = 1.0
    kept_y: float = 0.0


def overlay(
    image_HWC: UInt8Array, template: Template, placement: Placement, look: Look
) -> tuple[UInt8Array, FloatArray]:
    """Paste `template`.

    Returns:
        A new image, uint8 (H, W, 3), and the pasted alpha, float32 (H, W) in 0..1. Where alpha is 0 the image is
        unchanged.
    """
    height, width = image_HWC.shape[:2]
    image, alpha = image_HWC.copy(), np.zeros((height, width), np.float32)
    x0, y0 = (max(math.floor(value), 0) for value in placement.box[:2])
    x1, y1 = (
        min(math.ceil(value), limit) for value, limit in zip(placement.box[2:], (width, height), strict=True)
    )
    if x1 <= x0 or y1 <= y0:
        return image, alpha
    region = (slice(y0, y1), slice(x0, x1))
    picture, light = _warp(template, placement, look, (x0, y0, x1, y1))
    alpha_3 = cover_3 = _thrice(cv2.extractChannel(picture, 3))
    colour = _coloured(picture, alpha_3, look, template.tone)
    inside = _inside(placement, (x0, y0, x1, y1))
    gain = look.brightness / (_GAIN_ONE if light is not None else 255.0)
    if inside is not None:
        cover_3 = _product(alpha_3, _thrice(inside), 1 / 255)
        light = inside if light is None else _product(light, inside, 1 / 255)
    if light is not None:
        colour = _product(colour, _thrice(light), gain)
    else:
        colour = np.asarray(cv2.convertScaleAbs(colour, alpha=look.brightness), np.uint8)
    # The lesser of both keeps it premultiplied: nothing is added where alpha is 0.
    kept = _product(image_HWC[region], np.asarray(cv2.bitwise_not(cover_3), np.uint8), 1 / 255)
    image[region] = cv2.add(kept, cv2.min(colour, cover_3))
    np.multiply(cover_3[..., 0], np.float32(1 / 255), out=alpha[region])
    return image, alpha


def _coloured(picture: UInt8Array, alpha_3: UInt8Array, look: Look, tone: float) -> UInt8Array:
    """Premultiplied RGB (h, w, 3) of a premultiplied RGBA picture, with the look's saturation and contrast.

    Args:
        picture: uint8 (h, w, 4).
        alpha_3: its alpha, three times.
        look: see `Look`.
        tone: brightness 0..255 that a change of contrast leaves alone.
    """
    colour = cv2.cvtColor(picture, cv2.COLOR_RGBA2RGB)
    if look.saturation < 0.99:
        grey = _thrice(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY))
        blended = look.saturation > 0.01
        colour = cv2.addWeighted(colour, look.saturation, grey, 1 - look.saturation, 0) if blended else grey
    if abs(look.contrast - 1.0) > 0.02:
        colour = cv2.addWeighted(colour, look.contrast, alpha_3, (1 - look.contrast) * tone / 255, 0)
    return np.asarray(colour, np.uint8)


def _thrice(layer: Any) -> UInt8Array:
    """One layer (h, w) as three equal channels (h, w, 3)."""
    return np.asarray(cv2.merge((layer, layer, layer)), np.uint8)


def _product(left: UInt8Array, right: UInt8Array, scale: float) -> UInt8Array:
    """left * right * scale, rounded and kept in 0..255."""
    return np.asarray(cv2.multiply(left, right, scale=scale), np.uint8)


def _warp(
    template: Template, placement: Placement, look: Look, box: tuple[int, int, int, int]
) -> tuple[UInt8Array, UInt8Array | None]:
    """The template as it appears in `box`, uint8 (h, w, 4), and the light's gain on it, uint8 (h, w) if uneven."""
    x0, y0, x1, y1 = box
    spacing = placement.node_spacing
    (across, at_x), (down, at_y) = (
        _interpolation(length, _node_count(length, spacing)) for length in (x1 - x0, y1 - y0)
    )
    columns, rows = across.shape[1], down.shape[1]
    nodes = np.empty((rows, columns, 2))
    nodes[..., 0] = at_x + x0
    nodes[..., 1] = (at_y + y0)[:, None]
    canonical = placement.inverse(nodes.reshape(-1, 2))
    severity = max(placement.severity, _LEAST_SEVERITY)
    if severity < 1:
        canonical[:, 1] = placement.kept_y + (canonical[:, 1] - placement.kept_y) / severity
    density = max(placement.pixels_per_unit * math.sqrt(severity), 1e-3)
    octave = math.ceil(math.log2(template.resolution / density) - _FINEST_MINIFICATION)
    level = min(max(octave, 0), len(template.levels) - 1)
    uneven = look.slope != (0.0, 0.0)
    grid = np.empty((3 if uneven else 2, rows * columns), np.float32)
    grid[:2] = ((canonical - template.origin) * (template.resolution / 2**level) - 0.5).T
    if uneven:
        grid[2] = _GAIN_ONE * look.gain_at(canonical)
    full = (down @ grid.reshape(-1, rows, columns)) @ across.T
    warped = cv2.remap(
        template.levels[level], full[0], full[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )
    if look.blur > _LEAST_BLUR:
        warped = cv2.GaussianBlur(warped, (0, 0), look.blur)
    return np.asarray(warped, np.uint8), full[2].astype(np.uint8) if uneven else None


def _inside(placement: Placement, box: tuple[int, int, int, int]) -> UInt8Array | None:
    """Where the template may be painted, uint8 (h, w) 0..255, or None for everywhere."""
    x0, y0, x1, y1 = box
    inside = None
    if placement.limit_P2 is not None:
        inside = _coverage(placement.limit_P2 - (x0, y0), (y1 - y0, x1 - x0), fine=1)
    if placement.severity < _LEAST_SEVERITY:  # too thin to draw: it fades instead
        everywhere = np.full((y1 - y0, x1 - x0), 255, np.uint8) if inside is None else inside
        inside = np.asarray(cv2.convertScaleAbs(everywhere, alpha=placement.severity / _LEAST_SEVERITY))
    return inside


def _node_count(length: int, spacing: float) -> int:
    return min(max(length, 2), 2 + int((length - 1) / max(spacing, 1.0)))


@functools.lru_cache(maxsize=4096)
def _interpolation(length: int, nodes: int) -> tuple[FloatArray, Float64]:
    """Matrix (length, nodes) that spreads values at evenly spaced nodes linearly over `length` pixel centres.

    With it the places of the nodes, in pixels: the first and last lie on the first and last pixel's centre.
    """
    at = np.linspace(0.0, nodes - 1.0, length) if length > 1 else np.zeros(1)
    matrix = np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(nodes)[None]))
    places = np.linspace(0.5, length - 0.5, nodes)
    return np.ascontiguousarray(matrix, dtype=np.float32), places


def _halved(picture: FloatArray) -> FloatArray:
    """Half the size; padded to an even size first, which keeps pixel centres in place."""
    height, width = picture.shape[:2]
    even = cv2.copyMakeBorder(picture, 0, height % 2, 0, width % 2, cv2.BORDER_CONSTANT)
    half = cv2.resize(even, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(half, np.float32)


def _frame(
    alpha_HW: FloatArray, origin: tuple[float, float], resolution: float
) -> tuple[float, float, float, float]:
    """Canonical rectangle (x0, y0, x1, y1) around what is more than half opaque."""
    rows, columns = np.flatnonzero((alpha_HW > 0.5).any(1)), np.flatnonzero((alpha_HW > 0.5).any(0))
    if not len(rows):
        rows, columns = np.arange(alpha_HW.shape[0]), np.arange(alpha_HW.shape[1])
    x0, x1 = (origin[0] + float(at) / resolution for at in (columns[0], columns[-1] + 1))
    y0, y1 = (origin[1] + float(at) / resolution for at in (rows[0], rows[-1] + 1))
    return x0, y0, x1, y1


def polygon_mask(polygon_P2: Floats, hw: tuple[int, int]) -> FloatArray:
    """Rasterise a polygon in pixels: float32 (H, W), 1 inside, 0 outside, soft over about a pixel."""
    fine = 4 if max(hw) < 64 else 2 if max(hw) < 160 else 1
    return _coverage(np.asarray(polygon_P2), hw, fine=fine).astype(np.float32) * np.float32(1 / 255)


def _coverage(polygon_P2: Floats, hw: tuple[int, int], *, fine: int) -> UInt8Array:
    """The polygon rasterised at `fine` times the resolution and averaged, uint8 0..255.

    `cv2.fillPoly` paints its outline too and so grows a polygon by `_OUTLINE` pixels; corners are pulled in as much.
    """
    height, width = hw
    away = polygon_P2 - polygon_P2.mean(0)
    length = np.sqrt(np.einsum("ij,ij->i", away, away))[:, None] + 1e-6
    points = (polygon_P2 - away * np.minimum(_OUTLINE / fine / length, 1.0)) * fine - 0.5
    fixed = np.rint(np.minimum(np.maximum(points * 16, -(2**24)), 2**24)).astype(np.int32)
    mask = np.zeros((height * fine, width * fine), np.uint8)
    cv2.fillPoly(mask, [fixed], (255,), cv2.LINE_AA, 4)
    if fine > 1:
        return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return mask
