"""A trained network with all that it needs to be asked, and nothing that it needed to be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from occlufer.building import build
from occlufer.data.image_format import ImageFormat
from occlufer.data.view import View
from occlufer.runs import Run
from occlufer.trust import stored_settings
from occlufer.types import EXPRESSIONS, ConfigError, RunError


@dataclass(frozen=True, slots=True)
class LoadedNetwork:
    """A trained network and how an image becomes its input.

    Attributes:
        network: float (B, C, H, W) -> logits float (B, K), in evaluation mode.
        image: size, channels and normalisation of its input.
        view: which part of an image it looks at.
        classes: names of the K outputs, in order.
        channels_last: the memory format that it was trained in.
        source: where it came from.
    """

    network: nn.Module
    image: ImageFormat
    view: View
    classes: tuple[str, ...]
    channels_last: bool
    source: str


def load_network(source: str | Path, *, trusted: Sequence[str] = ()) -> LoadedNetwork:
    """The network of a finished run, without objective, optimiser, schedule or dataset.

    Args:
        source: a run folder, or a checkpoint inside one.
        trusted: packages of the user's own whose classes a stored configuration may name, see `occlufer.trust`.

    Raises:
        RunError: no such run, a damaged one, or one whose configuration names what is not known.
    """
    path = Path(source).expanduser().resolve()
    checkpoint = path if path.suffix == ".ckpt" else None
    run = Run(path.parents[1] if checkpoint else path)
    if not run.folder.is_dir() or not (run.folder / "config.yaml").is_file():
        raise RunError(
            f"There is no run folder {run.folder}. Give run=outputs/STUDY/RUN, or a checkpoint inside one."
        )
    if checkpoint is None:
        run.summary()  # refuses an unfinished one
    config = stored_settings(run, trusted=trusted)
    loaded = from_settings(config, str(run.folder))
    fill(loaded.network, checkpoint or scored_checkpoint(run, config), str(run.folder))
    return loaded


def from_settings(config: Mapping[str, Any], where: str) -> LoadedNetwork:
    """The untrained network of a run's configuration; raises `RunError` where another version wrote it."""
    try:
        # All weights are in the checkpoint, and the file that training began from may be gone.
        model = config["model"] | ({"pretrained": None} if "pretrained" in config["model"] else {})
        network: nn.Module = build(model, num_classes=len(EXPRESSIONS)).eval()
        image = ImageFormat.create(**config["image"], channels=model.get("in_chans", 1))
        view: View = build(config["view"])
        channels_last = bool(config["channels_last"])
    except KeyError as error:
        raise older(where, f"lacks {error}") from error
    except (TypeError, AttributeError) as error:
        raise older(where, f"holds a plain value where it must name something to build ({error})") from error
    except ConfigError as error:
        raise older(where, f"cannot be built by this one: {error}") from error
    memory = torch.channels_last if channels_last else torch.contiguous_format
    return LoadedNetwork(network.to(memory_format=memory), image, view, EXPRESSIONS, channels_last, where)


def scored_checkpoint(run: Run, config: Mapping[str, Any]) -> Path:
    """The checkpoint that a run is scored by: the best one, or with protocol=published that of the last epoch."""
    return run.checkpoint_last if config.get("protocol") == "published" else run.checkpoint_best


def fill(network: nn.Module, checkpoint: Path, where: str) -> None:
    """Load a checkpoint's weights into the network; raises `RunError` if it is missing, damaged or does not fit."""
    state = read_checkpoint(checkpoint)["state_dict"]
    weights = {
        name.removeprefix("network."): value for name, value in state.items() if name.startswith("network.")
    }
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise RunError(
            f"{checkpoint} does not fit the network of {where}/config.yaml: {' '.join(str(error).split())[:300]} ... "
            "Put the config.yaml back that the run was trained with, or train it again."
        ) from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's plain dicts and tensors; raises `RunError` when it is missing or damaged."""
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise RunError(
            f"{path} is missing. Delete the run folder {path.parents[1]} and train it anew."
        ) from None
    except Exception as error:  # torch, zipfile and pickle each raise their own
        reason = str(error).splitlines()[0].split(". ")[0] if str(error) else type(error).__name__
        # A damaged last.ckpt by itself; without best.ckpt a run that was trained has nothing to score.
        what = "it" if path.name == "last.ckpt" else f"the run folder {path.parents[1]}"
        raise RunError(
            f"{path} is damaged ({reason}). Delete {what} to train this run from its start; other runs are not touched."
        ) from error
    return checkpoint


def teacher(run: str, *, image: Mapping[str, Any]) -> nn.Module:
    """The network of a finished run, for an objective that learns from one (`conf/objective/distillation.yaml`).

    Args:
        run: its folder.
        image: the `image` group of the training that asks it.

    Raises:
        ConfigError: it takes other images than this training makes.
    """
    loaded = load_network(run)
    if ImageFormat.create(**image, channels=loaded.image.channels) != loaded.image:
        raise ConfigError(
            f"The teacher {run} takes images of {loaded.image}, and this training makes others. Train with its "
            "image.size, image.mean and image.std, or choose another teacher."
        )
    return loaded.network


def older(where: str, what: str) -> RunError:
    """The error for a configuration that another version wrote, or that somebody changed."""
    return RunError(
        f"{where}/config.yaml {what.removesuffix('.')}: an older version of occlufer wrote it (environment.json names "
        "it), or it was changed. Evaluate it with that version, or train the run again."
    )
