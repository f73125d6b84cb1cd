"""The light on a face, read off its skin: from which side it comes, its colour, and where a shadow lies.

All is done on logarithms of the stored values, so that a factor on the light is a sum whatever the picture's gamma.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from occlufer.landmarks import topology
from occlufer.types import FloatArray, UInt8Array

# Bare skin of one side of the face. Chin and lips are left out: what an open mouth or a smile does there is no light.
_ONE_SIDE = (108, 69, 104, 68, 111, 118, 101, 50, 123, 205, 187, 207, 147, 213, 192, 36, 100, 126)
SKIN = np.array([151, 9, 197, 195, 4, *_ONE_SIDE, *(topology.MIRROR[point] for point in _ONE_SIDE)])
"""The landmarks at which the light is read: forehead, nose, cheeks and the sides of the jaw."""

GREY = 0.01
"""Colour (see `read_light`) below which a picture has none."""
# How far a point's logarithm may lie from that of nose and cheeks, and then from a plane: hair, glasses, beards.
_BOUNDS = 0.35, 0.25
# Shares that are followed: at the eyes, which lie deep, and below the nose; and down the face, where not all is light.
_ACROSS, _DOWN = (1.5, 1.0), 0.6
_FINER, _FINER_REACH, _FINER_DOUBT = 1.0, 0.2, 0.5
_SIDE_COLOUR = 0.6  # share of a change of colour over the face that is light: cheeks are red by themselves
# Skin of this luma lights by 1; what another one has more or less is light in this share, and skin for the rest.
_USUAL, _FOLLOWED = math.log(140.0), 0.55
_LEVELS = -1.2, 0.11  # logarithms of the least and greatest brightness
_CAST = 0.75  # share of a skin's unusual colour that is light, the rest being the skin's own
_MOST_CAST, _MOST_SHADE = 0.5, 0.9
_WHITE, _WHITE_SHARE = math.log(1.05), 0.8  # factor from which white artwork would lose its folds
# Log red/green and blue/green of skin in white light, and how they grow as it darkens.
_SKIN_COLOUR = (0.27, 0.10), (-0.17, -0.08)
_SKIN_LEVEL, _BLEACHED = math.log(150.0), 2.5
# Nodes of the gains, in canonical coordinates; the linear part stops growing where no skin is read.
_NODES_X, _NODES_Y = np.linspace(-1.0, 1.0, 9), np.linspace(-0.8, 1.4, 9)
_EYES_AND_NOSE = 0.1, 0.5  # canonical heights
_EDGES = (-0.72, 0.72), (-0.45, 0.8)
_PER_UNIT = tuple((len(nodes) - 1) / (nodes[-1] - nodes[0]) for nodes in (_NODES_X, _NODES_Y))
_MIDDLE = tuple(float(-nodes[0] * per) for nodes, per in zip((_NODES_X, _NODES_Y), _PER_UNIT, strict=True))


def _operators() -> tuple[list[tuple[FloatArray, float]], FloatArray, FloatArray]:
    """What is the same for every face.

    Returns:
        Rounds of a robust fit: a projection (P, P) of the values at the skin's points onto smooth ones, and how far
        off these a value may lie; the values at the nodes less their mean, and as a last row that mean,
        (nodes + 1, P), from values at the points; and the affine map (3, P) from canonical coordinates to the image.
    """
    xy = topology.mean_mesh()[SKIN, :2].astype(np.float64)
    cheeks = (xy[:, 1] > 0).astype(float)  # nose and cheeks: no fringe, no hat
    across = np.column_stack([np.ones(len(xy)), xy[:, 0]])
    plane = np.column_stack([np.ones(len(xy)), xy])
    fit = np.linalg.pinv(plane)
    projections = across @ np.linalg.pinv(across * cheeks[:, None]), plane @ fit
    nodes = np.stack(np.meshgrid(_NODES_X, _NODES_Y), -1).reshape(-1, 2)
    bounded = np.column_stack([np.clip(nodes[:, axis], *_EDGES[axis]) for axis in (0, 1)])
    shares = np.full(nodes.shape, _DOWN)
    shares[:, 0] = np.interp(nodes[:, 1], _EYES_AND_NOSE, _ACROSS)
    linear = (bounded - xy.mean(0)) * shares @ fit[1:]
    near = np.exp(-0.5 * ((nodes[:, None] - xy) ** 2).sum(2) / _FINER_REACH**2)
    near /= near.sum(1, keepdims=True) + _FINER_DOUBT
    field = linear + _FINER * near @ (np.eye(len(xy)) - projections[1])
    rounds = [(part.astype(np.float32), bound) for part, bound in zip(projections, _BOUNDS, strict=True)]
    field = np.vstack([field, np.full(len(xy), 1 / len(xy))])
    return rounds, field.astype(np.float32), fit.astype(np.float32)


_ROUNDS, _FIELD, _AFFINE = _operators()
_COARSE = 12
_SKIN_XY = 3 * SKIN[:, None] + np.arange(2)  # in the flat landmarks
_GRID = len(_NODES_Y), len(_NODES_X)
_GREY_MIXING = np.array(((0.0, 1.0, 0.0, 0.0),))
_LOG = np.log(np.maximum(np.arange(256), 8)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Light:
    """Factors by which the light of a photo changes what lies on a face.

    Attributes:
        gains: uint8 (R, C, 3), or (R, C) for a picture without colour: factors at nodes over the face.
        unit: the factor that a gain of 1 stands for.
        to_nodes: (2, 3), from pixels of the image to (column, row) of the nodes.
    """

    gains: UInt8Array
    unit: float
    to_nodes: tuple[tuple[float, float, float], tuple[float, float, float]]

    def over(self, box: tuple[int, int, int, int]) -> Any:
        """The gains in columns x0 to x1 and rows y0 to y1 of the image: uint8 (h, w, 3), or (h, w)."""
        x0, y0, x1, y1 = box
        width, height = x1 - x0, y1 - y0
        across, down = width / _COARSE, height / _COARSE
        (a, b, c), (d, e, f) = self.to_nodes
        x, y = x0 + across / 2, y0 + down / 2
        matrix = np.array(
            ((a * across, b * down, a * x + b * y + c), (d * across, e * down, d * x + e * y + f))
        )
        # To a few pixels first: OpenCV turns and moves a picture slowly, and enlarges it fast.
        coarse = cv2.warpAffine(
            self.gains, matrix, (_COARSE, _COARSE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def read_light(skin_P3: UInt8Array, landmarks_N3: FloatArray, *, brightness: float, colour: float) -> Light:
    """The light on a face.

    Args:
        skin_P3: RGB of the image at the points `SKIN`.
        landmarks_N3: float32 (468, 3), pixels of the image.
        brightness: factor of its own that what is lit has, above 0.
        colour: 0 (a grey picture) .. 1: how far differences between the channels are followed.
    """
    values = _LOG.take(skin_P3)
    for projection, bound in _ROUNDS:  # Huber's modified residuals: a robust plane without weights
        smooth = projection @ values
        away = values - smooth
        away.clip(-bound, bound, out=away)
        values = np.add(smooth, away, out=away)
    shades = _FIELD @ values
    means = shades[-1].tolist()
    logs: Any = cv2.transform(shades[:-1, None], _mixing(means, colour))
    logs.clip(-_MOST_SHADE, _MOST_SHADE, out=logs)
    top = cv2.minMaxLoc(logs.reshape(-1))[1]
    # What white artwork would be lit beyond white is taken from the level, and not from the difference of the sides.
    level = math.log(brightness) + min(max(_FOLLOWED * (_luma(*means) - _USUAL), _LEVELS[0]), _LEVELS[1])
    level -= _WHITE_SHARE * max(level + top - _WHITE, 0.0)
    gains: Any = cv2.convertScaleAbs(cv2.exp(logs), alpha=255 * math.exp(-top))
    return Light(
        gains.reshape(_GRID if colour < GREY else (*_GRID, 3)),
        math.exp(level + top) / 255,
        _to_nodes(landmarks_N3),
    )


def _mixing(means: list[float], colour: float) -> FloatArray:
    """How the logarithms of the factors follow from those of the skin: (3, 4), or (1, 4) for a grey picture.

    The last column is the light's colour, which leaves the luma as it is.

    Args:
        means: mean logarithms of the skin's red, green and blue.
        colour: see `read_light`.
    """
    if colour < GREY:
        return _GREY_MIXING
    red, green, blue = means
    dark = min(_SKIN_LEVEL - green, 0.8)
    if dark < 0:  # very light: pale skin, or light that bleaches any skin
        dark *= _BLEACHED
    (red_0, red_1), (blue_0, blue_1) = _SKIN_COLOUR
    share = _CAST * colour
    to_red = min(max(share * (red - green - red_0 - red_1 * dark), -_MOST_CAST), _MOST_CAST)
    to_blue = min(max(share * (blue - green - blue_0 - blue_1 * dark), -_MOST_CAST), _MOST_CAST)
    luma = _luma(to_red, 0.0, to_blue)
    own = _SIDE_COLOUR * colour
    r, g, b = (1 - own) * 0.299, (1 - own) * 0.587, (1 - own) * 0.114
    return np.array(((r + own, g, b, to_red - luma), (r, g + own, b, -luma), (r, g, b + own, to_blue - luma)))


def _luma(red: float, green: float, blue: float) -> float:
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _to_nodes(landmarks_N3: FloatArray) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """From pixels to (column, row) of the nodes, by the affine map that fits the mean face's skin to this one best."""
    (cx, cy), (xx, xy), (yx, yy) = (_AFFINE @ landmarks_N3.take(_SKIN_XY)).tolist()
    determinant = xx * yy - xy * yx
    if abs(determinant) < 1e-3:  # all points on a line: the middle of the face everywhere
        return (0.0, 0.0, _MIDDLE[0]), (0.0, 0.0, _MIDDLE[1])
    across, down = _PER_UNIT[0] / determinant, _PER_UNIT[1] / determinant
    a, b, d, e = yy * across, -yx * across, -xy * down, xx * down
    return (a, b, _MIDDLE[0] - a * cx - b * cy), (d, e, _MIDDLE[1] - d * cx - e * cy)
