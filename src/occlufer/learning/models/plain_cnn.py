"""A small convolutional network that learns drawn faces on a CPU in a minute or two."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from occlufer.learning.models.weights import load_weights


def plain_cnn(
    *, num_classes: int, in_chans: int = 1, widths: Sequence[int] = (16, 32, 64, 128), drop_rate: float = 0.2,
    pretrained: str | None = None,
) -> nn.Module:  # fmt: skip
    """Blocks of two 3x3 convolutions and a 2x2 max-pool, then the mean over the image and one linear layer.

    Float (B, in_chans, S, S) -> logits float (B, num_classes), for S of at least 2 ** len(widths). It keeps the full
    resolution in its first block, where timm's networks stride by four: at 48 pixels that is worth more than depth.

    Args:
        num_classes: width of the head.
        in_chans: 1 or 3.
        widths: channels of each block.
        drop_rate: dropout before the head, 0..1.
        pretrained: None for a random state, or weights of one's own, see `weights.load_weights`.
    """
    layers: list[nn.Module] = []
    before = in_chans
    for width in widths:
        layers += [*_convolution(before, width), *_convolution(width, width), nn.MaxPool2d(2)]
        before = width
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(drop_rate), nn.Linear(before, num_classes)]
    network = nn.Sequential(*layers, *head)
    if pretrained:
        load_weights(network, pretrained, "plain_cnn", heads=[f"{len(network) - 1}"], stems=["0"])
    return network


def _convolution(before: int, after: int) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
