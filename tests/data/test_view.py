from __future__ import annotations

import cv2
import numpy as np
import pytest

from fakes import frontal_landmarks
from occlufer.data.view import BEYOND, FaceCrop, FullImage, StretchedImage, scale_landmarks
from occlufer.types import ConfigError

NOSE_TIP = 1


def dotted(hw: tuple[int, int], at: np.ndarray, sigma: float) -> np.ndarray:
    """Black, with a soft white dot at (x, y); pixel i covers i..i+1, so its centre lies at i + .5."""
    y, x = np.mgrid[0 : hw[0], 0 : hw[1]] + 0.5
    dot = 255 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * sigma**2))
    return np.repeat(dot.round().astype(np.uint8)[..., None], 3, axis=2)


def dot_at(image_HWC: np.ndarray) -> np.ndarray:
    weight = image_HWC[..., 0].astype(np.float64)
    y, x = np.mgrid[0 : image_HWC.shape[0], 0 : image_HWC.shape[1]] + 0.5
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


@pytest.mark.parametrize("side", [32, 64, 100, 400])
@pytest.mark.parametrize("view", [FaceCrop(margin=0.1), FaceCrop(margin=0.0), FullImage()])
@pytest.mark.parametrize(
    ("hw", "shift"),
    [
        ((240, 240), (0, 0)),
        ((240, 301), (40.3, -20.7)),
        ((300, 181), (-30.4, 25.2)),
        ((240, 240), (-70.5, -60.2)),
    ],
    ids=["middle", "wide", "high", "over the border"],
)
def test_landmarks_go_where_the_pixels_go(view, side, hw, shift):
    landmarks = frontal_landmarks(200) + np.array([*shift, 0], np.float32)
    nose = landmarks[NOSE_TIP, :2]
    image = dotted(hw, nose, sigma=7)
    cut, moved = view(image, landmarks, hw=(side, side))
    assert cut.shape == (min(side, cut.shape[0]),) * 2 + (3,)
    assert cut.shape[0] <= side
    np.testing.assert_allclose(dot_at(cut), moved[NOSE_TIP, :2], atol=0.1)


@pytest.mark.parametrize("hw", [(48, 96), (96, 40), (300, 420)])
@pytest.mark.parametrize("view", [FaceCrop(margin=0.1), FullImage(), StretchedImage()])
def test_landmarks_go_where_the_pixels_go_in_oblong_inputs(view, hw):
    landmarks = frontal_landmarks(200) + np.array([31.3, 12.6, 0], np.float32)
    nose = landmarks[NOSE_TIP, :2]
    cut, moved = view(dotted((240, 301), nose, sigma=7), landmarks, hw=hw)
    np.testing.assert_allclose(dot_at(cut), moved[NOSE_TIP, :2], atol=0.15)
    high, wide = cut.shape[:2]
    expected = moved[NOSE_TIP, :2] * (hw[1] / wide, hw[0] / high)
    done = view.finish(cut, moved, hw=hw)
    assert done.shape == (*hw, 3)
    np.testing.assert_allclose(dot_at(done), expected, atol=0.15)


@pytest.mark.parametrize("hw", [(48, 96), (96, 48)])
def test_an_oblong_input_of_a_square_view_shows_all_of_the_square(hw):
    """Nothing is stretched: what is over stands left and right, or above and below."""
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    cut, _ = FullImage()(image, frontal_landmarks(40), hw=hw)
    assert cut.shape == ((40, 80, 3) if hw == (48, 96) else (80, 40, 3))
    np.testing.assert_array_equal(cut[:, 20:60] if hw == (48, 96) else cut[20:60], image)


def test_a_square_input_is_cut_as_ever():
    """Pixel by pixel, by a border of numpy's and one resize."""
    rng = np.random.default_rng(1)
    for _ in range(60):
        height, width = rng.integers(30, 200, 2)
        image = rng.integers(0, 255, (height, width, 3), np.uint8)
        landmarks = frontal_landmarks(int(rng.integers(30, 150))) + np.float32([*rng.normal(0, 9, 2), 0])
        view, side = FaceCrop(margin=0.1), int(rng.integers(16, 120))
        left, top, length = (round(value) for value in view.square(landmarks, (height, width)))
        border = 400
        wide = np.pad(image, ((border, border), (border, border), (0, 0)), mode="edge")
        cut = wide[border + top : border + top + length, border + left : border + left + length]
        moved = landmarks - np.float32([left, top, 0])
        if length > side:
            cut, moved = (
                cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA),
                moved * np.float32(side / length),
            )
        found, points = view(image, landmarks, hw=(side, side))
        np.testing.assert_array_equal(found, cut)
        np.testing.assert_array_equal(points, moved)
        enlarged = cv2.resize(cut, (side, side), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_array_equal(view.finish(found, points, hw=(side, side)), enlarged)


@pytest.mark.parametrize("scale", [1, 4])
def test_a_strip_is_stretched_to_its_input(scale):
    """A published strip of 48x24 pixels becomes the study's input of 96x48, and a larger one is made smaller."""
    image = np.random.default_rng(0).integers(0, 255, (24, 48, 3), np.uint8)
    image = np.kron(image, np.ones((scale, scale, 1), np.uint8))
    small, landmarks = StretchedImage()(image, frontal_landmarks(24), hw=(24, 60))
    if scale == 1:
        np.testing.assert_array_equal(small, image)
    else:
        assert small.shape == (30, 60, 3)  # in its own proportions
        assert landmarks[0, 0] == pytest.approx(frontal_landmarks(24)[0, 0] * 60 / 192)
    assert StretchedImage().finish(small, landmarks, hw=(24, 60)).shape == (24, 60, 3)


def test_a_crop_holds_the_mesh_and_its_margin():
    landmarks = frontal_landmarks(200)
    _, moved = FaceCrop(margin=0.25)(np.zeros((200, 200, 3), np.uint8), landmarks, hw=(90, 90))
    low, high = moved[:, :2].min(axis=0), moved[:, :2].max(axis=0)
    # The longer side of the box is 1 of 1.5 parts of the crop, and the box is in the middle.
    assert (high - low).max() == pytest.approx(90 / 1.5, abs=0.7)
    np.testing.assert_allclose((low + high) / 2, 45, atol=0.7)


def test_depth_has_the_scale_of_x():
    landmarks = frontal_landmarks(200)
    _, moved = FullImage()(np.zeros((200, 200, 3), np.uint8), landmarks, hw=(50, 50))
    np.testing.assert_allclose(moved[:, 2], landmarks[:, 2] / 4, rtol=1e-5)


def test_a_small_face_is_left_small_and_unchanged():
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    cut, moved = FullImage()(image, frontal_landmarks(40), hw=(64, 64))
    np.testing.assert_array_equal(cut, image)
    np.testing.assert_array_equal(moved, frontal_landmarks(40))


def test_outside_the_image_its_border_is_repeated():
    image = np.random.default_rng(0).integers(0, 255, (10, 6, 3), np.uint8)
    cut, _ = FullImage()(image, frontal_landmarks(10), hw=(64, 64))
    assert cut.shape == (10, 10, 3)
    np.testing.assert_array_equal(cut[:, 2:8], image)
    np.testing.assert_array_equal(cut[:, :2], image[:, [0, 0]])
    np.testing.assert_array_equal(cut[:, 8:], image[:, [-1, -1]])


@pytest.mark.parametrize("beyond", BEYOND)
@pytest.mark.parametrize("shift", [(-900, 0), (900, 0), (0, -900), (0, 900), (700, -800)])
def test_a_face_beside_the_image_still_makes_a_picture(shift, beyond):
    landmarks = frontal_landmarks(60) + np.array([*shift, 0], np.float32)
    cut, _ = FaceCrop(beyond=beyond)(np.full((60, 50, 3), 9, np.uint8), landmarks, hw=(32, 32))
    assert cut.shape == (32, 32, 3)
    assert (cut == 9).all()


@pytest.mark.parametrize("turned", [False, True])
def test_beyond_the_border_a_softened_edge_goes_on_without_stripes(turned):
    """Lines that end at the border: repeated they are stripes, softened they are grey soon after it."""
    image = np.zeros((120, 60, 3), np.uint8)
    image[::2] = 200
    image = np.ascontiguousarray(image.swapaxes(0, 1)) if turned else image
    plain, soft = (FullImage(beyond=kind)(image, frontal_landmarks(60), hw=(120, 120))[0] for kind in BEYOND)
    if turned:
        plain, soft = plain.swapaxes(0, 1), soft.swapaxes(0, 1)
    np.testing.assert_array_equal(soft[:, 30:90], plain[:, 30:90])
    for beside in (slice(0, 22), slice(98, 120)):
        assert np.ptp(plain[:, beside]) == 200
        assert np.ptp(soft[30:90, beside]) < 20
    assert np.abs(soft[:, 29].astype(int) - plain[:, 29]).max() < 60  # and begins as the edge


def test_an_unknown_fill_beyond_the_border_is_refused():
    with pytest.raises(ConfigError, match="soften"):
        FullImage(beyond="softened")


def test_views_leave_their_inputs_alone():
    image, landmarks = np.zeros((80, 80, 3), np.uint8), frontal_landmarks(80)
    image.setflags(write=False)
    landmarks.setflags(write=False)
    FaceCrop(margin=0.3)(image, landmarks, hw=(20, 20))


def test_scaling_keeps_corners_of_the_image_in_its_corners():
    corners = np.array([[0, 0, 0], [350, 350, 35]], np.float32)
    np.testing.assert_allclose(scale_landmarks(corners, 64 / 350), [[0, 0, 0], [64, 64, 6.4]], rtol=1e-6)


def test_a_negative_margin_is_refused():
    with pytest.raises(ConfigError, match=r"view\.margin must be 0 or more, found -0\.1"):
        FaceCrop(margin=-0.1)
