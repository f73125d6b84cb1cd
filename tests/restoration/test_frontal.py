"""Turning faces to the front: on drawn geometry, where the answer is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fakes import frontal_landmarks
from occlufer.landmarks.geometry import head_pose
from occlufer.landmarks.topology import MIRROR, mean_mesh
from occlufer.restoration.frontal import Frontalizer
from occlufer.types import FloatArray, UInt8Array

SIDE = 96


def turned(*, yaw: float, roll: float = 0.0, mouth: float = 0.0) -> FloatArray:
    """The mean face turned about its axes by degrees, with its mouth opened by a share of the eye distance."""
    mesh = mean_mesh().astype(np.float64)
    mesh[[17, 14, 87, 317, 84, 314], 1] += mouth
    y, r = np.radians([yaw, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    placed = mesh @ (about_z @ about_y).T * 0.45 * SIDE + [0.5 * SIDE, 0.42 * SIDE, 0]
    return placed.astype(np.float32)


def painted(landmarks: FloatArray, *, left: int, right: int) -> UInt8Array:
    """The subject's left half of the face in one grey, the right in another, the seen one on top."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    across = mean_mesh()[:, 0]
    halves = [(left, across >= -1e-4), (right, across <= 1e-4)]
    for value, points in halves if right_is_seen(landmarks) else halves[::-1]:
        hull = cv2.convexHull(np.rint(landmarks[points, :2]).astype(np.int32))
        cv2.fillConvexPoly(image, hull, (value,) * 3)
    return image


def right_is_seen(landmarks: FloatArray) -> bool:
    """Whether the edge of the subject's right cheek is farther from the nose in the image than that of the left."""
    return abs(landmarks[234, 0] - landmarks[1, 0]) > abs(landmarks[454, 0] - landmarks[1, 0])


@pytest.mark.parametrize("yaw", [-35.0, -10.0, 0.0, 20.0, 44.0])
def test_the_yaw_of_a_turned_mesh_is_found(yaw):
    assert head_pose(turned(yaw=yaw)).yaw == pytest.approx(yaw, abs=0.01)


def test_a_rotation_never_mirrors():
    rotation = head_pose(turned(yaw=30, roll=-20)).rotation
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)


@pytest.mark.parametrize(("yaw", "roll"), [(30, 0), (-25, 15), (0, -20)])
def test_the_pose_leaves_and_the_expression_stays(yaw, roll):
    landmarks = turned(yaw=yaw, roll=roll, mouth=0.2)
    face = Frontalizer()(painted(landmarks, left=200, right=200), landmarks)
    assert head_pose(face.landmarks_N3).yaw == pytest.approx(0, abs=0.01)
    centred = face.landmarks_N3 - face.landmarks_N3.mean(axis=0)
    expected = turned(yaw=0, mouth=0.2)
    np.testing.assert_allclose(centred, expected - expected.mean(axis=0), atol=0.05)
    flipped = centred[list(MIRROR)] * [-1, 1, 1]
    np.testing.assert_allclose(centred, flipped, atol=0.05)


def test_a_frontal_face_keeps_its_pixels():
    landmarks = frontal_landmarks(SIDE)
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8), (0, 0), 2)
    before = image.copy()
    face = Frontalizer()(image, landmarks)
    assert face.filled_HW.max() < 0.01
    assert np.abs(face.image_HWC.astype(int) - image).mean() < 1.5
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("yaw", [-30.0, 30.0])
def test_the_side_turned_away_is_filled_from_the_one_that_is_seen(yaw):
    landmarks = turned(yaw=yaw)
    seen_cheek, hidden_cheek = (50, 280) if right_is_seen(landmarks) else (280, 50)
    values = {50: 60, 280: 220}
    image = painted(landmarks, left=values[280], right=values[50])
    filled, bare = Frontalizer()(image, landmarks), Frontalizer(fill=0)(image, landmarks)

    def grey(face, cheek):
        x, y = face.landmarks_N3[cheek, :2].astype(int)
        return int(face.image_HWC[y, x, 0])

    assert grey(bare, seen_cheek) == grey(filled, seen_cheek) == values[seen_cheek]
    assert grey(bare, hidden_cheek) == values[hidden_cheek]
    assert abs(grey(filled, hidden_cheek) - values[seen_cheek]) < 40
    assert bare.filled_HW.max() == 0


def test_the_fill_of_mirrored_faces_is_mirrored():
    landmarks = turned(yaw=35)
    rng = np.random.default_rng(1)
    image = cv2.GaussianBlur(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8), (0, 0), 2)
    flipped = landmarks[list(MIRROR)].copy()
    flipped[:, 0] = SIDE - flipped[:, 0]
    one = Frontalizer()(image, landmarks)
    other = Frontalizer()(np.ascontiguousarray(image[:, ::-1]), flipped)
    difference = np.abs(one.image_HWC.astype(int) - other.image_HWC[:, ::-1])
    # Delaunay triangles of a square can be cut either way, so that single pixels differ.
    assert difference.mean() < 2


def test_landmarks_outside_the_image_survive():
    landmarks = turned(yaw=20) - np.array([60, 50, 0], np.float32)
    face = Frontalizer()(np.full((SIDE, SIDE, 3), 99, np.uint8), landmarks)
    assert face.image_HWC.shape == (SIDE, SIDE, 3)
    assert set(np.unique(face.image_HWC)) == {99}
