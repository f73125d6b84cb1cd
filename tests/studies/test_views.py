"""Study A's square; study B's strip: where its edges fall, that it is level, and that occluders come before the cut."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from fakes import MemoryFaces, fill_cache, frontal_landmarks
from occlufer.data.faces import ConditionedFaces
from occlufer.data.image_format import ImageFormat
from occlufer.data.rendered import FaceRenderer
from occlufer.data.transforms import Augmentation
from occlufer.landmarks.cache import LandmarkCache
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.mask import FaceMask
from occlufer.occlusion.scores import covered_share
from occlufer.occlusion.templates.surgical import Surgical
from occlufer.studies.views import EyeStrip, MeshCorner
from occlufer.types import LANDMARK_COUNT, ConfigError, FloatArray, UInt8Array, seeded_rng

CORNERS = [33, 133, 362, 263]
NOSE_TIP, CHIN = 1, 152


def rolled(landmarks_N3: np.ndarray, degrees: float, about: tuple[float, float]) -> np.ndarray:
    """The landmarks turned clockwise in the image."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    out = landmarks_N3.copy()
    out[:, :2] = (landmarks_N3[:, :2] - about) @ turn.T + about
    return out.astype(np.float32)


def dotted(side: int, at: np.ndarray, sigma: float) -> np.ndarray:
    """Black with a soft white dot; pixel i covers i..i+1."""
    y, x = np.mgrid[0:side, 0:side] + 0.5
    dot = 255 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * sigma**2))
    return np.repeat(dot.round().astype(np.uint8)[..., None], 3, axis=2)


def dot_at(image_HWC: np.ndarray) -> np.ndarray:
    weight = image_HWC[..., 0].astype(np.float64)
    y, x = np.mgrid[0 : image_HWC.shape[0], 0 : image_HWC.shape[1]] + 0.5
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


def shown(
    view: EyeStrip, image: np.ndarray, landmarks: np.ndarray, hw: tuple[int, int] = (48, 96)
) -> np.ndarray:
    return view.finish(*view(image, landmarks, hw=hw), hw=hw)


@pytest.mark.parametrize("degrees", [0.0, 12.0, -35.0, 90.0, 170.0])
@pytest.mark.parametrize("side", [300, 120])
def test_the_strip_is_level_and_has_the_published_edges(side, degrees):
    """Edges by hand on the level face; the picture is of the turned one."""
    level = frontal_landmarks(side) * np.float32([0.6, 0.6, 0.6]) + np.float32([0.2 * side, 0.2 * side, 0])
    eyes = level[CORNERS, :2]
    face = float(np.ptp(level[:, :2], axis=0).max())
    left, right = eyes[0, 0] - 6 / 43.8 * face, eyes[3, 0] + 7 / 43.8 * face
    top = level[:, 1].min()
    bottom = max(eyes[:, 1].max() + 8 / 43.8 * face, level[NOSE_TIP, 1])
    turned = rolled(level, degrees, (side / 2, side / 2))
    for point in (33, 263, 9):  # outer corners, and between the brows
        expected = (level[point, :2] - (left, top)) / (right - left, bottom - top) * (96, 48)
        found = dot_at(shown(EyeStrip(), dotted(side, turned[point, :2], 0.012 * side), turned))
        np.testing.assert_allclose(found, expected, atol=0.6)


def test_margins_are_the_published_pixels_at_fer2013s_size():
    view = EyeStrip()
    shares = np.array([view.before, view.behind, view.below])
    np.testing.assert_allclose(shares * 43.8, [6, 7, 8], atol=0.05)


@pytest.mark.parametrize("drop", [0.0, 60.0])
def test_the_lower_of_nose_and_margin_is_the_edge(drop):
    landmarks = frontal_landmarks(200)
    landmarks[NOSE_TIP, 1] = landmarks[CORNERS, 1].max() + drop
    face = float(np.ptp(landmarks[:, :2], axis=0).max())
    bottom = landmarks[CORNERS, 1].max() + max(0.183 * face, drop)
    at = np.array([100.0, bottom - 6])  # just inside
    found = dot_at(shown(EyeStrip(), dotted(200, at, 1.5), landmarks))
    height = bottom - landmarks[:, 1].min()
    assert found[1] == pytest.approx(48 * (1 - 6 / height), abs=0.6)


def test_finer_than_the_cut_is_lost():
    image = np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8)
    landmarks = frontal_landmarks(48)
    cut = shown(EyeStrip(), image, landmarks, (24, 48))
    assert cut.shape == (24, 48, 3)
    np.testing.assert_array_equal(shown(EyeStrip(), image, landmarks), cv2.resize(cut, (96, 48)))
    finer = shown(EyeStrip(cut=(48, 96)), image, landmarks)
    assert not np.array_equal(finer, shown(EyeStrip(), image, landmarks))


def test_the_occluder_meets_the_whole_face_at_the_resolution_of_the_source():
    for side in (48, 640):
        landmarks = frontal_landmarks(side) * np.float32(0.9)
        face, moved = EyeStrip()(np.zeros((side, side, 3), np.uint8), landmarks, hw=(48, 96))
        high, wide = face.shape[:2]
        assert 0 < moved[CHIN, 1] < high
        across = float(np.ptp(moved[CORNERS, 0]))
        if side == 48:
            assert across == pytest.approx(float(np.ptp(landmarks[CORNERS, 0])))
            assert max(high, wide) <= 48
        else:  # as much as the strip of 24x48 needs, and no more
            assert 20 < across < 48
            assert max(high, wide) < 110


class Half(Occluder[None]):
    """Paints the left half of what it is given."""

    def sample(self, rng: np.random.Generator, landmarks_N3: Any, image_hw: tuple[int, int]) -> None:
        assert landmarks_N3.shape == (LANDMARK_COUNT, 3)

    def apply(self, image_HWC: Any, landmarks_N3: Any, params: None) -> tuple[Any, Any]:
        out, alpha = image_HWC.copy(), np.zeros(image_HWC.shape[:2], np.float32)
        half = int(landmarks_N3[NOSE_TIP, 0])
        out[:, :half], alpha[:, :half] = 255, 1
        return out, alpha


def conditioned(tmp_path: Any, occluder: Occluder[Any]) -> ConditionedFaces:
    faces = MemoryFaces()
    cache = fill_cache(LandmarkCache(tmp_path, "f"), faces)
    return ConditionedFaces(
        renderer=FaceRenderer(faces, cache, EyeStrip(), occluder, 0), indices=faces.manifest.indices("test"),
        augmentation=Augmentation(), image=ImageFormat.create(size=[48, 96], channels=1, mean=0.0, std=1.0), fixed=True,
    )  # fmt: skip


def test_batches_are_oblong_and_shares_are_of_the_whole_face(tmp_path):
    item = conditioned(tmp_path, Half())[0, 0]
    assert item["image"].shape == (1, 48, 96)
    assert float(item["covered_share"]) == pytest.approx(0.5, abs=0.03)
    assert float(item["image"][0, :, :35].min()) == 1
    mask = FaceMask(artwork=Surgical(colours={"white": 1.0}))
    share = float(conditioned(tmp_path / "mask", mask)[0, 0]["covered_share"])
    whole = np.zeros((48, 48, 3), np.uint8)
    _, alpha = mask(np.random.default_rng(0), whole, frontal_landmarks(48))
    assert share == pytest.approx(covered_share(alpha, frontal_landmarks(48)), abs=0.05)


@pytest.mark.parametrize("shift", [(-900, 0), (900, 0), (0, -900), (700, -800)])
def test_a_face_beside_the_image_still_makes_a_picture(shift):
    landmarks = frontal_landmarks(60) + np.array([*shift, 0], np.float32)
    assert (shown(EyeStrip(), np.full((60, 50, 3), 9, np.uint8), landmarks) == 9).all()


def test_a_mesh_in_one_point_still_makes_a_picture():
    landmarks = np.full((LANDMARK_COUNT, 3), 20, np.float32)
    assert shown(EyeStrip(), np.full((60, 50, 3), 9, np.uint8), landmarks).shape == (48, 96, 3)


def test_inputs_are_left_alone():
    image, landmarks = np.zeros((80, 80, 3), np.uint8), frontal_landmarks(80)
    image.setflags(write=False)
    landmarks.setflags(write=False)
    shown(EyeStrip(), image, landmarks)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"before": -0.1}, r"view\.before must be 0 or more, found -0\.1"),
        ({"cut": [24]}, r"view\.cut must be a height and a width of at least 8 pixels.*found \[24\]"),
        ({"cut": [4, 48]}, r"view\.cut must be"),
    ],
)
def test_what_cannot_be_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        EyeStrip(**values)


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
