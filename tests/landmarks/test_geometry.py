from __future__ import annotations

import numpy as np
import pytest

from occlufer.landmarks.geometry import head_pose
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
