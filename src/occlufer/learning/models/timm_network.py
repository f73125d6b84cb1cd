"""Any network of timm, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
from torch import nn

from occlufer.learning.models.weights import load_weights
from occlufer.types import ConfigError, unknown_name

HUB = "hub"


def timm_network(
    *,
    num_classes: int,
    backbone: str,
    in_chans: int = 1,
    pretrained: str | None = None,
    drop_rate: float = 0.0,
    options: Mapping[str, Any] | None = None,
) -> nn.Module:
    """A timm network with a new head: float (B, in_chans, S, S) -> logits float (B, num_classes).

    Args:
        num_classes: width of the head.
        backbone: timm's name of the network (`timm.list_models()`), or `hf_hub:owner/name`.
        in_chans: 1 or 3; pretrained RGB stems are summed over the channels for grey (timm's rule).
        pretrained: None for a random state; "hub" for timm's published weights (needs a network or their cache); or
            weights of one's own, see `weights.load_weights`.
        drop_rate: dropout before the head, 0..1.
        options: more arguments of that network, such as {"drop_path_rate": 0.1}.

    Raises:
        ConfigError: unknown backbone or option, or weights that are missing or do not fit.
    """
    from_hub = backbone.startswith("hf_hub:") or backbone.startswith("hf-hub:")
    if not from_hub and not timm.is_model(backbone.split(".")[0]):
        close = timm.list_models(f"*{backbone[:6]}*") or timm.list_models()
        raise ConfigError(_short(unknown_name("backbone", backbone, close)))
    try:
        network: nn.Module = timm.create_model(
            backbone,
            pretrained=pretrained == HUB,
            num_classes=num_classes,
            in_chans=in_chans,
            drop_rate=drop_rate,
            **dict(options or {}),
        )
    except TypeError as error:
        raise ConfigError(
            f"model.options: {backbone} does not take one of {sorted(options or {})} ({error})."
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"The network {backbone} could not be made (pretrained={pretrained}): {error}. Without a connection, give "
            "model.pretrained the path of a downloaded state dict."
        ) from error
    if pretrained and pretrained != HUB:
        load_weights(network, pretrained, backbone)
    return network


def _short(text: str, most: int = 600) -> str:
    return (
        text
        if len(text) <= most
        else f"{text[:most]} ... (`python -c 'import timm; print(timm.list_models())'`)"
    )
