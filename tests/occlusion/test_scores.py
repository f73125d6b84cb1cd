from __future__ import annotations

import math

import numpy as np
import pytest

from occlufer.landmarks import topology
from occlufer.occlusion.scores import covered_share, placement_scores


def test_full_and_empty_cover(make_face):
    face = make_face(112, share=0.26, centre=(0.5, 0.5))
    empty = placement_scores(np.zeros((112, 112), np.float32), face.landmarks)
    full = placement_scores(np.ones((112, 112), np.float32), face.landmarks)
    assert (empty.lower_face, empty.eyes, empty.nose, empty.mouth, empty.face) == (0, 0, 0, 0, 0)
    assert math.isnan(empty.outside)
    assert full.face == pytest.approx(1)
    assert full.lower_face == pytest.approx(1)
    assert (full.eyes, full.brows, full.nostrils, full.nose_and_mouth) == (1, 1, 1, 1)
    assert 0.4 < full.outside < 0.9


def test_half_a_face(make_face):
    face = make_face(112, share=0.26, centre=(0.5, 0.5))
    alpha = np.zeros((112, 112), np.float32)
    alpha[:, :56] = 1
    scores = placement_scores(alpha, face.landmarks)
    assert scores.face == pytest.approx(0.5, abs=0.01)
    assert scores.lower_face == pytest.approx(0.5, abs=0.01)
    assert scores.eyes == pytest.approx(0.5)
    alpha[:, :56] = 0.5
    assert covered_share(alpha, face.landmarks) == pytest.approx(0.25, abs=0.01)


def test_points_outside_the_image_do_not_count(make_face):
    face = make_face(112, centre=(0.5, 0.95))
    scores = placement_scores(np.ones((112, 112), np.float32), face.landmarks)
    assert scores.eyes == 1
    assert math.isnan(scores.mouth)
    away = face.landmarks + np.float32(1000)
    assert covered_share(np.ones((112, 112), np.float32), away) == 0


def test_named_sets_lie_where_they_should():
    mesh = topology.mean_mesh()
    for name in ("EYES", "BROWS", "NOSE", "MOUTH", "NOSTRILS", "LOWER_FACE", "FACE_OVAL", "JAW_RING"):
        points = getattr(topology, name)
        assert len(set(points)) == len(points)
        assert {topology.MIRROR[point] for point in points} == set(points), name
    heights = [
        mesh[list(points), 1].mean()
        for points in (topology.BROWS, topology.EYES, topology.NOSE, topology.MOUTH)
    ]
    assert heights == sorted(heights)
    assert mesh[list(topology.LEFT_EYE), 0].min() > 0
    assert set(topology.JAW_RING) < set(topology.FACE_OVAL)


def test_mirror_is_an_involution_that_keeps_the_mean_mesh():
    mirror = np.array(topology.MIRROR)
    np.testing.assert_array_equal(mirror[mirror], np.arange(468))
    mesh = topology.mean_mesh()
    flipped = mesh[mirror] * np.array([-1, 1, 1], np.float32)
    np.testing.assert_allclose(flipped, mesh, atol=0.0011)
    assert (mirror == np.arange(468)).sum() == 28
