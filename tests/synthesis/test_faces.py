"""What is drawn: expressions that move the face, people who stay themselves, points that lie on the face."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from occlufer.synthesis.deform import ACTION_UNITS, UNIT_NAMES, unit_fields
from occlufer.synthesis.expressions import DIFFICULTIES, PROTOTYPES, difficulty_named, draw_units, prototype
from occlufer.synthesis.faces import draw_face
from occlufer.synthesis.identity import HAIR_STYLES, draw_identity
from occlufer.synthesis.mesh import EYE_RINGS, mean_face, mean_head
from occlufer.synthesis.pose import rotation
from occlufer.synthesis.renderer import render
from occlufer.synthesis.scene import Scene, draw_scene
from occlufer.types import EXPRESSIONS, ConfigError, FloatArray, seeded_rng

_SIZE = 96
_STILL = np.zeros(len(UNIT_NAMES), np.float32)


def _scene(**changes: float) -> Scene:
    scene = draw_scene(seeded_rng(3), DIFFICULTIES["default"])
    plain = {
        "yaw": 0.0,
        "pitch": 0.0,
        "roll": 0.0,
        "shift": (0.0, 0.04),
        "noise": 0.0,
        "blur": 0.0,
        "grey": False,
    }
    return dataclasses.replace(scene, **(plain | changes))  # type: ignore[arg-type]


def _landmarks(units: dict[int, float], **changes: float) -> FloatArray:
    weights = _STILL.copy()
    for unit, weight in units.items():
        weights[UNIT_NAMES.index(unit)] = weight
    identity = draw_identity(seeded_rng(4))
    return render(identity, weights, weights, _scene(**changes), _SIZE).landmarks_N3


def test_mean_face_is_symmetric_and_whole() -> None:
    vertices, triangles, mirror = mean_face()
    assert vertices.shape == (468, 3)
    assert triangles.shape == (852, 3)
    np.testing.assert_allclose(vertices[mirror] * [-1, 1, 1], vertices, atol=1e-6)
    eyes = np.array([vertices[[ring[0], ring[8]]].mean(0) for ring in EYE_RINGS])
    assert np.linalg.norm(eyes[1, :2] - eyes[0, :2]) == pytest.approx(1, abs=0.02)


def test_skin_faces_outwards() -> None:
    head = mean_head()
    nose, cheek = 4, 205
    for point in (nose, cheek):
        rows = np.flatnonzero((head.triangles_T3 == point).any(1))
        a, b, c = (head.vertices_V3[head.triangles_T3[rows, corner]] for corner in range(3))
        assert -np.cross(b - a, c - a)[:, 2].sum() < 0  # towards the viewer


@pytest.mark.parametrize(
    ("unit", "point", "axis", "sign"),
    [
        (1, 55, 1, -1),  # inner brow up
        (2, 70, 1, -1),  # outer brow up
        (4, 55, 1, 1),  # brow down
        (5, 159, 1, -1),  # upper lid up
        (7, 145, 1, -1),  # lower lid up
        (12, 61, 1, -1),  # lip corner up
        (12, 291, 0, 1),  # and out
        (15, 61, 1, 1),  # lip corner down
        (20, 61, 0, -1),  # lip corner out
        (25, 14, 1, 1),  # lower lip down
        (26, 152, 1, 1),  # chin down
        (9, 48, 1, -1),  # nose wings up
        (17, 199, 1, -1),  # chin up
    ],
)
def test_unit_moves_what_it_should(unit: int, point: int, axis: int, sign: int) -> None:
    step = _landmarks({unit: 1.0})[point] - _landmarks({})[point]
    assert sign * step[axis] > 0.01 * _SIZE


def test_lips_part_and_never_cross() -> None:
    assert _landmarks({25: 1.0})[14, 1] - _landmarks({25: 1.0})[13, 1] > 0.02 * _SIZE
    pressed = _landmarks({24: 1.3, 17: 1.0})
    assert (pressed[[87, 14, 317], 1] >= pressed[[82, 13, 312], 1] - 1e-3).all()


def test_left_and_right_are_mirror_images() -> None:
    fields = unit_fields()
    mirror = mean_head().mirror_N
    np.testing.assert_allclose(fields[:, 0][:, mirror] * [-1, 1, 1], fields[:, 1], atol=1e-6)


def test_yaw_turns_the_nose_to_the_right_of_the_image() -> None:
    turned = _landmarks({}, yaw=30.0)
    eyes = turned[[33, 263], 0].mean()
    assert turned[1, 0] - eyes > 0.05 * _SIZE
    assert turned[454, 2] > turned[234, 2]  # the image's right side of the face moves away
    down = _landmarks({}, pitch=15.0)
    assert down[1, 1] - down[[33, 263], 1].mean() > _landmarks({})[1, 1] - _landmarks({})[[33, 263], 1].mean()


def test_rotation_keeps_lengths() -> None:
    turn = rotation(30, -10, 5)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)


def test_face_depends_on_seed_and_index_only() -> None:
    first, again = (draw_face(9, seed=2, difficulty="default", size=48) for _ in range(2))
    np.testing.assert_array_equal(first.image_HWC, again.image_HWC)
    np.testing.assert_array_equal(first.landmarks_N3, again.landmarks_N3)
    assert first.facts == again.facts
    assert (draw_face(9, seed=3, difficulty="default", size=48).image_HWC != first.image_HWC).any()


def test_a_person_stays_the_same_and_shows_every_expression() -> None:
    faces = [draw_face(index, seed=0, difficulty="easy", size=32) for index in range(7, 14)]
    for fact in ("person", "skin_type", "age", "hair", "beard", "glasses"):
        assert len({face.facts[fact] for face in faces}) == 1
    assert [face.facts["label"] for face in faces] == list(range(len(EXPRESSIONS)))


@pytest.mark.parametrize("index", [0, 6, 13, 20, 33])
def test_points_lie_in_the_image_and_on_a_face(index: int) -> None:
    face = draw_face(index, seed=1, difficulty="default", size=64)
    assert face.image_HWC.shape == (64, 64, 3)
    assert face.image_HWC.dtype == np.uint8
    assert face.landmarks_N3.dtype == np.float32
    inside = (face.landmarks_N3[:, :2] > 0) & (face.landmarks_N3[:, :2] < 64)
    assert inside.all(1).mean() > 0.97
    width = np.ptp(face.landmarks_N3[:, 0])
    assert 0.35 * 64 < width < 0.9 * 64


def test_eyes_are_darker_in_the_middle_than_beside() -> None:
    """The picture shows an eye where the landmarks say that it is."""
    identity = dataclasses.replace(draw_identity(seeded_rng(8)), glasses=0)
    face = render(identity, _STILL, _STILL, dataclasses.replace(_scene(), gaze=(0.0, 0.0), glint=0.0), 192)
    grey = face.image_HWC.mean(2)
    for ring in EYE_RINGS:
        x, y = np.rint(face.landmarks_N3[list(ring), :2].mean(0) - 0.5).astype(int)
        below = face.landmarks_N3[4, 1] - y
        assert (
            grey[y - 1 : y + 2, x - 1 : x + 2].mean() < grey[int(y + below * 0.6), x - 2 : x + 3].mean() - 15
        )


@pytest.mark.parametrize("style", HAIR_STYLES)
def test_every_style_can_be_drawn(style: str) -> None:
    identity = dataclasses.replace(draw_identity(seeded_rng(5)), style=style, glasses=2, beard="full")
    image = render(identity, _STILL, _STILL, _scene(yaw=40.0), 48).image_HWC
    assert image.std() > 10


def test_prototypes_name_known_units_and_all_expressions() -> None:
    assert tuple(PROTOTYPES) == EXPRESSIONS
    for expression in EXPRESSIONS:
        for unit, (weight, probability) in prototype(expression).items():
            assert unit in ACTION_UNITS
            assert 0 < weight <= 1
            assert 0 < probability <= 1


def test_easy_shows_more_than_hard() -> None:
    smile = UNIT_NAMES.index(12)
    easy, hard = (
        np.mean(
            [draw_units(seeded_rng(index), "happiness", DIFFICULTIES[name])[smile] for index in range(50)]
        )
        for name in ("easy", "hard")
    )
    assert easy > hard + 0.2


def test_neutral_has_only_weak_units() -> None:
    weights = [draw_units(seeded_rng(index), "neutral", DIFFICULTIES["default"]) for index in range(50)]
    assert np.max(weights) < 0.5
    assert np.max(weights) > 0


def test_unknown_difficulty_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'default'"):
        difficulty_named("defautl")
