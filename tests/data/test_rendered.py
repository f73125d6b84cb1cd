"""One face under one occluder: what is computed, and that all its parts lie on each other."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import cv2
import numpy as np
import pytest

from fakes import MemoryFaces, fill_cache, frontal_landmarks
from occlufer.data.rendered import FaceRenderer, RenderedFace
from occlufer.data.view import FaceCrop, FullImage, StretchedImage, View
from occlufer.landmarks.cache import LandmarkCache
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.controls import Box
from occlufer.occlusion.mask import FaceMask
from occlufer.occlusion.none import AsIs, NoOcclusion
from occlufer.occlusion.templates.surgical import Surgical
from occlufer.studies.views import EyeStrip
from occlufer.types import FloatArray, seeded_rng

NOSE_TIP = 1
MASK = FaceMask(artwork=Surgical(colours={"blue": 1.0}))
VIEWS = [FullImage(), FaceCrop(), StretchedImage(), EyeStrip()]


class Counting(Occluder[None]):
    """Blackens the pixels from the nose tip down, and counts how often it is asked."""

    calls = 0

    def sample(self, rng: np.random.Generator, landmarks_N3: Any, image_hw: tuple[int, int]) -> None:
        self.calls += 1

    def apply(self, image_HWC: Any, landmarks_N3: Any, params: None) -> tuple[Any, Any]:
        image, alpha = image_HWC.copy(), np.zeros(image_HWC.shape[:2], np.float32)
        row = int(landmarks_N3[NOSE_TIP, 1])
        image[row:], alpha[row:] = 0, 1
        return image, alpha


def rendered(
    view: View, occluder: Occluder[Any], *, side: int = 60, hw: tuple[int, int] | None = (96, 96), **more: Any
) -> RenderedFace:
    image = seeded_rng(1).integers(60, 200, (side, side, 3)).astype(np.uint8)
    landmarks: FloatArray | None = more.pop("landmarks", frontal_landmarks(side))
    return RenderedFace(image, landmarks, view=view, occluder=occluder, hw=hw, rng=seeded_rng(0), **more)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("side", [40, 60, 300])
def test_alpha_lies_where_the_picture_has_changed(view, side):
    face = rendered(view, MASK, side=side)
    assert face.alpha_HW.shape == face.occluded_HWC.shape[:2] == face.clean_HWC.shape[:2] == (96, 96)
    assert face.alpha_HW.dtype == np.float32
    changed = (face.occluded_HWC != face.clean_HWC).any(axis=2)
    assert not changed[face.alpha_HW == 0].any()
    assert changed[face.alpha_HW > 0.9].mean() > 0.95
    assert 0.05 < (face.alpha_HW > 0.9).mean() < 0.9


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("side", [40, 300])
@pytest.mark.parametrize("hw", [(96, 96), (48, 96)])
@pytest.mark.parametrize("roll", [0, 20])
def test_landmarks_move_with_the_picture(view, side, hw, roll):
    """A white spot on the bridge of the nose is found again where the landmark is said to be."""
    bridge = 168
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), roll, 1)
    landmarks = frontal_landmarks(side)
    landmarks[:, :2] = landmarks[:, :2] @ turn[:, :2].T + turn[:, 2]
    y, x = np.mgrid[0:side, 0:side] + 0.5
    away = np.hypot(x - landmarks[bridge, 0], y - landmarks[bridge, 1])
    image = np.repeat((255 * np.exp(-((away / side * 20) ** 2)))[..., None], 3, axis=2).astype(np.uint8)
    face = RenderedFace(
        image, landmarks, view=view, occluder=NoOcclusion(), hw=hw, rng=np.random.default_rng(0)
    )
    weight = face.clean_HWC[..., 0].astype(float)
    rows, columns = np.mgrid[0 : hw[0], 0 : hw[1]] + 0.5
    found = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
    assert face.landmarks_N3 is not None
    np.testing.assert_allclose(face.landmarks_N3[bridge, :2], found, atol=0.8)


def test_nothing_is_computed_before_it_is_asked_for_and_nothing_twice():
    occluder = Counting()
    face = rendered(FaceCrop(), occluder)
    assert (face.clean_HWC.shape, face.landmarks_N3.shape) == ((96, 96, 3), (468, 3))
    assert occluder.calls == 0
    assert face.occluded_HWC is face.occluded_HWC
    assert 0 < face.covered_share < 1
    assert face.alpha_HW.max() == 1
    assert occluder.calls == 1


def test_without_a_size_the_face_keeps_the_pixels_that_it_has():
    face = rendered(FullImage(), Counting(), side=70, hw=None)
    assert face.clean_HWC.shape == face.occluded_HWC.shape == (70, 70, 3)
    np.testing.assert_array_equal(face.landmarks_N3, frontal_landmarks(70))
    free = face.alpha_HW == 0
    np.testing.assert_array_equal(face.occluded_HWC[free], face.clean_HWC[free])


def test_a_face_without_landmarks_has_no_share():
    face = rendered(FullImage(), AsIs(), landmarks=None)
    assert face.landmarks_N3 is None
    assert math.isnan(face.covered_share)
    assert not face.alpha_HW.any()
    np.testing.assert_array_equal(face.occluded_HWC, face.clean_HWC)


def test_names_come_along():
    assert rendered(FullImage(), MASK, label=3, key="a").expression == "happiness"
    assert rendered(FullImage(), MASK).expression == ""


def test_a_renderer_draws_by_key_and_number(tmp_path):
    faces = MemoryFaces()
    box = Box(region="anywhere")
    render = FaceRenderer(faces, fill_cache(LandmarkCache(tmp_path, "f"), faces), FaceCrop(), box, 0)
    first, again, other = (render(3, number, hw=(48, 48)) for number in (0, 0, 1))
    assert (first.key, first.label) == (faces.manifest.row(3).key, faces.manifest.row(3).label)
    np.testing.assert_array_equal(first.occluded_HWC, again.occluded_HWC)
    np.testing.assert_array_equal(first.clean_HWC, other.clean_HWC)
    assert (first.occluded_HWC != other.occluded_HWC).any()


def test_rendering_needs_no_torch():
    code = "import sys; sys.modules['torch'] = None; import occlufer.data.rendered"
    subprocess.run([sys.executable, "-c", code], check=True)
