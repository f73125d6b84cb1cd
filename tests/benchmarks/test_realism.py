"""The measures of realism on faces and occluders of which the answer is known by hand."""

from __future__ import annotations

import numpy as np
import pytest

import realism
from fakes import frontal_landmarks
from occlufer.landmarks import topology
from occlufer.landmarks.geometry import head_pose
from occlufer.occlusion.base import Occluder
from occlufer.types import FloatArray, UInt8Array

SIDE = 200


class Plate(Occluder[float]):
    """A rectangle over the lower face that follows the light behind it by a power, with noise of its own a draw."""

    def __init__(self, follows: float, *, noise: float = 0.0, width: float = 1.0) -> None:
        super().__init__()
        self.follows, self.noise, self.width = follows, noise, width

    def sample(self, rng: np.random.Generator, landmarks_N3: FloatArray, image_hw: tuple[int, int]) -> float:
        return float(rng.integers(1 << 30))

    def apply(
        self, image_HWC: UInt8Array, landmarks_N3: FloatArray, params: float
    ) -> tuple[UInt8Array, FloatArray]:
        oval = landmarks_N3[list(topology.FACE_OVAL), :2]
        (left, _), (right, bottom), middle = oval.min(axis=0), oval.max(axis=0), oval.mean(axis=0)
        half = self.width * (right - left) / 2
        alpha_HW = np.zeros(image_HWC.shape[:2], np.float32)
        box = (
            slice(round(middle[1]), round(bottom)),
            slice(round(middle[0] - half), round(middle[0] + half)),
        )
        alpha_HW[box] = 1
        rows = np.random.default_rng(int(params)).normal(0, self.noise, (image_HWC.shape[0], 1, 1))
        worn = 255 * (image_HWC / 255) ** self.follows * 0.5 + rows
        covered = np.where(alpha_HW[..., None] > 0, worn, image_HWC)
        return covered.clip(0, 255).astype(np.uint8), alpha_HW


def face(side_light: float, warmth: float = 0.0) -> realism.Face:
    """A frontal face under a light that falls off across it, in a colour."""
    landmarks_N3 = frontal_landmarks(SIDE)
    light = 150 * np.exp(side_light * (np.arange(SIDE) / SIDE - 0.5))
    image_HWC = np.ones((SIDE, SIDE, 1)) * light[None, :, None] * np.exp([warmth, 0, -warmth])
    return realism.Face(
        image_HWC.clip(0, 255).astype(np.uint8), landmarks_N3, landmarks_N3, head_pose(landmarks_N3)
    )


FACES = [face(side, warmth) for side in (-0.5, 0.0, 0.6) for warmth in (0.1, 0.3)]


@pytest.mark.parametrize("follows", [1.0, 0.5, 0.0])
def test_the_slopes_say_how_far_an_occluder_follows_the_light(follows):
    found = realism.figures(Plate(follows), FACES)
    assert found["all, light: left over right, slope"] == pytest.approx(follows, abs=0.08)
    assert found["all, light: red over blue, slope"] == pytest.approx(follows, abs=0.08)
    assert found["colour, faces"] == len(FACES)
    assert found["turned, faces"] == 0


@pytest.mark.parametrize("width", [0.8, 1.3])
def test_a_silhouette_is_as_wide_as_it_is_beyond_the_image_too(width):
    found = realism.silhouette(Plate(0.0, width=width), FACES[0], 0)
    assert found["width over the face's"] == pytest.approx(width, abs=0.03)
    assert found["body's width over the face's"] == pytest.approx(width, abs=0.03)


def test_two_draws_are_as_alike_as_their_pixels():
    alike = realism.variety(Plate(1.0), FACES[0], 0)
    assert alike["correlation of two draws"] == pytest.approx(1)
    assert alike["spread of the covered share"] == alike["spread of the whole area"] == 0
    unlike = realism.variety(Plate(0.0, noise=20.0), FACES[0], 0)
    assert abs(unlike["correlation of two draws"]) < 0.4


def test_an_occluder_that_is_not_there_has_no_figures():
    found = realism.figures(Plate(0.0, width=0.0), FACES[:1])
    assert np.isnan(found["all, correlation of two draws"])
    assert np.isnan(found["frontal, width over the face's"])
    assert found["all, mouth"] == 0


def test_noise_is_sharper_than_a_smooth_face():
    assert realism.sharpness_ratio(Plate(0.0, noise=30.0), FACES[0], 0) > 1.3
