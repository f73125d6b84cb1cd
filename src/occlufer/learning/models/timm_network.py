"""Any network of timm, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

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
        pretrained: None for a random state; "hub" for timm's published weights (needs a network or their cache); or the
            path of a state dict, read as tensors only, whose head is dropped when its width differs. The path may be
            a folder that holds BACKBONE.pth or BACKBONE.safetensors.
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


def load_weights(network: nn.Module, given: str, backbone: str) -> None:
    """Fill a timm network from a state dict on disk; head and stem are fitted as timm does for its own weights.

    Args:
        network: made by `timm.create_model(backbone)`.
        given: the file, or a folder that holds one named after the backbone.
        backbone: timm's name of the network.

    Raises:
        ConfigError: a file that is missing, holds more than tensors, or lacks what the network needs besides its head:
            weights, or the statistics of a normalisation.
    """
    path = Path(given).expanduser()
    if path.is_dir():
        named = [path / f"{backbone}{ending}" for ending in (".pth", ".safetensors")]
        path = next((file for file in named if file.is_file()), named[0])
    if not path.is_file():
        raise ConfigError(
            f"model.pretrained: there is no file {path}. Give null, hub, or the path of a state dict."
        )
    try:
        state = timm.models.load_state_dict(str(path), weights_only=True)
    except Exception as error:  # torch, pickle and safetensors each raise their own
        raise ConfigError(
            f"model.pretrained: {path} is not a state dict that can be read as tensors only ({error}). "
            "Save it with `torch.save(network.state_dict(), PATH)` or as .safetensors."
        ) from error
    state = _fit(network, state)
    wanted = network.state_dict()
    fitting = {
        name: value for name, value in state.items() if name in wanted and wanted[name].shape == value.shape
    }
    # Buffers too: without its statistics a batch normalisation would do something else with the right weights. The
    # count of batches steers nothing, and older files lack it.
    weights = [name for name in wanted if not name.endswith("num_batches_tracked")]
    loaded = [name for name in weights if name in fitting]
    if len(loaded) < 0.5 * len(weights):
        raise ConfigError(
            f"model.pretrained: {path} fits {len(loaded)} of the {len(weights)} tensors of this network, such as "
            f"{_names(wanted)}; it holds {_names(state)}. Is it the state dict of another backbone?"
        )
    head = _head_names(network)
    missing = [name for name in weights if name not in fitting and name not in head]
    if missing:
        raise ConfigError(
            f"model.pretrained: {path} lacks {len(missing)} tensors besides the head, such as {_names(missing)}. "
            "Is it the state dict of another backbone?"
        )
    network.load_state_dict(fitting, strict=False)


def _fit(network: nn.Module, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state with the weights of the first convolution summed for a grey network, or repeated for an RGB one."""
    config = getattr(network, "pretrained_cfg", {}) or {}
    stems = config.get("first_conv") or ()
    for stem in (stems,) if isinstance(stems, str) else stems:
        name = f"{stem}.weight"
        module_weight = network.state_dict().get(name)
        if name in state and module_weight is not None and state[name].shape[1] != module_weight.shape[1]:
            state[name] = timm.models.adapt_input_conv(module_weight.shape[1], state[name])
    return state


def _head_names(network: nn.Module) -> set[str]:
    config = getattr(network, "pretrained_cfg", {}) or {}
    heads = config.get("classifier") or ()
    heads = (heads,) if isinstance(heads, str) else tuple(heads)
    return {f"{head}.{leaf}" for head in heads for leaf in ("weight", "bias")}


def _names(names: Any) -> str:
    return ", ".join(list(names)[:3])
