"""Glasses: rims before the eyes, temples to the ears."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from occlufer.synthesis.mesh import EYE_RINGS
from occlufer.synthesis.pose import Camera
from occlufer.synthesis.scene import Scene
from occlufer.types import FloatArray

_SHIFT = 4
# kind -> half width, half height, squareness (2 is an ellipse), thickness in head units, colour
_KINDS = {
    1: (0.36, 0.27, 2.4, 0.05, (0.006, 0.005, 0.005)),
    2: (0.34, 0.31, 2.0, 0.035, (0.035, 0.028, 0.02)),
    3: (0.37, 0.23, 3.6, 0.06, (0.03, 0.01, 0.006)),
}


def wear(picture: FloatArray, still_V3: FloatArray, camera: Camera, kind: int, scene: Scene) -> None:
    """Draw glasses over a finished head; changes `picture`.

    Args:
        picture: linear RGB, float32 (H, W, 3).
        still_V3: the head before it is turned.
        camera: of the picture.
        kind: 1 to 3.
        scene: for the reflection on the lenses.
    """
    half_width, half_height, square, thick, colour = _KINDS[kind]
    width = max(1, round(thick * camera.scale))
    front = float(still_V3[[168, 6], 2].mean()) - 0.06
    mask = np.zeros(picture.shape[:2], np.float32)
    lens = np.zeros_like(mask)
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    inner = []
    for side, ring in zip((-1, 1), EYE_RINGS, strict=True):
        centre = still_V3[[ring[0], ring[8]]].mean(0)
        x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / square) * half_width
        y = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / square) * half_height + 0.05
        rim = np.stack([centre[0] + x, centre[1] + y, front + 0.12 * (np.abs(centre[0] + x)) ** 2], 1)
        outline = _pixels(rim, camera)
        cv2.polylines(mask, [outline], True, (1.0,), width, cv2.LINE_AA, _SHIFT)
        cv2.fillPoly(lens, [outline], (1.0,), cv2.LINE_8, _SHIFT)
        inner.append(rim[np.argmin(side * rim[:, 0])])
        hinge = rim[np.argmax(side * rim[:, 0])]
        if side * scene.yaw < 8:  # the temple on the far side is hidden by the face
            ear = np.array([side * 1.16, hinge[1] + 0.02, 1.0])
            cv2.polylines(
                mask, [_pixels(np.stack([hinge, ear]), camera)], False, (0.9,), width, cv2.LINE_AA, _SHIFT
            )
    bridge = np.stack([inner[0], (inner[0] + inner[1]) / 2 + [0, -0.04, -0.03], inner[1]])
    cv2.polylines(mask, [_pixels(bridge, camera)], False, (1.0,), width, cv2.LINE_AA, _SHIFT)
    lens = np.clip(lens - mask, 0, 1)[..., None]
    y, x = np.mgrid[: len(picture), : len(picture)].astype(np.float32)
    streak = np.exp(-((((x - y * 0.5) / len(picture) - 0.2) / 0.05) ** 2))[..., None]
    picture *= 1 - 0.08 * lens
    picture += lens * streak * 0.05 * scene.light_colour
    light = 0.6 * scene.light_colour + scene.ambient_colour
    picture += mask[..., None] * (np.array(colour, np.float32) * light - picture)


def _pixels(points: FloatArray, camera: Camera) -> NDArray[np.int32]:
    xy = camera.project(camera.turned(np.asarray(points, np.float32)))
    return np.asarray(np.rint(xy * (1 << _SHIFT)), np.int32)
