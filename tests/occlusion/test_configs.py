"""Every file in conf/occlusion makes an occluder that keeps the contract."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import hydra
import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from occlufer.landmarks import topology
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.fit import ANTISYMMETRIC, MODES
from occlufer.occlusion.scores import covered_share
from occlufer.occlusion.worn import Worn
from occlufer.studies.placements import SixPointMask
from occlufer.types import seeded_rng

_CONF = Path(__file__).resolve().parents[2] / "conf"
_NAMES = sorted(path.stem for path in (_CONF / "occlusion").glob("*.yaml"))
_FEW = settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
_SEEDS = st.integers(0, 2**16)


@pytest.fixture(scope="module", params=_NAMES)
def occluder(request):
    with initialize_config_dir(str(_CONF), version_base="1.3"):
        config = compose(overrides=[f"+occlusion={request.param}"])
    return hydra.utils.instantiate(config.occlusion)


@st.composite
def poses(draw):
    """Any head, also in profile, cut by the border, or beyond it; sizes of FER2013 and of photos."""
    return {
        "size": draw(st.sampled_from([16, 48, 48, 96])),
        "yaw": draw(st.floats(-85, 85)),
        "pitch": draw(st.floats(-40, 40)),
        "roll": draw(st.floats(-180, 180)),
        "share": draw(st.floats(0.1, 0.6)),
        "centre": draw(st.sampled_from([(0.5, 0.42), (0.5, 0.42), (0.0, 0.4), (1.0, 0.5), (0.5, 1.0), (5.0, -4.0)])),
        "grey": draw(st.booleans()),
        "light": draw(st.sampled_from([0.08, 1.0, 1.0])),
        "hw": draw(st.sampled_from([None, None, (40, 90), (90, 16)])),
        "eyes": draw(st.sampled_from([0.0, 1.0])),
        "mouth": draw(st.sampled_from([0.0, 0.3])),
    }  # fmt: skip


def test_the_ones_that_people_rely_on_are_there():
    assert {"none", "mask", "headset", "mixed"} <= set(_NAMES)


def test_the_gallery_shows_every_one():
    page = (_CONF.parent / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert [name for name in _NAMES if f"`{name}`" not in page] == []


@_FEW
@given(pose=poses(), seed=_SEEDS)
def test_keeps_the_contract(occluder, make_face, pose, seed):
    assert isinstance(occluder, Occluder)
    face = make_face(**pose)
    image, landmarks = face.image.copy(), face.landmarks.copy()
    face.image.setflags(write=False)
    face.landmarks.setflags(write=False)
    out, alpha = occluder(seeded_rng(seed), face.image, face.landmarks)
    assert (out.shape, out.dtype) == (image.shape, np.uint8)
    assert (alpha.shape, alpha.dtype) == (image.shape[:2], np.float32)
    assert 0 <= alpha.min() <= alpha.max() <= 1
    # The input is left alone, and so is every pixel where nothing was pasted.
    np.testing.assert_array_equal(face.image, image)
    np.testing.assert_array_equal(face.landmarks, landmarks)
    assert not np.shares_memory(out, face.image)
    np.testing.assert_array_equal(out[alpha == 0], image[alpha == 0])
    if pose["grey"]:
        assert (out == out[..., :1]).all()
    again = occluder(seeded_rng(seed), image, landmarks)
    np.testing.assert_array_equal(again[0], out)
    np.testing.assert_array_equal(again[1], alpha)


@_FEW
@given(
    yaw=st.floats(-55, 55), pitch=st.floats(-20, 20), roll=st.floats(-40, 40), seed=_SEEDS,
    size=st.sampled_from([48, 96]),
)  # fmt: skip
def test_covered_share_grows_with_severity(occluder, make_face, yaw, pitch, roll, seed, size):
    face = make_face(size, yaw=yaw, pitch=pitch, roll=roll, share=0.3, centre=(0.5, 0.45))
    shares = []
    for severity in np.linspace(0, 1, 21):
        dialled = occluder.at_severity(float(severity))
        shares.append(covered_share(dialled(seeded_rng(seed), face.image, face.landmarks)[1], face.landmarks))
    steps = np.diff(shares)
    assert shares[0] == 0
    assert steps.min() > -0.002  # half a percent of a pixel row; edges of straps move over edges of the face
    assert steps.max() < 0.12
    full = occluder.at_severity(1.0)(seeded_rng(seed), face.image, face.landmarks)[1]
    assert shares[-1] == covered_share(full, face.landmarks)


@_FEW
@given(yaw=st.floats(-50, 50), roll=st.floats(-35, 35), seed=_SEEDS)
def test_mirror_image_of_a_mirrored_face(occluder, make_face, yaw, roll, seed):
    face = make_face(96, yaw=yaw, roll=roll)
    params = occluder.sample(seeded_rng(seed), face.landmarks, (96, 96))
    out, alpha = occluder.apply(face.image, face.landmarks, params)
    flipped = topology.mirrored(face.landmarks, 96)
    image = np.ascontiguousarray(face.image[:, ::-1])
    out_flipped, alpha_flipped = occluder.apply(image, flipped, mirrored_params(params))
    # Six points of a turned face make a homography so steep that its edge moves with the rounding of float32.
    loose = 5.0 if isinstance(occluder, SixPointMask) else 1.0
    assert np.abs(alpha_flipped[:, ::-1] - alpha).mean() < 0.005 * loose
    assert np.abs(out_flipped[:, ::-1].astype(float) - out).mean() < 1.0 * loose


def mirrored_params(params):
    """The same occlusion seen in a mirror: shifts across and angles change their sign."""
    if params is None:
        return None
    if hasattr(params, "params"):
        return type(params)(params.name, mirrored_params(params.params))
    mirrored = {}
    if hasattr(params, "shift"):
        mirrored["shift"] = (-params.shift[0], params.shift[1])
    if hasattr(params, "roll"):
        mirrored["roll"] = -params.roll
    if hasattr(params, "fit"):
        mirrored["fit"] = tuple(
            -at if name in ANTISYMMETRIC else at for name, at in zip(MODES, params.fit, strict=False)
        )
    if hasattr(params, "mirrored"):
        mirrored["mirrored"] = not params.mirrored
    return dataclasses.replace(params, **mirrored)


def test_profiles_do_not_smear_over_the_image(occluder, make_face):
    if not isinstance(occluder, Worn):
        pytest.skip("boxes are as large as they are")
    for yaw, pitch in ((-88, 0), (65, -40), (88, 40)):
        face = make_face(64, yaw=yaw, pitch=pitch)
        assert covered_share(occluder(seeded_rng(0), face.image, face.landmarks)[1], face.landmarks) < 0.95


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
