"""Faces that are known to be hard, drawn on purpose; each kind has a row in docs/gallery.md."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from occlufer.landmarks import topology
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.headset import Headset
from occlufer.occlusion.mask import FaceMask, place_mask
from occlufer.occlusion.scores import covered_share, placement_scores
from occlufer.occlusion.templates.cloth import Cloth
from occlufer.occlusion.templates.pulled import Pulled
from occlufer.occlusion.templates.surgical import Surgical
from occlufer.occlusion.templates.visor import Standalone
from occlufer.occlusion.worn import Wear
from occlufer.synthesis.renderer import Face
from occlufer.types import FloatArray, UInt8Array, seeded_rng
from special_faces import group_picture, portrait, special_faces

_MASK = FaceMask(artwork=Surgical(colours={"blue": 1, "black": 1}))
_WHITE = FaceMask(artwork=Surgical(colours={"white": 1}))
_PULLED = FaceMask(artwork=Pulled(colours={"white": 1}))
_WINDOW = FaceMask(artwork=Cloth(colours={"navy": 1}, patterns={"plain": 1}, window=True))
_HEADSET = Headset(artwork=Standalone(colours={"white": 1, "black": 1}))
_WHOLE = (
    "turned away",
    "closed eyes",
    "open mouth",
    "48 pixels",
    "very dark skin",
    "very light skin",
    "without colour",
)


@pytest.fixture(scope="module")
def special() -> dict[str, list[Face]]:
    return special_faces()


def _cover(occluder: Occluder[Any], face: Face, draw: int = 0) -> tuple[UInt8Array, FloatArray]:
    before = face.image_HWC.copy()
    out, alpha = occluder(seeded_rng(draw), face.image_HWC, face.landmarks_N3)
    np.testing.assert_array_equal(face.image_HWC, before)
    np.testing.assert_array_equal(out[alpha == 0], before[alpha == 0])
    return out, alpha


@pytest.mark.parametrize("kind", _WHOLE)
def test_a_mask_covers_nose_and_mouth_and_leaves_the_eyes(special, kind):
    for draw, face in enumerate(special[kind]):
        scores = placement_scores(_cover(_MASK, face, draw)[1], face.landmarks_N3)
        assert scores.nose_and_mouth > 0.98
        assert scores.lower_face > 0.9
        assert scores.eyes < 0.005
        assert scores.brows == 0
        assert scores.outside_mesh < 0.06


@pytest.mark.parametrize("kind", _WHOLE)
def test_a_headset_covers_the_eyes_and_leaves_the_mouth(special, kind):
    for draw, face in enumerate(special[kind]):
        scores = placement_scores(_cover(_HEADSET, face, draw)[1], face.landmarks_N3)
        assert scores.eyes == 1
        assert scores.brows > 0.95
        assert scores.mouth == 0
        assert scores.nostrils < 0.1


def test_faces_cut_by_the_border_are_covered_as_far_as_they_are_seen(special):
    for draw, face in enumerate(special["cut by the border"]):
        outside = (face.landmarks_N3[:, :2] < 0) | (face.landmarks_N3[:, :2] >= 128)
        assert outside.any(1).mean() > 0.1  # the border does cut the face
        seen = ~outside.any(1)
        x, y = face.landmarks_N3[:, :2].astype(int).T
        for occluder, points in ((_MASK, topology.NOSE + topology.MOUTH), (_HEADSET, topology.EYES)):
            _, alpha = _cover(occluder, face, draw)
            index = np.array([point for point in points if seen[point]], int)
            if len(index):
                assert (alpha[y[index], x[index]] >= 0.5).mean() > 0.95


@pytest.mark.parametrize("occluder", [_MASK, _HEADSET])
def test_many_faces_are_covered_one_after_the_other(occluder):
    image, landmarks = group_picture()
    covered, rng, everywhere = image, seeded_rng(1), np.zeros(image.shape[:2], np.float32)
    for number, face in enumerate(landmarks):
        before = covered
        covered, alpha = occluder(rng, before, face)
        np.testing.assert_array_equal(covered[alpha == 0], before[alpha == 0])
        everywhere = np.maximum(everywhere, alpha)
        shares = [covered_share(alpha, other) for other in landmarks]
        assert shares.pop(number) > 0.3
        assert max(shares) == 0
    shares = [covered_share(everywhere, face) for face in landmarks]
    assert min(shares) > 0.3
    np.testing.assert_array_equal(covered[everywhere == 0], image[everywhere == 0])


def test_a_turned_face_wears_its_mask_no_wider_than_the_head(special):
    """Nothing of it lies further from a landmark than a tenth of the face's height; loops reach for the near ear."""
    for face in special["turned away"]:
        _, alpha = _cover(_MASK, face)
        points = face.landmarks_N3[:, :2]
        height = np.hypot(*(points[10] - points[152]))
        y, x = np.nonzero(alpha > 0.5)
        away = np.hypot(x[:, None] + 0.5 - points[:, 0], y[:, None] + 0.5 - points[:, 1]).min(1)
        assert away.max() < height / 10


@pytest.mark.parametrize(
    ("person", "yaw", "pitch"),
    [
        (0, -60, 0),
        (1, -50, 8),
        (2, -40, -12),
        (3, -30, 18),
        (5, 25, -18),
        (7, 45, 12),
        (8, 55, -8),
        (9, 62, 0),
    ],
)
def test_a_mask_follows_far_cheek_and_nose_of_a_turned_head(person, yaw, pitch):
    face = portrait(person, yaw=yaw, pitch=pitch)
    scores = placement_scores(_cover(_MASK, face, person)[1], face.landmarks_N3)
    assert scores.nose_and_mouth > 0.99
    assert scores.eyes < 0.005
    assert scores.outside_mesh < 0.06


@pytest.mark.parametrize("yaw", [-45, -30, 30, 45])
def test_the_drawing_does_not_fold_on_the_far_cheek(yaw):
    face = portrait(4, yaw=yaw)
    cheek = [187, 205] if yaw < 0 else [411, 425]
    read = place_mask(face.landmarks_N3, Wear("blue plain")).inverse(
        face.landmarks_N3[cheek, :2].astype(float)
    )
    assert np.abs(np.asarray(read) - topology.mean_mesh()[cheek, :2]).max() < 0.09


def _reach(occluder: FaceMask, face: Face) -> tuple[float, float]:
    """Rows of the upper and lower end of a mask in the middle of the face."""
    _, alpha = _cover(occluder, face)
    column = int(face.landmarks_N3[4, 0])
    rows = np.flatnonzero(alpha[:, column - 2 : column + 3].max(1) > 0.5)
    return float(rows[0]), float(rows[-1])


def test_an_open_jaw_stretches_a_mask_unless_it_is_told_not_to_follow():
    closed, opened = portrait(0), portrait(0, units={25: 1.0, 26: 1.2})
    jaw = float(opened.landmarks_N3[152, 1] - closed.landmarks_N3[152, 1])
    assert jaw > 5
    follows = [_reach(_MASK, face) for face in (closed, opened)]
    assert follows[1][1] - follows[0][1] > 0.7 * jaw
    stiff = FaceMask(artwork=_MASK.artwork, follows_expression=False)
    still = [_reach(stiff, face) for face in (closed, opened)]
    assert np.abs(np.subtract(*still)).max() <= 1
    scores = placement_scores(_cover(stiff, closed)[1], closed.landmarks_N3)
    assert scores.nose_and_mouth > 0.97
    assert scores.eyes == 0


def test_the_lower_lip_of_an_open_mouth_is_under_the_mask(special):
    for face in special["open mouth"]:
        gap = np.linalg.norm(face.landmarks_N3[13, :2] - face.landmarks_N3[14, :2])
        assert gap > 0.05 * 128  # the mouth is open
        _, alpha = _cover(_MASK, face)
        x, y = face.landmarks_N3[[13, 14, 17, 152], :2].astype(int).T
        assert (alpha[y, x] > 0.5)[:3].all()
        assert alpha[y[3] - 2, x[3]] > 0.5  # the chin goes down with the jaw


def test_closed_eyes_move_neither_mask_nor_headset(special):
    for person, face in zip((4, 5, 6, 7), special["closed eyes"], strict=True):
        opened = portrait(person)
        gap = [float(np.hypot(*(f.landmarks_N3[159] - f.landmarks_N3[145])[:2])) for f in (opened, face)]
        assert gap[1] < 0.6 * gap[0]  # the eyes are closed
        for occluder in (_MASK, _HEADSET):
            shares = [covered_share(_cover(occluder, f)[1], f.landmarks_N3) for f in (opened, face)]
            assert shares[0] == pytest.approx(shares[1], abs=0.03)


def _skin_and_mask(face: Face, draw: int) -> tuple[float, float]:
    """Mean brightness of the bare forehead and cheeks, and of a white mask on this face."""
    out, alpha = _cover(_WHITE, face, draw)
    x, y = face.landmarks_N3[[151, 9, 108, 337, 50, 280], :2].astype(int).T
    return float(face.image_HWC[y, x].mean()), float(out[alpha > 0.97].mean())


def test_a_white_mask_stays_white_on_dark_skin_without_shining(special):
    for draw, face in enumerate(special["very dark skin"]):
        skin, mask = _skin_and_mask(face, draw)
        assert skin < 115
        assert 1.2 * skin < mask < 195  # white against the skin, dimmer than in full light
        out, alpha = _cover(_WHITE, face, draw)
        assert np.quantile(out[alpha > 0.97], 0.99) < 235


def test_a_white_mask_on_light_skin_is_not_burnt_out(special):
    dark = max(_skin_and_mask(face, 0)[1] for face in special["very dark skin"])
    for draw, face in enumerate(special["very light skin"]):
        skin, mask = _skin_and_mask(face, draw)
        assert skin > 125
        assert skin < mask < 245
        assert mask > 0.9 * dark
        out, alpha = _cover(_WHITE, face, draw)
        assert (out[alpha > 0.97] >= 254).mean() < 0.02


def test_occluders_are_grey_in_pictures_without_colour(special):
    for draw, face in enumerate(special["without colour"]):
        assert (np.ptp(face.image_HWC.astype(int), axis=2) == 0).all()
        for occluder in (_MASK, _HEADSET):
            out, _ = _cover(occluder, face, draw)
            assert (np.ptp(out.astype(int), axis=2) == 0).all()


def test_small_faces_get_soft_edges_and_no_fringes(special):
    """Between mask and skin no pixel is brighter or darker than both, up to rounding."""
    for draw, face in enumerate(special["48 pixels"]):
        assert face.image_HWC.shape == (48, 48, 3)
        out, alpha = _cover(_WHITE, face, draw)
        edge = (alpha > 0.1) & (alpha < 0.9)
        assert edge.sum() > 20
        painted = out[alpha > 0.9]
        assert out[edge].max() <= max(int(painted.max()), int(face.image_HWC[edge].max())) + 2


@pytest.mark.parametrize("mask", [_MASK, _PULLED])
@pytest.mark.parametrize("severity", [0.34, 0.59])
def test_loops_of_a_pulled_down_mask_still_reach_the_ears(mask, severity):
    """Above the mask a loop runs along the edge of the jaw, on either side."""
    face = portrait(1)
    _, alpha = _cover(mask.at_severity(severity), face)
    y = int(face.landmarks_N3[[58, 288], 1].mean())
    left, right = sorted(face.landmarks_N3[[58, 288], 0].astype(int))
    middle = (left + right) // 2
    for side in (alpha[y - 1 : y + 2, left - 8 : left + 8], alpha[y - 1 : y + 2, right - 8 : right + 8]):
        assert side.max() > 0.3
    if severity < 0.5:
        assert alpha[y - 1 : y + 2, middle - 5 : middle + 5].max() < 0.1  # the mouth is free


@pytest.mark.parametrize("severity", [0.34, 0.59])
def test_a_pulled_down_mask_shows_its_folds_in_small_grey_pictures(special, severity):
    def contrast(mask: FaceMask, face: Face) -> float:
        out, alpha = _cover(mask.at_severity(severity), face)
        x = int(face.landmarks_N3[152, 0])
        strip, painted = out[:, x - 3 : x + 4, 0].mean(1), alpha[:, x - 3 : x + 4].min(1) > 0.9
        return float(np.abs(np.diff(strip[painted])).mean() / strip[painted].mean())

    for person in range(4):
        face = portrait(person, size=48, grey=True)
        assert contrast(_PULLED, face) > 1.3 * contrast(_WHITE, face)


@pytest.mark.parametrize("kind", ["open mouth", "without colour"])
def test_a_window_shows_all_of_the_lips_under_some_glare(special, kind):
    for draw, face in enumerate(special[kind]):
        _, alpha = _cover(_WINDOW, face, draw)
        x, y = face.landmarks_N3[list(topology.LIPS), :2].astype(int).T
        assert (alpha[y, x] < 0.6).all()
        assert np.median(alpha[y, x]) < 0.25
        x0, x1, y0, y1 = x.min(), x.max(), y.min() - 8, y.max()
        assert alpha[y0:y1, x0:x1].max() > 0.4
