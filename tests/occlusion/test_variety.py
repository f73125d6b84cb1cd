"""Two masks on one face are two masks: they differ in fit, folds and prints, and all of them keep their promise."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from pathlib import Path

import hydra
import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from occlufer.landmarks import topology
from occlufer.occlusion.fit import MODES
from occlufer.occlusion.mask import FaceMask
from occlufer.occlusion.scores import placement_scores
from occlufer.occlusion.templates.cloth import Cloth
from occlufer.occlusion.templates.respirator import Respirator
from occlufer.occlusion.templates.surgical import Surgical
from occlufer.occlusion.worn import Wear
from occlufer.types import ConfigError, seeded_rng

_CONF = Path(__file__).resolve().parents[2] / "conf"
_VARIED = ("mask", "n95", "kn95", "cloth")


@pytest.fixture(scope="module", params=_VARIED)
def varied(request):
    with initialize_config_dir(str(_CONF), version_base="1.3"):
        return hydra.utils.instantiate(compose(overrides=[f"+occlusion={request.param}"]).occlusion)


def _draws(occluder, face, count=24):
    return [occluder(seeded_rng(draw), face.image, face.landmarks) for draw in range(count)]


def test_two_draws_on_one_face_are_two_masks(varied, make_face):
    face = make_face(112, share=0.3, centre=(0.5, 0.45))
    plain = dataclasses.replace(
        face, image=np.full_like(face.image, 128)
    )  # the light of a photo is no mask's own
    draws = _draws(varied, plain)
    alike = []
    for (one, one_alpha), (other, other_alpha) in itertools.combinations(draws, 2):
        both = (one_alpha > 0.5) & (other_alpha > 0.5)
        alike.append(np.corrcoef(one[both].mean(1), other[both].mean(1))[0, 1])
    assert np.mean(alike) < 0.4
    areas = np.array([alpha.sum() for _, alpha in draws])
    assert areas.std() / areas.mean() > 0.035


def test_every_one_covers_nose_and_mouth_and_leaves_the_eyes(varied, make_face):
    face = make_face(112, share=0.3, centre=(0.5, 0.45))
    scores = [placement_scores(alpha, face.landmarks) for _, alpha in _draws(varied, face, 40)]
    assert min(score.nose_and_mouth for score in scores) > 0.98
    assert max(score.eyes for score in scores) == 0
    assert min(score.lower_face for score in scores) > 0.8


@pytest.mark.parametrize("mode", range(len(MODES)))
def test_a_fit_of_zero_is_the_fit_it_was_drawn_for_and_each_mode_moves_it(make_face, mode):
    face = make_face(112, share=0.3, centre=(0.5, 0.45))
    mask = FaceMask(artwork=Surgical(colours={"white": 1}))
    none, zero = (
        mask.apply(face.image, face.landmarks, Wear("white plain", fit=fit))
        for fit in ((), (0.0,) * len(MODES))
    )
    np.testing.assert_array_equal(none[0], zero[0])
    fit = tuple(float(at == mode) for at in range(len(MODES)))
    moved = mask.apply(face.image, face.landmarks, Wear("white plain", fit=fit))
    assert np.abs(moved[0].astype(float) - none[0]).mean() > 0.1


def test_a_mirrored_picture_is_one(make_face):
    """Worn by a face and by its mirror image, a lopsided mask and its mirror image give mirrored pictures."""
    face = make_face(96, share=0.3)
    mask = FaceMask(artwork=Cloth(colours={"red": 1}, patterns={"mark": 1}, models=3))
    (name, *_) = mask.artwork.shares
    lopsided = np.abs(mask.artwork.template(name).levels[0].astype(float))
    assert np.abs(lopsided - lopsided[:, ::-1]).mean() > 1
    drawn = mask.apply(face.image, face.landmarks, Wear(name))[0]
    flipped = topology.mirrored(face.landmarks, 96)
    image = np.ascontiguousarray(face.image[:, ::-1])
    again = mask.apply(image, flipped, Wear(name, mirrored=True))[0][:, ::-1]
    assert np.abs(again.astype(float) - drawn).mean() < 0.5


@pytest.mark.parametrize(
    "artwork",
    [
        Surgical(colours={"blue": 3, "white": 1}, patterns={"plain": 1, "dots": 0}, models=16),
        Cloth(colours={"navy": 3, "grey": 1}, patterns={"plain": 1}, models=16),
        Respirator(kinds={"duckbill": 3, "trifold": 1}, colours={"white": 1}, models=16),
    ],
)
def test_there_are_as_many_pictures_as_asked_for_by_their_weights(artwork):
    assert len(artwork.shares) == 16
    assert sum(artwork.shares.values()) == pytest.approx(1)
    first = collections.Counter(name.split()[0] for name in artwork.shares)
    assert 10 <= max(first.values()) <= 14
    assert not any("dots" in name for name in artwork.shares)


def test_bad_numbers_of_models_are_refused():
    with pytest.raises(ConfigError, match="models must be"):
        Surgical(colours={"blue": 1}, models=1000)
    with pytest.raises(ConfigError, match="respirator kind"):
        Respirator(kinds={"gas": 1}, colours={"grey": 1}, models=4)
