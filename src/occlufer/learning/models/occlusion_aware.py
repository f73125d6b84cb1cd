"""A network that estimates which parts of a face are covered, and leaves them out of its mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import nn

from occlufer.types import ConfigError

_LEAST_KEPT = 0.05  # of a map: a face that looks covered all over still gives a mean
_TRIAL_SIDE = 64  # pixels of the image that shows how many channels the map has


@final
class OcclusionAware(nn.Module):
    """Weights the mean over a network's last feature map by how bare each place looks.

    The estimate comes from the network's own features: at test time it is told nothing of the occluder. What it should
    say is learned from pairs, see `occlufer.learning.objectives.occlusion_aware`.

    Args:
        network: float (B, C, H, W) -> logits float (B, K), which averages a map before its last layers.
        in_chans: C.

    Attributes:
        covered_logits_BHW: of the latest call in training mode, one for each place of the map.

    Raises:
        ConfigError: the network averages no map.
    """

    def __init__(self, network: nn.Module, *, in_chans: int) -> None:
        super().__init__()
        pools = [layer for layer in network.modules() if _averages(layer)]
        if not pools:
            raise ConfigError(
                "model=occlusion_aware weights the mean over a network's last feature map, and this network takes "
                "none. Choose a convolutional one, such as model@model.network=resnet18."
            )
        channels: list[int] = []
        watch = pools[-1].register_forward_pre_hook(lambda _, given: channels.append(given[0].shape[1]))
        training = network.training
        with torch.no_grad():
            network.eval()(torch.zeros(1, in_chans, _TRIAL_SIDE, _TRIAL_SIDE))
        network.train(training)
        watch.remove()
        self.network = network
        self.estimate = nn.Conv2d(channels[0], 1, 1)
        self.covered_logits_BHW: torch.Tensor | None = None
        pools[-1].register_forward_pre_hook(self._weighted)

    def _weighted(self, pool: nn.Module, given: tuple[torch.Tensor, ...]) -> torch.Tensor:
        (map_BCHW,) = given
        logits_B1HW = self.estimate(map_BCHW)
        if self.training:
            self.covered_logits_BHW = logits_B1HW[:, 0]
        bare_B1HW = torch.sigmoid(-logits_B1HW)
        mean_B111 = bare_B1HW.mean(dim=(2, 3), keepdim=True).clamp(min=_LEAST_KEPT)
        return map_BCHW * (bare_B1HW / mean_B111)

    def forward(self, image_BCHW: torch.Tensor) -> torch.Tensor:
        """Logits float (B, K)."""
        logits_BK: torch.Tensor = self.network(image_BCHW)
        return logits_BK


def _averages(layer: nn.Module) -> bool:
    """Whether a layer is the mean over a whole map."""
    from timm.layers import SelectAdaptivePool2d  # here, as trainings of other networks load this module too

    if isinstance(layer, SelectAdaptivePool2d):
        return bool(layer.pool_type == "avg")
    return isinstance(layer, nn.AdaptiveAvgPool2d) and layer.output_size in (1, (1, 1))


def occlusion_aware(
    *, num_classes: int, network: Callable[..., nn.Module], in_chans: int = 1
) -> OcclusionAware:
    """`OcclusionAware` over what `network(num_classes=...)` makes; `in_chans` are its channels."""
    return OcclusionAware(network(num_classes=num_classes), in_chans=in_chans)
