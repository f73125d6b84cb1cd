"""A timm backbone under the fully connected head of study A: flatten, 4096, 1024, 128, expressions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from occlufer.learning.models.timm_network import HUB, timm_network
from occlufer.learning.models.weights import load_weights
from occlufer.types import ConfigError

_REDUCTION = 32  # pixels of the image for one cell of the last map, in all backbones of the study


def dense_head_network(
    *,
    num_classes: int,
    backbone: str,
    size: int | Sequence[int],
    in_chans: int = 3,
    pretrained: str | None = None,
    pool: bool = True,
    caffe_strides: bool = False,
    widths: Sequence[int] = (4096, 1024, 128),
    drop_rate: float = 0.5,
) -> nn.Module:
    """Backbone without its top, then dense layers: float (B, in_chans, H, W) -> logits float (B, num_classes).

    The networks of Casas-Ortiz et al., IEEE Access 12, 2024: each hidden layer is followed by relu and
    dropout. Dense layers start as Keras starts them: Glorot's uniform weights, biases 0.

    Args:
        num_classes: width of the last layer.
        backbone: timm's name of a convolutional network that ends 32 times smaller than the image.
        size: side of the image in pixels, or height and width, at least 32; it sets the width of the map that is
            flattened where `pool` is false.
        in_chans: 1 or 3.
        pretrained: of the backbone, see `timm_network`: None, "hub" or a path.
        pool: flatten the mean over the map (the 7x7 average pool that ends keras-vggface's ResNet-50 and SENet-50 at
            224 px), or, where false, the map itself (its VGG-16).
        caffe_strides: for a ResNet: strides on the first 1x1 convolution of a stage, and a stem pool without padding
            that counts the odd last column, as Caffe (and so VGGFace2) has them; timm has strides on the 3x3.
        widths: hidden layers.
        drop_rate: dropout after every hidden layer, 0..1.

    Raises:
        ConfigError: see `timm_network`; an image below 32 px; Caffe's strides for a network that has no such stages.
    """
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < _REDUCTION:
        raise ConfigError(
            f"{backbone} needs images of {_REDUCTION} px and more. Set image.size, found {size}."
        )
    features = timm_network(
        num_classes=0, backbone=backbone, in_chans=in_chans, pretrained=HUB if pretrained == HUB else None
    )
    _drop_top(features)
    if caffe_strides:
        _use_caffe_strides(features, backbone)
    if pretrained and pretrained != HUB:
        load_weights(features, pretrained, backbone)
    cells = 1 if pool else (height // _REDUCTION) * (width // _REDUCTION)
    inputs = int(features.num_features) * cells  # type: ignore[arg-type]
    head = _dense_head([inputs, *widths, num_classes], drop_rate)
    return DenseHeadNetwork(features, nn.AdaptiveAvgPool2d(1) if pool else nn.Identity(), head)


class DenseHeadNetwork(nn.Module):
    """See `dense_head_network`."""

    def __init__(self, backbone: nn.Module, pool: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.pool, self.head = backbone, pool, head

    def forward(self, image_BCHW: torch.Tensor) -> torch.Tensor:
        """Logits float (B, K) of images float (B, C, S, S)."""
        map_BCHW = self.backbone.forward_features(image_BCHW)  # type: ignore[operator]
        logits_BK: torch.Tensor = self.head(self.pool(map_BCHW).flatten(1))
        return logits_BK


def _drop_top(features: nn.Module) -> None:
    """Take out what follows the last map: timm's VGG keeps its two wide layers even where it has no classes."""
    if hasattr(features, "pre_logits"):
        features.pre_logits = nn.Identity()


def _use_caffe_strides(network: nn.Module, backbone: str) -> None:
    stages = [getattr(network, f"layer{number}", None) for number in (2, 3, 4)]
    blocks = [stage[0] for stage in stages if isinstance(stage, nn.Sequential)]
    fitting = [block for block in blocks if hasattr(block, "conv3") and block.conv2.stride == (2, 2)]
    if len(fitting) != len(stages) or not isinstance(getattr(network, "maxpool", None), nn.MaxPool2d):
        raise ConfigError(
            f"model.caffe_strides: {backbone} is no ResNet of bottlenecks with strides on the 3x3 convolutions. Set it "
            "to false."
        )
    for block in fitting:
        block.conv1.stride, block.conv2.stride = (2, 2), (1, 1)  # type: ignore[assignment]
    network.maxpool = nn.MaxPool2d(3, stride=2, padding=0, ceil_mode=True)


def _dense_head(widths: Sequence[int], drop_rate: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        dense = nn.Linear(before, after)
        nn.init.xavier_uniform_(dense.weight)
        nn.init.zeros_(dense.bias)
        layers += [dense, nn.ReLU(inplace=True), nn.Dropout(drop_rate)]
    return nn.Sequential(*layers[:-2])
