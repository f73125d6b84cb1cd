"""Pasting: soft copies of a template, limits, and what is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from occlufer.occlusion.compositing import Placement, Template, overlay, polygon_mask
from occlufer.occlusion.light import Light
from occlufer.occlusion.tone import Look

_PLAIN = np.full((60, 60, 3), 100, np.uint8)


def _square(value: float = 200.0) -> Template:
    """A square of 40 canonical units in the middle of 60, a pixel a unit."""
    alpha = np.zeros((60, 60), np.float32)
    alpha[10:50, 10:50] = 1
    return Template.from_straight(np.full((60, 60, 3), value, np.float32), alpha, (0.0, 0.0), 1.0)


def _placed(**more) -> Placement:
    return Placement(inverse=lambda points: points.copy(), box=(0, 0, 60, 60), pixels_per_unit=1.0, **more)


def test_a_template_lies_where_it_was_drawn():
    image, alpha = overlay(_PLAIN, _square(), _placed(), Look())
    expected = np.zeros((60, 60), np.float32)
    expected[10:50, 10:50] = 1
    np.testing.assert_array_equal(alpha, expected)
    np.testing.assert_array_equal(image[..., 0], np.where(expected > 0, 200, 100))


@pytest.mark.parametrize("sharpness", [0.35, 0.3, 0.2])
def test_a_soft_face_softens_the_edge_and_keeps_the_area(sharpness):
    template = _square()
    sharp = overlay(_PLAIN, template, _placed(), Look())[1]
    soft = overlay(_PLAIN, template, _placed(), Look(sharpness=sharpness))[1]
    assert soft.sum() == pytest.approx(sharp.sum(), rel=0.005)
    assert np.abs(np.diff(soft, axis=0)).max() < np.abs(np.diff(sharp, axis=0)).max()
    np.testing.assert_allclose(soft, soft[::-1], atol=1 / 255)


def test_soft_copies_are_kept_and_the_template_stays_sharp():
    template = _square()
    level = template.levels[0].copy()
    first = template.softened(0, 1.1)[0]
    assert template.softened(0, 1.2)[0] is first  # rounded down to quarters
    assert template.softened(0, 1.3)[0] is not first
    assert template.softened(0, 99.0)[0] is template.softened(0, 50.0)[0]
    assert template.softened(0, 0.4)[0] is template.levels[0]
    np.testing.assert_array_equal(template.levels[0], level)


def test_a_fine_print_is_softened_more_than_a_plain_picture_and_no_more_than_a_bound():
    look, side = Look(sharpness=0.4), np.arange(64)
    fine = np.broadcast_to(200.0 * (side % 4 < 2)[:, None], (64, 64))
    slow = np.broadcast_to(2.0 * side[:, None], (64, 64))
    blurs = []
    for layer in (fine, slow):
        picture = Template.from_straight(
            np.dstack([layer] * 3).astype(np.float32), np.ones((64, 64), np.float32), (-1, -1), 32
        )
        blurs.append(look.blur(picture.sharpness(0)))
    assert blurs[0] > 2 * blurs[1] > 0
    assert look.blur(99.0) == look.blur(50.0) < 2
    assert Look().blur(0.9) == 0


def test_nothing_is_pasted_outside_the_limit():
    limit = np.array([[20.0, 0.0], [40.0, 0.0], [40.0, 60.0], [20.0, 60.0]])
    image, alpha = overlay(_PLAIN, _square(), _placed(limit_P2=limit), Look())
    assert alpha[:, :19].max() == alpha[:, 41:].max() == 0
    assert (image[:, :19] == 100).all()
    assert alpha[10:50, 22:38].min() == 1
    inside = polygon_mask(limit, (60, 60))[10:50]  # the exact one
    assert np.abs(alpha[10:50] - inside).max() < 0.2


@pytest.mark.parametrize("far", [1e4, 1e9])
def test_a_limit_far_outside_survives(far):
    limit = np.array([[-far, -far], [far, -far], [far, far], [-far, far]])
    alpha = overlay(_PLAIN, _square(), _placed(limit_P2=limit), Look())[1]
    assert alpha[30, 30] == 1
    nowhere = overlay(_PLAIN, _square(), _placed(limit_P2=limit + 3 * far), Look())
    assert nowhere[1].max() == 0
    np.testing.assert_array_equal(nowhere[0], _PLAIN)


def test_a_colour_becomes_grey_with_the_saturation():
    rgb = np.broadcast_to(np.array([200, 20, 20], np.float32), (60, 60, 3))
    red = Template.from_straight(rgb, np.ones((60, 60), np.float32), (0.0, 0.0), 1.0)
    spreads = []
    for saturation in (0.0, 0.5, 1.0):
        image, _ = overlay(_PLAIN, red, _placed(), Look(saturation=saturation))
        spreads.append(int(np.ptp(image[30, 30])))
    assert spreads[0] == 0
    assert spreads[1] == pytest.approx(90, abs=3)
    assert spreads[2] == 180


def test_light_falls_where_its_nodes_lie():
    """Factors of 1/2, 1 and 2 at columns 10, 30 and 50; beyond the outer ones they stay."""
    gains = np.repeat(np.array([[51, 102, 204]], np.uint8), 2, 0)
    light = Light(gains, 1 / 102, ((0.05, 0.0, -0.5), (0.0, 0.0, 0.0)))
    alpha = np.ones((60, 60), np.float32)
    template = Template.from_straight(np.full((60, 60, 3), 100, np.float32), alpha, (0.0, 0.0), 1.0)
    row = overlay(_PLAIN, template, _placed(), Look(light=light))[0][30, :, 0].astype(int)
    np.testing.assert_allclose(row[[2, 20, 30, 40, 58]], [50, 75, 105, 150, 200], atol=6)
