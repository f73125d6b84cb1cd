"""The plain fills."""

from __future__ import annotations

import numpy as np
import pytest

from occlufer.restoration.fills import fill_inpainted, fill_mean

ALPHA = np.zeros((32, 32), np.float32)
ALPHA[8:24, 8:24] = 1
ALPHA[4, 4] = 0.01  # too faint to count


def two_tone() -> np.ndarray:
    image = np.full((32, 32, 3), (10, 20, 30), np.uint8)
    image[:, 16:] = (110, 120, 130)
    image[ALPHA > 0.5] = 255
    return image


def test_the_mean_is_that_of_what_is_left():
    filled = fill_mean(two_tone(), ALPHA)
    assert (filled[10, 10] == (60, 70, 80)).all()
    assert (filled[ALPHA < 0.5] == two_tone()[ALPHA < 0.5]).all()


def test_inpainting_goes_on_with_what_lies_around():
    filled = fill_inpainted(two_tone(), ALPHA)
    assert np.abs(filled[16, 9].astype(int) - (10, 20, 30)).max() < 20
    assert np.abs(filled[16, 22].astype(int) - (110, 120, 130)).max() < 20
    assert (filled[ALPHA < 0.5] == two_tone()[ALPHA < 0.5]).all()


@pytest.mark.parametrize("fill", [fill_mean, fill_inpainted])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_nothing_or_everything_covered(fill, alpha):
    image = two_tone()
    before = image.copy()
    filled = fill(image, np.full((32, 32), alpha, np.float32))
    assert filled.shape == image.shape
    if alpha == 0:
        assert (filled == before).all()
    assert (image == before).all()
