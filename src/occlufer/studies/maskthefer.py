"""The network of study B, layer by layer.

Jiang et al., "MaskTheFER", DICTA 2023, doi 10.1109/DICTA60407.2023.00069. What is not stated there is as in Keras, with
which it was trained.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from occlufer.types import ConfigError

_WIDTHS = (32, 64, 128, 256)
_HIDDEN = 4096


def maskthefer(
    *, num_classes: int, size: int | Sequence[int], in_chans: int = 1, drop_rate: float = 0.3
) -> nn.Module:
    """Four blocks of two 3x3 convolutions, relu and *then* batch norm, and a 2x2 max-pool; then 4096, 4096, K.

    Float (B, in_chans, H, W) -> logits float (B, num_classes). The convolutions keep height and width: without a
    border, 48 pixels would be used up before the last block. At 1x48x96 and seven classes it has 36,862,055 weights;
    Keras' summary counts the 1,920 moving averages of the batch norms too, as not trained.

    Args:
        num_classes: width of the last layer, K.
        size: side of the input, or height and width; at least 16.
        in_chans: 1 or 3.
        drop_rate: dropout after each of the two wide layers, 0..1.
    """
    height, width = (size, size) if isinstance(size, int) else size
    layers: list[nn.Module] = []
    before = in_chans
    for after in _WIDTHS:
        layers += [*_convolution(before, after), *_convolution(after, after), nn.MaxPool2d(2)]
        before = after
    halvings = 2 ** len(_WIDTHS)
    flat = before * (height // halvings) * (width // halvings)
    if not flat:
        raise ConfigError(
            f"model=maskthefer halves its input four times; image.size={size} is below 16 pixels."
        )
    dense = [*_dense(flat, drop_rate), *_dense(_HIDDEN, drop_rate)]
    network = nn.Sequential(*layers, nn.Flatten(), *dense, nn.Linear(_HIDDEN, num_classes))
    network.apply(_as_keras_begins)
    return network


def _convolution(before: int, after: int) -> list[nn.Module]:
    # torch's momentum is the share of the new batch, Keras' (0.99) that of the old average.
    norm = nn.BatchNorm2d(after, eps=1e-3, momentum=0.01)
    return [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True), norm]


def _dense(before: int, drop_rate: float) -> list[nn.Module]:
    return [nn.Linear(before, _HIDDEN), nn.ReLU(inplace=True), nn.Dropout(drop_rate)]


def _as_keras_begins(layer: nn.Module) -> None:
    """Keras' defaults: Glorot's uniform weights (Glorot & Bengio 2010) and no bias."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)
