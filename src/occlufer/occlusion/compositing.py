"""Pasting a template (a picture of an occluder) into an image: pyramid of premultiplied levels, warp, light, blend.

Pixel i covers i..i+1, so its centre lies at i + .5; landmarks and canonical points use the same convention.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from occlufer.occlusion.grid import node_count, node_places, spread
from occlufer.occlusion.light import GREY
from occlufer.occlusion.tone import Look, sharpness
from occlufer.occlusion.warp import Floats, InverseMap
from occlufer.types import FloatArray, UInt8Array

_TO_UNIT = np.float32(1 / 255)
_OUTLINE = 0.62  # pixels by which OpenCV grows a polygon, as it paints the outline too
_MOST_BLUR = 4  # pixels of sigma, in a level of the pyramid
_IDENTITY = np.eye(3, dtype=np.float32)
_TO_GREY = np.tile(np.array([0.299, 0.587, 0.114], np.float32), (3, 1))

Box = tuple[int, int, int, int]
"""Columns x0 to x1 and rows y0 to y1 of an image."""
_LEAST_SEVERITY = 0.05
_OPAQUE = 242  # of 255
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
        mirrored: whether it is pasted as seen in a mirror at x = 0.
    """

    levels: tuple[UInt8Array, ...]
    origin: tuple[float, float]
    resolution: float
    tone: float
    frame: tuple[float, float, float, float]
    mirrored: bool = False
    _softened: dict[tuple[int, int], UInt8Array] = field(default_factory=dict, compare=False, repr=False)
    _sharpness: dict[int, float] = field(default_factory=dict, compare=False, repr=False)

    def softened(self, level: int, sigma: float) -> tuple[UInt8Array, float]:
        """A level, blurred. It is kept: blurring anew for every face would cost as much as the warp.

        Args:
            level: number of the pyramid's level, 0 the largest.
            sigma: of the Gaussian, pixels of the level; rounded down to quarters; below half a pixel nothing is done.

        Returns:
            The picture, and where in it the level's top left corner lies, in pixels from the centre of its first one.
        """
        steps = int(4 * min(sigma, _MOST_BLUR))
        if steps < 2:
            return self.levels[level], -0.5
        border = 3 * _MOST_BLUR
        found = self._softened.get((level, steps))
        if found is None:
            wide = cv2.copyMakeBorder(
                self.levels[level], border, border, border, border, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0)
            )
            found = np.asarray(cv2.GaussianBlur(wide, (0, 0), steps / 4), np.uint8)
            self._softened[level, steps] = found
        return found, border - 0.5

    def sharpness(self, level: int) -> float:
        """Of the opaque part of a level, as `tone.sharpness` has it, of rows or of columns, whichever is sharper."""
        found = self._sharpness.get(level)
        if found is None:
            luma = np.asarray(self.levels[level][..., :3] @ _TO_GREY[0], np.float32)
            luma[self.levels[level][..., 3] < _OPAQUE] = np.nan
            found = self._sharpness[level] = max(sharpness(luma), sharpness(luma.T))
        return found

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
        severity: share of its height, 0..1, to which the template is compressed; 0 pastes nothing.
        kept_y: canonical y that the compression leaves in place.
        limit_P2: polygon in pixels outside which nothing is pasted (the head), or None.
    """

    inverse: InverseMap
    box: tuple[float, float, float, float]
    pixels_per_unit: float
    limit_P2: Floats | None = None
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
    box = _painted(placement, (height, width))
    if box is None:
        return image, alpha
    x0, y0, x1, y1 = box
    picture = _warp(template, placement, look, box)
    cover = cv2.extractChannel(picture, 3)
    colour = _coloured(picture, cover, look, template.tone)
    light = None if look.light is None else look.light.over(box)
    if light is not None and light.ndim < colour.ndim:
        light = _three_channels(light)
    gain = look.brightness / 255 if look.light is None else look.light.unit
    inside = _inside(placement, box)
    if inside is not None:
        cover = cv2.multiply(cover, inside, cover, 1 / 255)
        shown = inside if colour.ndim == 2 else _three_channels(inside)
        light = shown if light is None else cv2.multiply(light, shown, light, 1 / 255)
    if light is None:
        colour = cv2.convertScaleAbs(colour, colour, look.brightness)
    else:
        colour = cv2.multiply(colour, light, colour, gain)
    # The lesser of both keeps it premultiplied: nothing is added where alpha is 0.
    cover_3 = _three_channels(cover)
    colour = _three_channels(cv2.min(colour, cover)) if colour.ndim == 2 else cv2.min(colour, cover_3, colour)
    np.multiply(cover, _TO_UNIT, out=alpha[y0:y1, x0:x1])
    bare = cv2.bitwise_not(cover_3, cover_3)
    kept = cv2.multiply(image_HWC[y0:y1, x0:x1], bare, bare, 1 / 255)
    cv2.add(kept, colour, image[y0:y1, x0:x1])
    return image, alpha


def _painted(placement: Placement, hw: tuple[int, int]) -> Box | None:
    """The pixels that the template can reach, or None for none."""
    (x0, y0, x1, y1), (height, width) = placement.box, hw
    if placement.limit_P2 is not None:
        left, top, across, down = cv2.boundingRect(placement.limit_P2.astype(np.float32))
        x0, y0 = max(x0, left - 1), max(y0, top - 1)
        x1, y1 = min(x1, left + across + 1), min(y1, top + down + 1)
    box = (
        max(math.floor(x0), 0),
        max(math.floor(y0), 0),
        min(math.ceil(x1), width),
        min(math.ceil(y1), height),
    )
    return box if box[2] > box[0] and box[3] > box[1] else None


def _coloured(picture: Any, cover: Any, look: Look, tone: float) -> Any:
    """Premultiplied RGB (h, w, 3) of a premultiplied RGBA picture, with the look's saturation and contrast.

    Args:
        picture: uint8 (h, w, 4).
        cover: its alpha, uint8 (h, w).
        look: see `Look`; without saturation the result is one layer (h, w).
        tone: brightness 0..255 that a change of contrast leaves alone.
    """
    contrasted = abs(look.contrast - 1.0) > 0.02
    lift = (1 - look.contrast) * tone / 255
    if look.saturation < GREY:
        colour = cv2.cvtColor(picture, cv2.COLOR_RGBA2GRAY)
        return cv2.addWeighted(colour, look.contrast, cover, lift, 0) if contrasted else colour
    colour = cv2.cvtColor(picture, cv2.COLOR_RGBA2RGB)
    if look.saturation < 0.99:
        colour = cv2.transform(colour, look.saturation * _IDENTITY + (1 - look.saturation) * _TO_GREY)
    return cv2.addWeighted(colour, look.contrast, _three_channels(cover), lift, 0) if contrasted else colour


def _three_channels(layer: Any) -> Any:
    """One layer (h, w) as three equal channels (h, w, 3)."""
    return cv2.cvtColor(layer, cv2.COLOR_GRAY2RGB)


def _warp(template: Template, placement: Placement, look: Look, box: Box) -> Any:
    """The template as it appears in `box`, uint8 (h, w, 4)."""
    x0, y0, x1, y1 = box
    height, width, spacing = y1 - y0, x1 - x0, placement.node_spacing
    rows, columns = node_count(height, spacing), node_count(width, spacing)
    nodes = node_places((height, width), (rows, columns)) + np.array((x0, y0), np.float64)
    level, places = _places(template, placement, look, placement.inverse(nodes))
    grid = np.ascontiguousarray(places.reshape(rows, columns, -1).transpose(0, 2, 1), dtype=np.float32)
    full = spread(grid, (height, width))
    return cv2.remap(level, full[:, 0], full[:, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _places(
    template: Template, placement: Placement, look: Look, canonical_P2: Floats
) -> tuple[UInt8Array, Floats]:
    """The picture to read, and for each node (P, 2) the x and y in it."""
    severity = max(placement.severity, _LEAST_SEVERITY)
    density = max(placement.pixels_per_unit * math.sqrt(severity), 1e-3)
    octave = math.ceil(math.log2(template.resolution / density) - _FINEST_MINIFICATION)
    level = min(max(octave, 0), len(template.levels) - 1)
    scale, (x, y) = template.resolution / 2**level, template.origin
    picture, border = template.softened(level, look.blur(template.sharpness(level)) * scale / density)
    lifted = placement.kept_y * (1 - 1 / severity)  # compressed towards the height that is kept
    across = -scale if template.mirrored else scale
    matrix = np.array(
        ((across, 0.0, border - x * scale), (0.0, scale / severity, border + (lifted - y) * scale))
    )
    places: Any = cv2.transform(canonical_P2[:, None], matrix)
    return picture, places[:, 0]


def _inside(placement: Placement, box: Box) -> Any:
    """Where the template may be painted, uint8 (h, w) 0..255, or None for everywhere."""
    x0, y0, x1, y1 = box
    inside = None
    if placement.limit_P2 is not None:
        inside = _filled(placement.limit_P2, box)
    if placement.severity < _LEAST_SEVERITY:  # too thin to draw: it fades instead
        everywhere = np.full((y1 - y0, x1 - x0), 255, np.uint8) if inside is None else inside
        inside = np.asarray(cv2.convertScaleAbs(everywhere, alpha=placement.severity / _LEAST_SEVERITY))
    return inside


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
    """The polygon rasterised at `fine` times the resolution and averaged, uint8 0..255."""
    height, width = hw
    away = polygon_P2 - polygon_P2.mean(0)
    length = np.sqrt(np.einsum("ij,ij->i", away, away))[:, None] + 1e-6
    points = (polygon_P2 - away * np.minimum(_OUTLINE / fine / length, 1.0)) * (16 * fine) - 8
    mask = _painted_polygon(points, (height * fine, width * fine))
    if fine > 1:
        return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return mask


def _filled(polygon_P2: Floats, box: Box) -> UInt8Array:
    """As `_coverage` in a part of an image, in half its time: pulled in at the sides of its bounding box."""
    x0, y0, x1, y1 = box
    left, top, across, down = cv2.boundingRect(polygon_P2.astype(np.float32))
    scale_x, scale_y = max(1 - 2 * _OUTLINE / across, 0.0), max(1 - 2 * _OUTLINE / down, 0.0)
    shift_x, shift_y = (left + across / 2) * (1 - scale_x) - x0, (top + down / 2) * (1 - scale_y) - y0
    matrix = np.array(((16 * scale_x, 0.0, 16 * shift_x - 8), (0.0, 16 * scale_y, 16 * shift_y - 8)))
    return _painted_polygon(cv2.transform(polygon_P2[:, None], matrix)[:, 0], (y1 - y0, x1 - x0))


def _painted_polygon(sixteenths_P2: Any, hw: tuple[int, int]) -> UInt8Array:
    """A polygon in sixteenths of pixels, 0 at a pixel's centre, with its outline: uint8 (h, w) 0..255."""
    fixed = np.rint(sixteenths_P2.clip(-(2.0**24), 2.0**24)).astype(np.int32)
    mask = np.zeros(hw, np.uint8)
    cv2.fillPoly(mask, [fixed], (255,), cv2.LINE_AA, 4)
    return mask
