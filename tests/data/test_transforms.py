from __future__ import annotations

import pickle

import albumentations as A
import numpy as np
import pytest

from occlufer.data.transforms import Augmentation, Occlude
from occlufer.landmarks import topology
from occlufer.occlusion.controls import Box
from occlufer.types import LandmarkError

ALL = {
    "flip": 0.5,
    "rotation_range": (-12.0, 12.0),
    "scale_range": (0.9, 1.1),
    "shift_range": (-0.06, 0.06),
    "shear_range": (-5.0, 5.0),
    "brightness_range": (-0.15, 0.15),
    "contrast_range": (-0.15, 0.15),
}


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(1).integers(40, 200, (24, 24, 3), np.uint8)


def test_the_seed_alone_decides(image):
    augment = Augmentation(**ALL)
    first = [augment(image, seed=seed) for seed in range(6)]
    again = [augment(image, seed=seed) for seed in reversed(range(6))][::-1]
    np.testing.assert_array_equal(first, again)
    assert len({picture.tobytes() for picture in first}) == 6


def test_neither_other_objects_nor_global_chance_matter(image):
    expected = Augmentation(**ALL)(image, seed=5)
    other = Augmentation(**ALL)
    np.random.seed(3)  # noqa: NPY002
    other(image, seed=9)
    np.testing.assert_array_equal(other(image, seed=5), expected)


def test_a_pickled_copy_does_the_same(image):
    augment = Augmentation(**ALL)
    augment(image, seed=3)
    copy = pickle.loads(pickle.dumps(augment))
    for seed in range(20):
        np.testing.assert_array_equal(copy(image, seed=seed), augment(image, seed=seed))


def test_the_draws_do_not_depend_on_the_picture(image):
    """A covered and a bare face are moved and lit alike: what is uncovered stays the same."""
    covered = image.copy()
    covered[8:16, 8:16] = 0
    lone = {name: value for name, value in ALL.items() if name == "flip" or not name.startswith("bright")}
    augment = Augmentation(**lone)
    for seed in range(20):
        # The corners of the picture are far from the covered middle, even after a turn.
        np.testing.assert_array_equal(augment(covered, seed=seed)[:3, :3], augment(image, seed=seed)[:3, :3])


def test_flip_mirrors(image):
    np.testing.assert_array_equal(Augmentation(flip=1.0)(image, seed=0), image[:, ::-1])
    flipped = [bool((Augmentation(flip=0.5)(image, seed=seed) != image).any()) for seed in range(200)]
    assert 70 < sum(flipped) < 130


def test_brightness_and_contrast_stay_in_their_ranges():
    grey = np.full((8, 8, 3), 128, np.uint8)
    brighter = Augmentation(brightness_range=(0.1, 0.2))
    means = [brighter(grey, seed=seed).mean() - 128 for seed in range(50)]
    assert min(means) >= 0.1 * 255 - 2
    assert max(means) <= 0.2 * 255 + 2


def test_shift_is_a_share_of_the_side():
    picture = np.zeros((50, 50, 3), np.uint8)
    picture[20:30, 20:30] = 255
    y, x = np.mgrid[0:50, 0:50]

    def centre(image_HWC: np.ndarray) -> tuple[float, float]:
        weight = image_HWC[..., 0] / image_HWC[..., 0].sum()
        return float((weight * x).sum()), float((weight * y).sum())

    augment = Augmentation(shift_range=(-0.1, 0.1))
    centres = np.array([centre(augment(picture, seed=seed)) for seed in range(60)]) - 24.5
    assert np.abs(centres).max() <= 5.5
    assert np.abs(centres).max(axis=0).min() > 3
    assert (centres.min(axis=0) < -2).all()


def test_shear_is_in_degrees():
    """A vertical line leans by at most the angle; 0.1, which study B gives to Keras, is under a tenth of a pixel."""
    picture = np.zeros((48, 96, 3), np.uint8)
    picture[:, 46:50] = 255

    def leaning(degrees: float) -> float:
        augment = Augmentation(shear_range=(-degrees, degrees))
        x = np.arange(96)
        ends = []
        for seed in range(30):
            line = augment(picture, seed=seed)[..., 0].astype(float)
            ends.append(line[2] @ x / line[2].sum() - line[-3] @ x / line[-3].sum())
        return float(np.abs(ends).max())

    assert 0.6 < leaning(10.0) / (43 * np.tan(np.deg2rad(10.0))) < 1.05
    assert leaning(0.1) < 0.1


def test_no_shear_leaves_the_other_draws_as_they_were(image):
    rest = {name: value for name, value in ALL.items() if name != "shear_range"}
    for seed in range(5):
        expected = Augmentation(**rest)(image, seed=seed)
        np.testing.assert_array_equal(
            Augmentation(**rest, shear_range=(0.0, 0.0))(image, seed=seed), expected
        )


def test_oblong_pictures_are_shifted_by_shares_of_each_side():
    picture = np.zeros((48, 96, 3), np.uint8)
    picture[20:28, 44:52] = 255
    augment = Augmentation(shift_range=(-0.1, 0.1))
    y, x = np.mgrid[0:48, 0:96]
    moved = []
    for seed in range(60):
        weight = augment(picture, seed=seed)[..., 0] / 255 / 64
        moved.append(((weight * y).sum() - 23.5, (weight * x).sum() - 47.5))
    down, across = np.abs(moved).max(axis=0)
    assert 3.5 < down < 5.5
    assert 7.5 < across < 10.5


def test_nothing_asked_is_nothing_done(image):
    assert Augmentation()(image, seed=7) is image


def test_the_input_is_left_alone(image):
    before = image.copy()
    image.setflags(write=False)
    out = Augmentation(**ALL)(image, seed=2)
    np.testing.assert_array_equal(image, before)
    assert (out.shape, out.dtype) == (image.shape, np.uint8)


def test_unknown_names_are_refused():
    with pytest.raises(TypeError, match="flips"):
        Augmentation(flips=0.5)  # type: ignore[call-arg]


def _face(x: float, y: float, size: float) -> np.ndarray:
    return (topology.mean_mesh() * size + np.array([x, y, 0])).astype(np.float32)


def test_occluders_work_in_a_compose():
    picture = np.full((64, 128, 3), 200, np.uint8)
    faces = np.stack([_face(32, 24, 20), _face(96, 24, 20)])
    steps = A.Compose([Occlude(Box(region="eyes")), A.HorizontalFlip(p=1.0)], seed=3)
    out = steps(image=picture, landmarks=faces)["image"]
    assert (picture == 200).all()
    for x in (32, 96):  # both faces' eyes are black, and the pixel below their noses is not
        assert out[24, 127 - x].max() == 0
        assert out[60, 127 - x].min() == 200
    one = A.Compose([Occlude(Box(region="eyes"))])(image=picture, landmarks=faces[0])["image"]
    assert one[24, 32].max() == 0
    assert one[24, 96].min() == 200


def test_a_compose_draws_from_its_own_seed():
    picture = np.full((64, 64, 3), 200, np.uint8)
    face = _face(32, 24, 20)

    def pictures(seed: int) -> list[bytes]:
        steps = A.Compose([Occlude(Box(region="anywhere", like="eyes"), p=0.7)], seed=seed)
        return [steps(image=picture, landmarks=face)["image"].tobytes() for _ in range(12)]

    assert pictures(1) == pictures(1)
    assert pictures(1) != pictures(2)
    assert picture.tobytes() in pictures(1)  # p
    assert len(set(pictures(1))) > 5


def test_a_compose_wants_whole_meshes():
    with pytest.raises(
        LandmarkError, match=r"wanted landmarks of shape \(faces, 468, 3\), found \(1, 68, 3\)"
    ):
        Occlude(Box(region="eyes"))(image=np.zeros((8, 8, 3), np.uint8), landmarks=np.zeros((68, 3)))
