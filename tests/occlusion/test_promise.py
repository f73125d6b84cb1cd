"""Occluders that cover nothing, and faces of which nothing is covered."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from fakes import frontal_landmarks
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.controls import Box
from occlufer.occlusion.mask import FaceMask
from occlufer.occlusion.mixed import Mixed
from occlufer.occlusion.none import NoOcclusion
from occlufer.occlusion.promise import are_in_image, check_covers, falls_short, is_in_image, promised_share
from occlufer.occlusion.scores import covered_share
from occlufer.occlusion.templates.own import MASK_POINTS, OwnMask, read_picture
from occlufer.occlusion.templates.surgical import Surgical
from occlufer.types import ConfigError, seeded_rng

MASK = FaceMask(artwork=Surgical(colours={"blue": 1.0}))


class Glass(Occluder[None]):
    """An occluder that nobody sees."""

    def sample(self, rng: np.random.Generator, landmarks_N3: Any, image_hw: tuple[int, int]) -> None:
        rng.random()

    def apply(self, image_HWC: Any, landmarks_N3: Any, params: None) -> tuple[Any, Any]:
        return image_HWC.copy(), np.zeros(image_HWC.shape[:2], np.float32)


@pytest.mark.parametrize("shift", [(0, 0), (-20, 0), (0, 20)])
def test_faces_that_are_there_are_there(shift):
    assert is_in_image(frontal_landmarks(100) + np.array([*shift, 0], np.float32), (100, 100))


@pytest.mark.parametrize("shift", [(-100, 0), (60, 0), (0, 45), (0, -60), (1000, 1000)])
def test_a_face_whose_eyes_nose_or_mouth_are_cut_off_is_not(shift):
    assert not is_in_image(frontal_landmarks(100) + np.array([*shift, 0], np.float32), (100, 100))


def test_many_faces_are_judged_as_each_is_alone():
    shifts = np.random.default_rng(0).uniform(-80, 80, (60, 2))
    faces = np.stack([frontal_landmarks(100) + np.array([*shift, 0], np.float32) for shift in shifts])
    sizes = np.random.default_rng(1).integers(60, 140, (60, 2))
    alone = [is_in_image(face, (int(h), int(w))) for face, (h, w) in zip(faces, sizes, strict=True)]
    assert are_in_image(faces, sizes).tolist() == alone
    assert 5 < sum(alone) < 55


def test_the_promise_is_the_share_of_a_frontal_face_under_the_same_draw():
    assert 0.3 < promised_share(MASK, seeded_rng(0)) < 0.8
    assert promised_share(MASK.at_severity(0.0), seeded_rng(0)) == 0
    mixed = Mixed(occluders={"none": NoOcclusion(), "mask": MASK}, weights={"none": 1, "mask": 1})
    shares = [promised_share(mixed, seeded_rng(draw)) for draw in range(20)]
    assert 0 < sum(share == 0 for share in shares) < 20


@pytest.mark.parametrize(("severity", "short"), [(1.0, True), (0.1, True), (0.0, False)])
def test_a_mesh_beside_the_image_is_left_bare_unless_the_dial_says_so(severity, short):
    occluder, image = MASK.at_severity(severity), np.full((80, 80, 3), 99, np.uint8)
    for shift, wanted in ((500.0, short), (0.0, False)):
        mesh = frontal_landmarks(80) + np.array([shift, 0, 0], np.float32)
        _, alpha = occluder(seeded_rng(4), image, mesh)
        assert falls_short(covered_share(alpha, mesh), occluder, seeded_rng(4)) == wanted
    assert not falls_short(float("nan"), occluder, seeded_rng(4))


def test_occluders_that_cover_nothing_are_refused_by_name():
    check_covers(
        {"occlusion": NoOcclusion(), "condition mask": MASK.at_severity(0.0), "box": Box(region="eyes")}
    )
    with pytest.raises(ConfigError, match=r"condition glass: the occluder covers nothing .* use none"):
        check_covers({"occlusion": MASK, "condition glass": Glass()})
    mixed = Mixed(occluders={"mask": MASK, "glass": Glass()}, weights={"mask": 1, "glass": 1})
    with pytest.raises(ConfigError, match="occlusion: glass: the occluder covers nothing"):
        check_covers({"occlusion": mixed})


def test_a_transparent_picture_is_an_error_of_the_picture(tmp_path):
    path = tmp_path / "mask.png"
    pixels = np.full((60, 80, 4), 200, np.uint8)
    pixels[..., 3] = 3
    cv2.imwrite(str(path), pixels)
    points = {name: (40 + 30 * x, 50 * y) for name, (x, y) in MASK_POINTS.items()}
    with pytest.raises(ConfigError, match=r"mask\.png is transparent all over .*3 of 255"):
        OwnMask(picture=str(path), points=points)
    pixels[30, 40, 3] = 255
    cv2.imwrite(str(path), pixels)
    assert read_picture(str(path))[0].shape == (60, 80, 4)
    # One dot of it is seen, so that the picture can be read, but it covers nothing of a face.
    with pytest.raises(ConfigError, match="covers nothing of a frontal face"):
        check_covers({"occlusion": FaceMask(artwork=OwnMask(picture=str(path), points=points))})
