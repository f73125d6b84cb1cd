"""Whether an occluder takes on the light of a face whose light is known."""

from __future__ import annotations

import numpy as np
import pytest

from occlufer.landmarks import topology
from occlufer.occlusion.headset import Headset
from occlufer.occlusion.mask import FaceMask
from occlufer.occlusion.templates.respirator import Respirator
from occlufer.occlusion.templates.visor import Standalone
from occlufer.occlusion.tone import measure_look
from occlufer.types import FloatArray, UInt8Array, seeded_rng

_MASK = FaceMask(artwork=Respirator(kinds={"n95": 1}, colours={"white": 1}))
_HEADSET = Headset(artwork=Standalone(colours={"black": 1}))
_SIZE = 96
_X, _Y = np.meshgrid(np.linspace(-1, 1, _SIZE), np.linspace(-1, 1, _SIZE))
_PALE, _DARK = (204.0, 156.0, 131.0), (112.0, 76.0, 58.0)


def _lit(logarithms_HW: FloatArray | float, skin: tuple[float, ...] = _PALE) -> UInt8Array:
    """Skin all over, times the exponential of what is given, (H, W) or (H, W, 3)."""
    factor = np.exp(np.asarray(logarithms_HW, np.float64))
    factor = factor[..., None] if factor.ndim == 2 else factor
    return np.clip(np.broadcast_to(skin, (_SIZE, _SIZE, 3)) * factor, 0, 255).astype(np.uint8)


def _covered(occluder, face, image: UInt8Array) -> tuple[UInt8Array, FloatArray]:
    out, alpha = occluder(seeded_rng(3), image, face.landmarks)
    return out, alpha > 0.95


def _sides(image: UInt8Array, opaque) -> float:
    """Logarithm of how much brighter the right half of the covered pixels is."""
    middle = _SIZE // 2
    grey = image.mean(2)
    return float(
        np.log(grey[:, middle:][opaque[:, middle:]].mean() / grey[:, :middle][opaque[:, :middle]].mean())
    )


def _warmth(image: UInt8Array, opaque) -> float:
    red, _, blue = image[opaque].mean(0)
    return float(np.log(red / blue))


def _slope(measure, occluder, face, images: list[UInt8Array]) -> float:
    """How much a measure of the occluder's pixels grows with that of the same pixels of the bare image."""
    covered = [(image, *_covered(occluder, face, image)) for image in images]
    given = [measure(image, opaque) for image, _, opaque in covered]
    taken = [measure(out, opaque) for _, out, opaque in covered]
    return float(np.polyfit(given, taken, 1)[0])


@pytest.mark.parametrize("occluder", [_MASK, _HEADSET])
@pytest.mark.parametrize("skin", [_PALE, _DARK])
def test_the_brighter_side_of_an_occluder_is_that_of_the_face(make_face, occluder, skin):
    face = make_face(_SIZE, share=0.3)
    images = [_lit(tilt * _X - abs(tilt), skin) for tilt in np.linspace(-0.9, 0.6, 6)]
    assert 0.7 < _slope(_sides, occluder, face, images) < 1.5


@pytest.mark.parametrize("skin", [_PALE, _DARK])
def test_a_white_mask_is_orange_in_orange_light(make_face, skin):
    face = make_face(_SIZE, share=0.3)
    images = [_lit(np.array([warm, 0, -warm]) - 0.3, skin) for warm in np.linspace(-0.25, 0.25, 6)]
    assert 0.6 < _slope(_warmth, _MASK, face, images) < 1.0


@pytest.mark.parametrize("skin", [_PALE, _DARK])
def test_the_skin_itself_is_no_light(make_face, skin):
    """A white mask stays white on pale and on dark skin in white light."""
    face = make_face(_SIZE, share=0.3)
    out, opaque = _covered(_MASK, face, _lit(0.0, skin))
    assert abs(_warmth(out, opaque)) < 0.08
    assert out[opaque].mean() > 1.4 * _DARK[0]


def test_a_shadow_with_an_edge_falls_on_the_mask_too(make_face):
    """Steeper in the middle of the face than a plane of the same difference between the sides."""
    face = make_face(_SIZE, share=0.3)
    gains = {}
    for name, shade in (("edge", np.where(_X < 0, -0.6, 0.0)), ("plane", 0.75 * _X - 0.3)):
        image = _lit(shade)
        gain = np.log(
            measure_look(image, face.landmarks).light.over((0, 0, _SIZE, _SIZE))[55, :, 1].astype(float)
        )
        gains[name] = gain[[40, 56]] @ (-1, 1), gain[[22, 74]] @ (-1, 1)
    steepness = {name: middle / whole for name, (middle, whole) in gains.items()}
    assert steepness["edge"] > 1.1 * steepness["plane"]


def test_a_beard_and_a_fringe_are_no_shadow(make_face):
    face = make_face(_SIZE, share=0.3)
    image = _lit(0.0)
    plain = measure_look(image, face.landmarks).light
    beard = image.copy()
    beard[int(face.landmarks[0, 1]) :] = (40, 30, 25)
    fringe = image.copy()
    x = face.landmarks[topology.MIRROR[69], 0]
    fringe[: int(face.landmarks[105, 1]), : int(x)] = (40, 30, 25)
    for other in (beard, fringe):
        light = measure_look(other, face.landmarks).light
        before, after = (np.log(one.over((20, 20, 76, 80)) * one.unit) for one in (plain, light))
        change = np.abs(after - before)
        assert change.max() < 0.5  # skin and hair differ by 1.6
        assert change[20:].max() < 0.2  # where a mask lies


@pytest.mark.parametrize("seed", range(4))
def test_any_pixels_give_bounded_light(make_face, seed):
    face = make_face(_SIZE, share=0.3)
    noise = np.random.default_rng(seed).choice(np.array([0, 255], np.uint8), (_SIZE, _SIZE, 3))
    light = measure_look(noise, face.landmarks).light
    factors = light.gains * light.unit
    assert factors.max() < 3
    assert factors.max() / factors.min() < 20
    for landmarks in (
        face.landmarks * 0,
        face.landmarks * np.float32((1, 0, 0)),
        face.landmarks + np.float32(1e5),
    ):
        assert measure_look(noise, landmarks).light.over((0, 0, 9, 7)).shape[:2] == (7, 9)


def test_grey_stays_grey_to_the_last_bit(make_face):
    face = make_face(_SIZE, share=0.3)
    image = np.repeat(_lit(0.5 * _X, (120.0,) * 3)[..., :1], 3, 2)
    for occluder in (_MASK, _HEADSET):
        out, _ = _covered(occluder, face, image)
        assert (out == out[..., :1]).all()
