from __future__ import annotations

import numpy as np
import pytest

from fakes import frontal_landmarks
from occlufer.data.view_study_a import MeshCorner
from occlufer.types import ConfigError, FloatArray, UInt8Array, seeded_rng


def image(height: int, width: int) -> UInt8Array:
    return seeded_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def mesh(box: tuple[float, float, float, float]) -> FloatArray:
    """A mesh whose box is (left, top, right, bottom)."""
    points = frontal_landmarks(48)
    low, high = points.min(axis=0), points.max(axis=0)
    share = (points - low) / (high - low)
    left, top, right, bottom = box
    return (share * np.array([right - left, bottom - top, 1]) + np.array([left, top, 0])).astype(np.float32)


def test_the_square_begins_at_the_least_x_and_y_and_is_as_wide_as_the_longer_side():
    assert MeshCorner().square(mesh((20, 30, 60, 90)), (200, 150)) == (20, 30, 60)  # higher than wide
    assert MeshCorner().square(mesh((20, 30, 100, 90)), (200, 150)) == (20, 30, 80)  # wider than high


def test_pixels_and_landmarks_are_cut_at_that_corner():
    picture, points = image(200, 150), mesh((20, 30, 60, 90))
    cut, moved = MeshCorner()(picture, points, hw=(224, 224))
    np.testing.assert_array_equal(cut, picture[30:90, 20:80])
    np.testing.assert_allclose(moved[:, :2], points[:, :2] - [20, 30])


def test_a_large_face_is_scaled_to_the_input():
    cut, moved = MeshCorner()(image(600, 600), mesh((50, 60, 450, 508)), hw=(224, 224))
    assert cut.shape == (224, 224, 3)
    assert moved[:, 1].max() == pytest.approx(224)


def test_the_input_is_224_pixels_after_all():
    picture, points = MeshCorner()(image(100, 100), mesh((20, 30, 60, 90)), hw=(224, 224))
    assert MeshCorner().finish(picture, points, hw=(224, 224)).shape == (224, 224, 3)


def test_images_of_100_pixels_are_taken_whole_and_no_others():
    points = mesh((20, 30, 60, 90))
    picture = image(100, 100)
    np.testing.assert_array_equal(MeshCorner()(picture, points, hw=(224, 224))[0], picture)
    for odd in ((100, 101), (101, 100), (101, 101)):
        assert MeshCorner().square(points, odd) == (20, 30, 60)
    assert MeshCorner(whole_side=None).square(points, (100, 100)) == (20, 30, 60)


@pytest.mark.parametrize("side", [0, -1, "100"])
def test_a_side_that_cannot_be_is_refused(side):
    with pytest.raises(ConfigError, match=r"view\.whole_side must be a side in pixels"):
        MeshCorner(whole_side=side)
