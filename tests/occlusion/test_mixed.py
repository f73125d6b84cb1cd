from __future__ import annotations

import collections

import pytest

from occlufer.occlusion.mask import FaceMask
from occlufer.occlusion.mixed import Mixed
from occlufer.occlusion.none import NoOcclusion
from occlufer.occlusion.templates.surgical import Surgical
from occlufer.types import ConfigError, seeded_rng

_TWO = {"none": NoOcclusion(), "mask": FaceMask(artwork=Surgical(colours={"blue": 1}))}


def test_draws_by_weight(make_face):
    face = make_face(32)
    mixed = Mixed(occluders=_TWO, weights={"none": 1, "mask": 3})
    drawn = collections.Counter(
        mixed.sample(seeded_rng(index), face.landmarks, (32, 32)).name for index in range(2000)
    )
    assert drawn["mask"] / 2000 == pytest.approx(0.75, abs=0.03)


def test_weight_zero_is_never_drawn(make_face):
    face = make_face(32)
    mixed = Mixed(occluders=_TWO, weights={"none": 0, "mask": 1})
    names = {mixed.sample(seeded_rng(index), face.landmarks, (32, 32)).name for index in range(200)}
    assert names == {"mask"}


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ({"none": 1, "msak": 1}, "Did you mean 'mask'"),
        ({"none": 1}, "no weight for mask"),
        ({"none": -1, "mask": 2}, "at least 0"),
        ({"none": 0, "mask": 0}, "more than 0"),
        ({"none": float("nan"), "mask": 1}, "more than 0"),
    ],
)
def test_bad_weights_are_refused(weights, sentence):
    with pytest.raises(ConfigError, match=sentence):
        Mixed(occluders=_TWO, weights=weights)
