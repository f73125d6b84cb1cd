"""From an identity and action units to vertices in space, and from there to the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from occlufer.synthesis.deform import shape_fields, unit_fields
from occlufer.synthesis.identity import Identity
from occlufer.synthesis.mesh import EYE_RINGS, MOUTH_RING, mean_head, neck_rows
from occlufer.synthesis.scene import Scene
from occlufer.types import LANDMARK_COUNT, FloatArray

_PIVOT = np.array([0.0, 0.9, 1.25], np.float32)
_MIDDLE = np.array([0.0, 0.42, 0.2], np.float32)  # of the face, what the camera aims at
FACE_HEIGHT = 2.58


def deformed(identity: Identity, units_left: FloatArray, units_right: FloatArray) -> FloatArray:
    """The head of a person making a face, not turned, float32 (V, 3) in head units.

    Args:
        identity: whose head.
        units_left, units_right: weights of the action units on the image's left and right half.
    """
    head = mean_head()
    face = head.vertices_V3[:LANDMARK_COUNT].copy()
    step = np.tensordot(identity.shape, shape_fields(), 1)
    fields = unit_fields()
    step += np.tensordot(units_left, fields[:, 0], 1) + np.tensordot(units_right, fields[:, 1], 1)
    _keep_lips_apart(face, step)
    moved = np.concatenate([step, np.zeros((1, 3), np.float32)])
    vertices = head.vertices_V3 + moved[head.follow_V] * head.follow_weight_V[:, None]
    first = LANDMARK_COUNT
    for place, ring in enumerate((*EYE_RINGS, MOUTH_RING)):
        vertices[first + place] = vertices[list(ring)].mean(0)
    vertices[first + 2, 2] += 0.12
    neck = neck_rows(head)
    vertices[: neck[0, 0]] *= np.array([identity.scale[0], identity.scale[1], 1], np.float32)
    upper = neck[:6].ravel()
    vertices[upper, 0] *= identity.neck
    return np.asarray(vertices, np.float32)


_UPPER_ROW, _LOWER_ROW = list(MOUTH_RING[1:10]), list(MOUTH_RING[:10:-1])


def _keep_lips_apart(face: FloatArray, step: FloatArray) -> None:
    """Lips that would pass through each other meet half-way; changes `step`."""
    upper = face[_UPPER_ROW, 1] + step[_UPPER_ROW, 1]
    lower = face[_LOWER_ROW, 1] + step[_LOWER_ROW, 1]
    overlap = np.clip(upper - lower + 0.004, 0, None) / 2
    step[_UPPER_ROW, 1] -= overlap
    step[_LOWER_ROW, 1] += overlap


def rotation(yaw: float, pitch: float, roll: float) -> FloatArray:
    """Rotation of points (x right, y down, z away) by degrees as in `Scene`, float32 (3, 3)."""
    y, p, r = np.deg2rad([yaw, pitch, roll])
    # The nose points to -z: turning it to +x is a turn about the vertical by -yaw in this frame.
    turn = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    nod = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    tilt = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.asarray(tilt @ nod @ turn, np.float32)


@dataclass(frozen=True, slots=True)
class Camera:
    """Puts a head into a picture of `size` pixels."""

    turn: FloatArray
    scene: Scene
    size: int

    @property
    def scale(self) -> float:
        """Pixels of a head unit at the face's middle."""
        return self.scene.span * self.size / FACE_HEIGHT

    def turned(self, points_V3: FloatArray, share_V: FloatArray | float = 1.0) -> FloatArray:
        """Head units about the face's middle, turned by the pose; `share` < 1 for a neck that follows partly."""
        away = points_V3 - _PIVOT
        full = away @ self.turn.T
        share = np.broadcast_to(np.asarray(share_V, np.float32), len(points_V3))[:, None]
        aim = (_MIDDLE - _PIVOT) @ self.turn.T
        return np.asarray(away + share * (full - away) - aim, np.float32)

    def project(self, turned_V3: FloatArray) -> FloatArray:
        """Pixels, float32 (V, 2); the centre of the first pixel is at 0."""
        near = 1 / (1 + self.scene.nearness * turned_V3[:, 2:3])
        centre = (np.array(self.scene.shift) + 0.5) * self.size - 0.5
        return np.asarray(turned_V3[:, :2] * near * self.scale + centre, np.float32)


def camera_of(scene: Scene, size: int) -> Camera:
    """The camera of a scene."""
    return Camera(rotation(scene.yaw, scene.pitch, scene.roll), scene, size)


def follow_share(count: int) -> FloatArray:
    """How far each vertex follows the head's turn, float32 (V,): the shoulders stay."""
    share = np.ones(count, np.float32)
    rows = neck_rows(mean_head())
    for row, value in zip(rows, (0.95, 0.7, 0.4, 0.2, 0.1, 0.05, 0, 0, 0, 0), strict=True):
        share[row] = value
    return share
