"""Study B's network against what is published of it."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from occlufer.studies.maskthefer import maskthefer
from occlufer.types import ConfigError


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return maskthefer(num_classes=7, size=[48, 96])


def test_the_weights_are_those_of_the_published_layers(network):
    """By hand: weights and biases of each layer, and two numbers a channel of each batch norm."""
    channels = [1, 32, 32, 64, 64, 128, 128, 256, 256]
    convolutions = sum(9 * before * after + after for before, after in itertools.pairwise(channels))
    norms = sum(2 * after for after in channels[1:])
    flat = (48 // 16) * (96 // 16) * 256
    dense = (flat * 4096 + 4096) + (4096 * 4096 + 4096) + (4096 * 7 + 7)
    assert (convolutions, norms, dense) == (1_171_680, 1_920, 35_688_455)
    assert (
        sum(weight.numel() for weight in network.parameters()) == convolutions + norms + dense == 36_862_055
    )
    # Keras counts the moving mean and variance as weights that are not trained.
    moving = sum(value.numel() for name, value in network.named_buffers() if "running" in name)
    assert moving == 1_920


def test_the_layers_come_in_the_published_order(network):
    kinds = [type(layer).__name__ for layer in network]
    block = ["Conv2d", "ReLU", "BatchNorm2d"] * 2 + ["MaxPool2d"]
    assert kinds == block * 4 + ["Flatten", *["Linear", "ReLU", "Dropout"] * 2, "Linear"]
    convolutions = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [32, 32, 64, 64, 128, 128, 256, 256]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert [layer.p for layer in network if isinstance(layer, nn.Dropout)] == [0.3, 0.3]
    assert [layer.kernel_size for layer in network if isinstance(layer, nn.MaxPool2d)] == [2] * 4


def test_without_a_border_the_input_would_be_used_up():
    """What is not published: that the convolutions keep height and width. They must."""
    height = 48
    for _ in range(3):
        height = (height - 4) // 2
    assert height - 4 < 0


def test_it_begins_as_keras_does(network):
    for layer in network:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            area = math.prod(layer.weight.shape[2:])
            bound = math.sqrt(6 / (area * (layer.weight.shape[0] + layer.weight.shape[1])))
            assert float(layer.weight.detach().abs().max()) <= bound * (1 + 1e-6)
            assert float(layer.weight.detach().std()) == pytest.approx(bound / math.sqrt(3), rel=0.15)
            assert not layer.bias.any()


def test_moving_averages_move_as_in_keras(network):
    """Keras: average = .99 * average + .01 * batch; epsilon .001."""
    norms = [layer for layer in network if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 8
    assert {layer.eps for layer in norms} == {1e-3}
    norm = maskthefer(num_classes=7, size=16)[2].train()
    norm(torch.full((2, 32, 4, 4), 5.0))
    torch.testing.assert_close(norm.running_mean, torch.full((32,), 0.99 * 0 + 0.01 * 5))
    torch.testing.assert_close(norm.running_var, torch.full((32,), 0.99 * 1 + 0.01 * 0))


@pytest.mark.parametrize(("in_chans", "size", "hw"), [(1, [48, 96], (48, 96)), (3, 32, (32, 32))])
def test_logits_for_every_face(in_chans, size, hw):
    made = maskthefer(num_classes=7, size=size, in_chans=in_chans).eval()
    with torch.no_grad():
        assert made(torch.randn(2, in_chans, *hw)).shape == (2, 7)


def test_an_input_that_is_halved_to_nothing_is_refused():
    with pytest.raises(ConfigError, match=r"image\.size=\[48, 15\] is below 16 pixels"):
        maskthefer(num_classes=7, size=[48, 15])
