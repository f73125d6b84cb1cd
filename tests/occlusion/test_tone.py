"""What is read of a photo."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from occlufer.occlusion.tone import measure_look


def test_grey_photos_ask_for_grey_occluders(make_face):
    grey, colour = make_face(64, grey=True), make_face(64)
    assert measure_look(grey.image, grey.landmarks).saturation == 0
    assert measure_look(colour.image, colour.landmarks).saturation == 1


def test_light_is_read_from_its_side(make_face):
    face = make_face(96, share=0.3, centre=(0.5, 0.5))
    ramp = np.broadcast_to(np.linspace(60, 200, 96), (96, 96))
    across = np.repeat(ramp[..., None], 3, 2).astype(np.uint8)

    def gains(image):
        return measure_look(image, face.landmarks).light.over((0, 0, 96, 96)).astype(float)

    right, left, down = (
        gains(np.ascontiguousarray(image)) for image in (across, across[:, ::-1], across.transpose(1, 0, 2))
    )
    assert right[48, 68] > 1.4 * right[48, 28]
    assert left[48, 28] > 1.4 * left[48, 68]
    assert down[68, 48] > 1.1 * down[28, 48]
    assert down[48, 68] == pytest.approx(down[48, 28], rel=0.03)


def test_soft_photos_ask_for_soft_occluders(make_face):
    face = make_face(96)
    noise = np.random.default_rng(0).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    assert measure_look(noise, face.landmarks).sharpness > 0.9
    soft = cv2.GaussianBlur(noise, (0, 0), 3.0)
    assert measure_look(soft, face.landmarks).sharpness < 0.4


def test_an_even_photo_has_even_light_and_the_factor_is_passed_on(make_face):
    face = make_face(64)
    even = np.full((64, 64, 3), 139, np.uint8)
    look = measure_look(even, face.landmarks, brightness=0.5)
    np.testing.assert_allclose(look.light.gains * look.light.unit, 0.5, atol=0.01)
    assert look.saturation == 0


@pytest.mark.parametrize("shift", [-500.0, 500.0])
def test_faces_outside_are_read_at_the_border(make_face, shift):
    face = make_face(64)
    look = measure_look(face.image, face.landmarks + np.float32(shift))
    assert np.isfinite([look.light.unit, look.contrast, look.saturation, look.sharpness]).all()


@pytest.mark.parametrize("hw", [(1, 1), (1, 40), (40, 1), (7, 7), (64, 7), (7, 64), (3, 5)])
def test_a_few_pixels_have_a_look_too(make_face, hw):
    image = np.full((*hw, 3), 120, np.uint8)
    assert measure_look(image, make_face(64).landmarks).blur(0.5) == 0
