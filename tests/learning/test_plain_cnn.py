from __future__ import annotations

import pytest
import torch

from occlufer.learning.models.plain_cnn import plain_cnn


@pytest.mark.parametrize(("in_chans", "size"), [(1, 48), (3, 64), (1, 16)])
def test_logits_for_every_face(in_chans, size):
    network = plain_cnn(num_classes=7, in_chans=in_chans)
    assert network(torch.randn(2, in_chans, size, size)).shape == (2, 7)


def test_the_weights_are_as_few_as_the_file_says():
    assert sum(weight.numel() for weight in plain_cnn(num_classes=7).parameters()) == pytest.approx(
        0.3e6, rel=0.05
    )
