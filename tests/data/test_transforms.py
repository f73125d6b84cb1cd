from __future__ import annotations

import pickle

import numpy as np
import pytest

from occlufer.data.transforms import Augmentation

ALL = {
    "flip": 0.5,
    "rotation_range": (-12.0, 12.0),
    "scale_range": (0.9, 1.1),
    "shift_range": (-0.06, 0.06),
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
