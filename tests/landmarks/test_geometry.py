from __future__ import annotations

import numpy as np
import pytest

from occlufer.landmarks.geometry import head_pose, neutral_face
from occlufer.landmarks.topology import mean_mesh


def face(yaw: float) -> np.ndarray:
    angle = np.deg2rad(yaw)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    return (mean_mesh() @ turn.T * 50 + 100).astype(np.float32)


@pytest.mark.parametrize("yaw", [-120, -40, 0, 25])
def test_the_pose_turns_a_face_back_to_the_mean(yaw):
    pose = head_pose(face(yaw))
    assert pose.yaw == pytest.approx(yaw, abs=0.5)
    assert pose.scale == pytest.approx(50, rel=0.01)
    for axis in range(3):
        np.testing.assert_allclose(pose.along(axis, face(yaw)), mean_mesh()[:, axis], atol=0.01)


@pytest.mark.parametrize("yaw", [-40, 0, 25])
def test_the_neutral_face_keeps_pose_and_size_and_not_the_jaw(yaw):
    turned = face(yaw)
    np.testing.assert_allclose(neutral_face(turned), turned, atol=0.02)
    opened = turned.copy()
    opened[mean_mesh()[:, 1] > 0.6, 1] += 9.0
    np.testing.assert_allclose(neutral_face(opened), turned, atol=0.02)
    wide = turned * np.array([1.2, 1.2, 1.2], np.float32)
    np.testing.assert_allclose(neutral_face(wide), wide, atol=0.02)
