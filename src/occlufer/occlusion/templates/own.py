"""The user's own pictures: a PNG and named points, from YAML or from the `masks.cfg` of MaskTheFace."""

from __future__ import annotations

import configparser
import functools
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np

from occlufer.occlusion.compositing import Template
from occlufer.occlusion.solid import FRONT_EDGE
from occlufer.occlusion.templates.artwork import Artwork, known_shares
from occlufer.occlusion.templates.drawing import Canvas
from occlufer.occlusion.templates.fabric import MASK_CANVAS
from occlufer.occlusion.warp import Float64
from occlufer.types import ConfigError, UInt8Array, unknown_name

MASK_POINTS: dict[str, tuple[float, float]] = {
    "upper_right": (-0.72, 0.43),
    "nose": (0.0, 0.115),
    "upper_left": (0.72, 0.43),
    "lower_right": (-0.62, 0.89),
    "chin": (0.0, 1.25),
    "lower_left": (0.62, 0.89),
}
"""The six points of a mask and where they lie on the mean face. Left and right are the wearer's, so the wearer's
right is at the left of the picture."""
CFG_KEYS = ("mask_a", "mask_b", "mask_c", "mask_d", "mask_e", "mask_f")
"""Keys of `masks.cfg` in the order of `MASK_POINTS`."""
HEADSET_POINTS: dict[str, tuple[float, float]] = {
    "right_edge": (-FRONT_EDGE, 0.0),
    "left_edge": (FRONT_EDGE, 0.0),
    "top": (0.0, -0.54),
    "bottom": (0.0, 0.33),
}
"""The four points of a headset, seen from the front: the edges of its plate, and its border above and at the nose."""
_MOST_PIXELS = 50_000_000
_LARGEST_SIDE = 2048  # pixels; larger pictures are scaled down when they are read: templates have some 500
_LEAST_ALPHA = 26  # of 255: a picture that is nowhere more opaque than a tenth covers nothing
_HEADSET_CANVAS = Canvas(half_width=1.5, top=-1.1, bottom=0.8, resolution=160)


class _Pointed(Artwork):
    """One PNG with named points, for the placement that a subclass names.

    Args:
        picture: PNG with an alpha channel.
        points: x, y in pixels of the picture for each of `wanted`.

    Raises:
        ConfigError: a file that cannot be used, naming the point that is missing, misspelt or outside the picture.
    """

    wanted: ClassVar[Mapping[str, tuple[float, float]]]

    def __init__(self, *, picture: str, points: Mapping[str, Sequence[float]]) -> None:
        super().__init__({str(picture): 1.0})
        self.points = checked_points(picture, points, self.wanted)


class OwnMask(_Pointed):
    """One PNG with `MASK_POINTS`, for `mask.FaceMask` and `studies.placements.SixPointMask`."""

    wanted = MASK_POINTS

    def template(self, variant: str) -> Template:
        """The picture, laid on the mean face by the homography of its six points."""
        return _mask_template(variant, self.points)


class MaskPack(Artwork):
    """Masks described by a `masks.cfg`: sections with `template: path` and `mask_a: x, y` to `mask_f: x, y`.

    Args:
        config: the file; paths of pictures are looked up beside it, beside its parents, and as given.
        masks: weights of its sections; None takes all alike.

    Raises:
        ConfigError: a section or key that is missing or cannot be read, by name.
    """

    def __init__(self, *, config: str, masks: Mapping[str, float] | None = None) -> None:
        self.entries = read_masks_cfg(config)
        weights = dict.fromkeys(self.entries, 1.0) if masks is None else masks
        super().__init__(known_shares("mask", weights, self.entries))

    def template(self, variant: str) -> Template:
        """The picture of a section, laid on the mean face by the homography of its six points."""
        return _mask_template(*self.entries[variant])


class OwnHeadset(_Pointed):
    """One PNG of a headset from the front with `HEADSET_POINTS`, for `headset.Headset`."""

    wanted = HEADSET_POINTS

    def template(self, variant: str) -> Template:
        """The picture, laid on the band by the affine map of its four points."""
        return _headset_template(variant, self.points)


class Picture(Artwork):
    """One PNG without points, for placements that only use its width: `studies.placements.CentredPicture`.

    Args:
        picture: PNG with an alpha channel; its whole width counts.
    """

    def __init__(self, *, picture: str) -> None:
        super().__init__({str(picture): 1.0})
        read_picture(picture)

    def template(self, variant: str) -> Template:
        """The picture, one unit wide."""
        return _plain_template(variant)


Points = tuple[tuple[float, float], ...]


def read_picture(picture: str) -> tuple[Float64, float]:
    """Straight RGBA, float64 (h, w, 4), 0..255, at most 2048 pixels a side, and how many of the file's each stands for.

    Raises:
        ConfigError: it is no PNG with alpha, transparent all over, or has more than 50 million pixels.
    """
    path = Path(picture)
    if not path.is_file():
        raise ConfigError(
            f"There is no picture {path}. Give the path of a PNG with an alpha channel, as seen from here or from the "
            "YAML file that names it."
        )
    content = path.read_bytes()
    width, height = _stated_size(content) or (0, 0)
    if width * height > _MOST_PIXELS:  # before a pixel is decoded
        raise ConfigError(
            f"{path} says that it is {width} x {height} pixels; give at most {_MOST_PIXELS:,} in all."
        )
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if width else None
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 4 or pixels.dtype != np.uint8:
        found = "something else" if pixels is None else f"{pixels.dtype} {pixels.shape}"
        raise ConfigError(f"{path} must be an 8-bit PNG with an alpha channel; found {found}.")
    if pixels[..., 3].max() < _LEAST_ALPHA:
        raise ConfigError(
            f"{path} is transparent all over (its alpha is {pixels[..., 3].max()} of 255 at most), and would cover "
            "nothing. Give a picture of an occluder on a transparent ground."
        )
    scale = max(1.0, max(width, height) / _LARGEST_SIDE)
    if scale > 1:
        pixels = _scaled_down(np.asarray(pixels, np.uint8), scale)
    straight: Float64 = pixels[..., (2, 1, 0, 3)].astype(np.float64)
    return straight, scale


def _scaled_down(pixels: UInt8Array, scale: float) -> UInt8Array:
    """A straight picture with alpha, uint8 (h, w, 4), by areas; what is transparent lends no colour to its edges."""
    size = [max(1, round(side / scale)) for side in pixels.shape[1::-1]]
    alpha = pixels[..., 3]
    planes = [cv2.multiply(pixels[..., channel], alpha, scale=1 / 255) for channel in range(3)]
    *colours, small = (cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in (*planes, alpha))
    straight = np.stack(colours, axis=2) * (255 / np.maximum(small, 1))[..., None]
    scaled: UInt8Array = np.dstack([np.minimum(straight, 255).round().astype(np.uint8), small])
    return scaled


def _stated_size(content: bytes) -> tuple[int, int] | None:
    """Width and height by the header of a PNG; None for anything else."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n") or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def checked_points(
    picture: str, points: Mapping[str, Sequence[float]], wanted: Mapping[str, tuple[float, float]]
) -> Points:
    """The points in the order of `wanted`; raises `ConfigError` naming the point that is wrong."""
    for name in points:
        if name not in wanted:
            raise ConfigError(unknown_name(f"point of {picture}", name, wanted))
    missing = [name for name in wanted if name not in points]
    if missing:
        raise ConfigError(f"{picture} lacks the points {', '.join(missing)}. Give x, y in pixels for each.")
    pixels, scale = read_picture(picture)
    height, width = (round(side * scale) for side in pixels.shape[:2])
    found = []
    for name in wanted:
        numbers = [float(value) for value in points[name]]
        if len(numbers) != 2 or not (
            -width <= numbers[0] <= 2 * width and -height <= numbers[1] <= 2 * height
        ):
            raise ConfigError(
                f"{picture}: the point {name} is {numbers}; give x, y in pixels of the {width} x {height} picture."
            )
        found.append((numbers[0], numbers[1]))
    if np.linalg.matrix_rank(np.column_stack([found, np.ones(len(found))]), tol=1e-3) < 3:
        raise ConfigError(
            f"{picture}: the points {', '.join(wanted)} lie on one line; they must span the picture."
        )
    return tuple(found)


def read_masks_cfg(config: str) -> dict[str, tuple[str, Points]]:
    """Section -> (picture, six points in the order of `MASK_POINTS`); raises `ConfigError` naming section and key."""
    path = Path(config)
    if not path.is_file():
        raise ConfigError(f"There is no file {path}. Give the path of a masks.cfg.")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as an ini file: {error}") from None
    if not parser.sections():
        raise ConfigError(f"{path} has no sections; wanted one a mask, as [surgical].")
    entries = {}
    for name in parser.sections():
        section = parser[name]
        for key in ("template", *CFG_KEYS):
            if key not in section:
                raise ConfigError(f"{path}, section [{name}]: the key {key} is missing.")
        picture = _find_picture(path, name, section["template"].strip())
        points = {
            point: _pair(path, name, key, section[key])
            for point, key in zip(MASK_POINTS, CFG_KEYS, strict=True)
        }
        entries[name] = (picture, checked_points(picture, points, MASK_POINTS))
    return entries


def _find_picture(config: Path, section: str, given: str) -> str:
    """The picture's path: template packs give it relative to the folder above their own."""
    for folder in (*config.resolve().parents, Path()):
        if (folder / given).is_file():
            return str(folder / given)
    raise ConfigError(
        f"{config}, section [{section}]: template is {given}, but there is no such file beside it."
    )


def _pair(config: Path, section: str, key: str, text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"{config}, section [{section}]: {key} must be `x, y`; found {text!r}.") from None
    return x, y


@functools.lru_cache(maxsize=64)
def _mask_template(picture: str, points: Points) -> Template:
    target = np.array(list(MASK_POINTS.values()))
    return _laid(*read_picture(picture), homography(np.array(points), target), MASK_CANVAS)


@functools.lru_cache(maxsize=16)
def _headset_template(picture: str, points: Points) -> Template:
    source = np.column_stack([np.array(points), np.ones(len(points))])
    affine = np.linalg.lstsq(source, np.array(list(HEADSET_POINTS.values())), rcond=None)[0].T
    matrix = np.vstack([affine, [0.0, 0.0, 1.0]])
    return _laid(*read_picture(picture), matrix, _HEADSET_CANVAS)


@functools.lru_cache(maxsize=16)
def _plain_template(picture: str) -> Template:
    pixels, _ = read_picture(picture)
    width = pixels.shape[1]
    rgb, alpha = pixels[..., :3].astype(np.float32), (pixels[..., 3] / 255).astype(np.float32)
    return Template.from_straight(rgb, alpha, (0.0, 0.0), float(width), body_HW=np.ones_like(alpha))


def _laid(pixels: Float64, scale: float, matrix: Float64, canvas: Canvas) -> Template:
    """A straight RGBA picture on a canvas, by a matrix (3, 3) from pixels of its file to canonical coordinates."""
    height, width = canvas.hw
    to_canvas = np.array(
        [
            [canvas.resolution, 0, canvas.half_width * canvas.resolution - 0.5],
            [0, canvas.resolution, -canvas.top * canvas.resolution - 0.5],
            [0, 0, 1],
        ]
    )
    from_pixels = np.array([[scale, 0, 0.5 * scale], [0, scale, 0.5 * scale], [0, 0, 1.0]])
    premultiplied = pixels.astype(np.float32)
    premultiplied[..., :3] *= premultiplied[..., 3:] / 255
    full = to_canvas @ matrix @ from_pixels
    shrink = np.sqrt(abs(np.linalg.det(full[:2, :2]))) / max(abs(full[2, 2]), 1e-9)
    if shrink < 0.7:  # a large picture is softened first, or its edges would alias
        premultiplied = cv2.GaussianBlur(premultiplied, (0, 0), 0.45 / max(float(shrink), 0.02)).astype(
            np.float32
        )
    laid = cv2.warpPerspective(premultiplied, full, (width, height), flags=cv2.INTER_LINEAR)
    alpha = np.clip(laid[..., 3] / 255, 0, 1)
    straight = laid[..., :3] / np.maximum(alpha, 1e-3)[..., None]
    return Template.from_straight(
        np.clip(straight, 0, 255).astype(np.float32), alpha.astype(np.float32),
        (-canvas.half_width, canvas.top), canvas.resolution,
    )  # fmt: skip


def homography(source_P2: Float64, target_P2: Float64) -> Float64:
    """The (3, 3) matrix that carries points (P, 2), P >= 4, nearest to others: least squares, with w fixed to 1."""
    origin, size = source_P2.mean(0), float(source_P2.std()) + 1e-9
    x, y = ((source_P2 - origin) / size).T
    u, v = target_P2.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    rows = np.concatenate(
        [
            np.column_stack([x, y, one, zero, zero, zero, -u * x, -u * y]),
            np.column_stack([zero, zero, zero, x, y, one, -v * x, -v * y]),
        ]
    )
    # Normal equations in OpenCV: no threads, see `warp.thin_plate`.
    solved = cv2.solve(
        rows.T @ rows + 1e-12 * np.eye(8), rows.T @ np.concatenate([u, v])[:, None], flags=cv2.DECOMP_LU
    )
    matrix = np.append(np.asarray(solved[1], np.float64)[:, 0], 1.0).reshape(3, 3)
    result: Float64 = matrix @ np.array(
        [[1 / size, 0, -origin[0] / size], [0, 1 / size, -origin[1] / size], [0, 0, 1]]
    )
    return result
