"""What a mask and a headset cover, and what they leave."""

from __future__ import annotations

import dataclasses
import itertools

import cv2
import numpy as np
import pytest

from occlufer.landmarks import topology
from occlufer.occlusion.headset import Headset
from occlufer.occlusion.mask import FaceMask
from occlufer.occlusion.scores import placement_scores
from occlufer.occlusion.templates.goggles import HeadMounted
from occlufer.occlusion.templates.surgical import Surgical
from occlufer.occlusion.templates.visor import Standalone
from occlufer.occlusion.worn import Wear
from occlufer.types import ConfigError, seeded_rng

_MASK = FaceMask(artwork=Surgical(colours={"blue": 1, "black": 1}))
_HEADSET = Headset(artwork=Standalone(colours={"white": 1, "black": 1}))
_TURNS = [(0, 0, 0), (20, 0, 0), (-20, 0, 0), (0, 15, 0), (0, -15, 0), (0, 0, 35), (15, 10, -160)]


@pytest.mark.parametrize("size", [48, 112, 224])
@pytest.mark.parametrize(("yaw", "pitch", "roll"), _TURNS)
def test_mask_covers_nose_to_chin_and_leaves_the_eyes(make_face, size, yaw, pitch, roll):
    face = make_face(size, yaw=yaw, pitch=pitch, roll=roll, share=0.26, centre=(0.5, 0.5))
    for seed in range(4):
        scores = placement_scores(_MASK(seeded_rng(seed), face.image, face.landmarks)[1], face.landmarks)
        assert scores.lower_face > (0.9 if size > 48 else 0.86)  # eyes 12 px apart at 48 px
        assert scores.nose_and_mouth > 0.97
        assert scores.eyes < 0.01
        assert scores.brows == 0
        assert scores.outside < 0.09


@pytest.mark.parametrize("size", [48, 112, 224])
@pytest.mark.parametrize(("yaw", "pitch", "roll"), _TURNS)
def test_headset_covers_eyes_and_brows_and_leaves_the_mouth(make_face, size, yaw, pitch, roll):
    face = make_face(size, yaw=yaw, pitch=pitch, roll=roll, share=0.26, centre=(0.5, 0.5))
    for seed in range(4):
        scores = placement_scores(_HEADSET(seeded_rng(seed), face.image, face.landmarks)[1], face.landmarks)
        assert scores.eyes == 1
        assert scores.brows > 0.95
        assert scores.mouth == 0
        assert scores.nostrils < 0.1


def _silhouette(face, occluder, seed):
    """Width and height of the occluder against those of the mesh."""
    _, alpha = occluder(seeded_rng(seed), face.image, face.landmarks)
    size = [np.ptp(np.flatnonzero((alpha > 0.5).any(axis))) + 1 for axis in (0, 1)]
    return size / np.ptp(face.landmarks[:, :2], axis=0)


@pytest.mark.parametrize("size", [48, 112, 224])
def test_a_headset_is_wider_than_the_face(make_face, size):
    face = make_face(size, share=0.26, centre=(0.5, 0.5))
    slim = Headset(artwork=HeadMounted(kinds={"slim": 1}, colours={"black": 1}))
    for seed in range(6):
        width, height = _silhouette(face, _HEADSET, seed)
        assert 1.2 < width < 1.4
        assert 0.4 < height < 0.62
        width, height = _silhouette(face, slim, seed)
        assert 1.05 < width < 1.2
        assert 0.38 < height < 0.55


@pytest.mark.parametrize("yaw", [-50, -35, -20, 20, 35, 50])
@pytest.mark.parametrize("pitch", [-15, 0, 15])
def test_the_far_edge_of_a_turned_headset_stands_off_the_face_and_is_smooth(make_face, yaw, pitch):
    face = make_face(224, yaw=yaw, pitch=pitch, share=0.26, centre=(0.5, 0.5))
    alpha = _HEADSET(seeded_rng(3), face.image, face.landmarks)[1] > 0.5
    if yaw > 0:  # the far side to the right
        alpha, face = (
            alpha[:, ::-1],
            dataclasses.replace(face, landmarks=topology.mirrored(face.landmarks, 224)),
        )
    rows = np.flatnonzero(alpha.any(1))
    far = alpha.shape[1] - 1 - alpha[rows, ::-1].argmax(1)
    eyes = face.landmarks[list(topology.EYES), 1].astype(int)
    beyond = far[np.searchsorted(rows, eyes)].min() - face.landmarks[:468, 0][list(topology.FACE_OVAL)].max()
    assert beyond > 0.1 * 0.26 * 224
    hull = cv2.convexHull(np.stack([far, rows], 1).astype(np.int32))
    middle = far[len(far) // 2] - 20
    filled = cv2.fillPoly(np.zeros(alpha.shape, np.uint8), [hull], (1,))[:, middle:]
    assert alpha[:, middle:].sum() > 0.96 * filled.sum()  # neither horns nor steps


def test_mask_turns_without_a_jump(make_face):
    params = Wear("blue plain")
    alphas = []
    for yaw in np.arange(-60, 60.1, 1.5):
        face = make_face(96, yaw=yaw, share=0.3)
        alphas.append(_MASK.apply(face.image, face.landmarks, params)[1])
    steps = [np.abs(after - before).mean() for before, after in itertools.pairwise(alphas)]
    assert max(steps) < 0.02


def test_headset_strap_reaches_the_temple(make_face):
    face = make_face(224, share=0.26, centre=(0.5, 0.5))
    params = Wear("pills black dull")
    alpha = _HEADSET.apply(face.image, face.landmarks, params)[1]
    for temple in (127, 356):
        x, y = face.landmarks[temple, :2].round().astype(int)
        assert alpha[y - 4 : y + 5, x - 3 : x + 4].max() > 0.9


def test_edges_are_soft_at_48_pixels(make_face):
    face = make_face(48)
    for occluder in (_MASK, _HEADSET):
        alpha = occluder(seeded_rng(1), face.image, face.landmarks)[1]
        between = (alpha > 0.1) & (alpha < 0.9)
        assert between.sum() > 20


def test_moves_with_the_face_by_fractions_of_a_pixel(make_face):
    params = Wear("white plain")
    face = make_face(48)
    before = _MASK.apply(face.image, face.landmarks, params)[1]
    moved = face.landmarks + np.array([0.2, 0, 0], np.float32)
    after = _MASK.apply(face.image, moved, params)[1]
    columns = np.arange(48)
    shift = (after.sum(0) @ columns) / after.sum() - (before.sum(0) @ columns) / before.sum()
    assert shift == pytest.approx(0.2, abs=0.06)


def test_darker_photos_get_darker_occluders(make_face):
    face = make_face(64)
    dark = dataclasses.replace(face, image=face.image // 4)
    for occluder in (_MASK, _HEADSET):
        bright_out, alpha = occluder(seeded_rng(2), face.image, face.landmarks)
        dark_out, _ = occluder(seeded_rng(2), dark.image, face.landmarks)
        opaque = alpha > 0.95
        assert dark_out[opaque].mean() < 0.75 * bright_out[opaque].mean()


@pytest.mark.parametrize(
    "template", [o.artwork.template(next(iter(o.artwork.shares))) for o in (_MASK, _HEADSET)]
)
def test_templates_are_symmetric_and_premultiplied(template):
    for level in template.levels[:2]:
        assert np.abs(level.astype(int) - level[:, ::-1]).max() <= 1
        assert (level[..., :3] <= level[..., 3:]).all()


def test_bad_arguments_say_what_to_do():
    with pytest.raises(ConfigError, match="Did you mean 'blue'"):
        Surgical(colours={"bleu": 1})
    with pytest.raises(ConfigError, match=r"shift_range must be \[low, high\]"):
        FaceMask(artwork=Surgical(colours={"blue": 1}), shift_range=(0.2, 0.1))
    with pytest.raises(ConfigError, match="sum to more than 0"):
        Standalone(colours={"white": 0})
    with pytest.raises(TypeError):
        Headset(artwork=_HEADSET.artwork, colour="white")  # type: ignore[call-arg]
