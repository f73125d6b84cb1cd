"""Faces for these tests: the mean mesh in any pose, on a smooth picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from occlufer.landmarks import topology
from occlufer.types import FloatArray, UInt8Array


@dataclass(frozen=True)
class Face:
    image: UInt8Array
    landmarks: FloatArray


FaceMaker = Callable[..., Face]


def _make(
    size: int = 112,
    *,
    yaw: float = 0.0,
    pitch: float = 0.0,
    roll: float = 0.0,
    share: float = 0.38,
    centre: tuple[float, float] = (0.5, 0.42),
    grey: bool = False,
    hw: tuple[int, int] | None = None,
    light: float = 1.0,
    eyes: float = 1.0,
    mouth: float = 0.0,
) -> Face:
    """Angles in degrees; `share` is the eye distance against `size`; `centre` of the eyes against `size`.

    `light` darkens the picture; `eyes` 0 is closed; `mouth` opens it by so many eye distances.
    """
    a, b, c = np.deg2rad([yaw, pitch, roll])
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    nod = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    tilt = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    shape = topology.mean_mesh().astype(np.float64)
    for rim in (topology.RIGHT_EYE, topology.LEFT_EYE):
        height = shape[list(rim), 1]
        shape[list(rim), 1] = height.mean() + (height - height.mean()) * eyes
    shape[:, 1] += mouth * np.clip((shape[:, 1] - 0.74) / 0.1, 0, 1)
    mesh = shape @ (tilt @ nod @ turn).T * (share * size)
    mesh[:, :2] += np.array(centre) * size
    height, width = hw or (size, size)
    rng = np.random.default_rng(5)
    channels = 1 if grey else 3
    noise = rng.uniform(0, 255, (max(height // 6, 2), max(width // 6, 2), channels)).astype(np.uint8)
    picture = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).reshape(
        height, width, channels
    )
    picture = np.repeat(picture, 3 // channels, axis=2)
    picture = (picture * light).astype(np.uint8)
    return Face(np.ascontiguousarray(picture), mesh.astype(np.float32))


@pytest.fixture(scope="session")
def make_face() -> FaceMaker:
    return _make
