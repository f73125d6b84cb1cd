"""Splines, bent bands and head pose, by what they must do to points."""

from __future__ import annotations

import numpy as np
import pytest

from occlufer.occlusion.warp import strip, thin_plate

_POINTS = np.random.default_rng(3).uniform(0, 100, (12, 2)).astype(np.float32)
_TARGETS = np.random.default_rng(4).uniform(-1, 1, (12, 2))


def test_a_spline_without_smoothing_passes_through_its_points():
    found = thin_plate(_POINTS, _TARGETS, 0.0)(_POINTS.astype(np.float64))
    np.testing.assert_allclose(found, _TARGETS, atol=2e-3)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_a_spline_of_an_affine_map_is_that_map(smoothing):
    matrix, offset = np.array([[0.02, -0.01], [0.005, 0.03]]), np.array([-1.0, 0.4])
    inverse = thin_plate(_POINTS, _POINTS @ matrix + offset, smoothing)
    elsewhere = np.array([[-30.0, 20.0], [140.0, 90.0], [51.5, 3.25]])
    np.testing.assert_allclose(inverse(elsewhere), elsewhere @ matrix + offset, atol=1e-3)


def test_a_spline_does_not_depend_on_place_and_size():
    at = np.array([[10.0, 20.0], [70.0, 40.0]])
    near = thin_plate(_POINTS, _TARGETS, 0.1)(at)
    far = thin_plate(_POINTS * 20 + 1000, _TARGETS, 0.1)(at * 20 + 1000)
    np.testing.assert_allclose(near, far, atol=5e-3)


def test_points_in_one_place_still_make_a_finite_map():
    inverse = thin_plate(np.full((12, 2), 7.0, np.float32), _TARGETS, 0.02)
    assert np.isfinite(inverse(np.array([[0.0, 0.0], [7.0, 7.0]]))).all()


def test_a_straight_band_is_read_along_and_down():
    path = [[float(x), 50.0] for x in range(10, 100, 10)]
    bent = strip(path, np.linspace(-1, 1, 9), (0.0, 40.0))
    canonical = bent.inverse(np.array([[50.0, 50.0], [90.0, 70.0], [10.0, 30.0], [200.0, 50.0]]))
    np.testing.assert_allclose(canonical, [[0, 0], [1, 0.5], [-1, -0.5], [1, 0]], atol=1e-6)
    outline = bent.outline((-1.0, 1.0), (-0.5, 0.5), 0.1)
    np.testing.assert_allclose(outline.min(0), [10, 10], atol=1e-6)
    np.testing.assert_allclose(outline.max(0), [90, 90], atol=1e-6)
