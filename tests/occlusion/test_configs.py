"""Every file in conf/occlusion makes an occluder that keeps the contract."""

from __future__ import annotations

from pathlib import Path

import hydra
import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from occlufer.landmarks import topology
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.scores import covered_share
from occlufer.types import seeded_rng

_CONF = Path(__file__).resolve().parents[2] / "conf"
_NAMES = sorted(path.stem for path in (_CONF / "occlusion").glob("*.yaml"))


@pytest.fixture(params=_NAMES)
def occluder(request):
    with initialize_config_dir(str(_CONF), version_base="1.3"):
        config = compose(overrides=[f"+occlusion={request.param}"])
    return hydra.utils.instantiate(config.occlusion)


def test_the_first_four_are_there():
    assert {"none", "mask", "headset", "mixed"} <= set(_NAMES)


def test_is_an_occluder(occluder):
    assert isinstance(occluder, Occluder)


def _run(occluder, face, seed=0):
    return occluder(seeded_rng(seed), face.image, face.landmarks)


@pytest.mark.parametrize("size", [16, 48, 112])
@pytest.mark.parametrize("grey", [False, True])
def test_shapes_ranges_and_untouched_input(occluder, make_face, size, grey):
    face = make_face(size, yaw=12, roll=-8, grey=grey)
    image, landmarks = face.image.copy(), face.landmarks.copy()
    out, alpha = _run(occluder, face)
    assert out.shape == image.shape
    assert out.dtype == np.uint8
    assert alpha.shape == image.shape[:2]
    assert alpha.dtype == np.float32
    assert 0 <= alpha.min() <= alpha.max() <= 1
    np.testing.assert_array_equal(face.image, image)
    np.testing.assert_array_equal(face.landmarks, landmarks)
    assert not np.shares_memory(out, face.image)


def test_read_only_inputs_are_enough(occluder, make_face):
    face = make_face(64)
    face.image.setflags(write=False)
    face.landmarks.setflags(write=False)
    _run(occluder, face)


def test_deterministic(occluder, make_face):
    face = make_face(64, yaw=20)
    for seed in range(4):
        first, second = _run(occluder, face, seed), _run(occluder, face, seed)
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("yaw", [-50, -20, 0, 35])
def test_nothing_changes_where_nothing_is_pasted(occluder, make_face, yaw):
    face = make_face(96, yaw=yaw, roll=15)
    for seed in range(6):
        out, alpha = _run(occluder, face, seed)
        clear = alpha == 0
        assert clear.any()
        np.testing.assert_array_equal(out[clear], face.image[clear])


def test_grey_stays_grey(occluder, make_face):
    face = make_face(64, grey=True)
    for seed in range(12):
        out, _ = _run(occluder, face, seed)
        assert np.array_equal(out[..., 0], out[..., 1])
        assert np.array_equal(out[..., 1], out[..., 2])


@pytest.mark.parametrize(
    "centre", [(0.0, 0.42), (1.0, 0.42), (0.5, -0.2), (0.5, 1.0), (-3.0, 0.5), (9.0, 9.0)]
)
@pytest.mark.parametrize("hw", [(48, 48), (16, 90), (90, 16)])
def test_faces_cut_by_the_border_survive(occluder, make_face, centre, hw):
    face = make_face(48, centre=centre, hw=hw, yaw=25)
    for seed in range(4):
        out, alpha = _run(occluder, face, seed)
        assert out.shape == face.image.shape
        assert np.isfinite(alpha).all()


@pytest.mark.parametrize("yaw", [-88, -65, 65, 88])
@pytest.mark.parametrize("pitch", [-40, 0, 40])
def test_profiles_survive(occluder, make_face, yaw, pitch):
    face = make_face(64, yaw=yaw, pitch=pitch)
    for seed in range(4):
        _, alpha = _run(occluder, face, seed)
        assert np.isfinite(alpha).all()
        assert covered_share(alpha, face.landmarks) < 0.95


def test_collapsed_landmarks_survive(occluder, make_face):
    face = make_face(32)
    points = np.zeros((468, 3), np.float32) + np.float32(7.5)
    out, alpha = occluder(seeded_rng(0), face.image, points)
    assert out.shape == face.image.shape
    assert np.isfinite(alpha).all()


@pytest.mark.parametrize("yaw", [0, 30])
def test_resizing_keeps_the_covered_share(occluder, make_face, yaw):
    shares = []
    for size in (48, 112, 224):
        face = make_face(size, yaw=yaw)
        params = occluder.sample(seeded_rng(3), face.landmarks, (size, size))
        shares.append(covered_share(occluder.apply(face.image, face.landmarks, params)[1], face.landmarks))
    assert max(shares) - min(shares) < 0.03


@pytest.mark.parametrize(("yaw", "roll"), [(0, 0), (25, 0), (-40, 12), (10, -30)])
def test_mirror_image_of_a_mirrored_face(occluder, make_face, yaw, roll):
    face = make_face(112, yaw=yaw, roll=roll)
    for seed in range(6):
        params = occluder.sample(seeded_rng(seed), face.landmarks, (112, 112))
        out, alpha = occluder.apply(face.image, face.landmarks, params)
        flipped = topology.mirrored(face.landmarks, 112)
        image = np.ascontiguousarray(face.image[:, ::-1])
        out_flipped, alpha_flipped = occluder.apply(image, flipped, mirrored_params(params))
        assert np.abs(alpha_flipped[:, ::-1] - alpha).mean() < 0.004
        assert np.abs(out_flipped[:, ::-1].astype(float) - out).mean() < 0.8


def mirrored_params(params):
    """The same occlusion seen in a mirror: shifts across and angles change their sign."""
    if params is None:
        return None
    if hasattr(params, "params"):
        return type(params)(params.name, mirrored_params(params.params))
    fields = {name: getattr(params, name) for name in params.__dataclass_fields__}
    if "shift" in fields:
        fields["shift"] = (-fields["shift"][0], fields["shift"][1])
    if "roll" in fields:
        fields["roll"] = -fields["roll"]
    return type(params)(**fields)
