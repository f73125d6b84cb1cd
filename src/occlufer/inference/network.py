"""A trained network with all that it needs to be asked, and nothing that it needed to be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn

from occlufer.building import build
from occlufer.data.image_format import ImageFormat
from occlufer.data.view import View
from occlufer.files import atomic_path
from occlufer.inference.description import METADATA_KEY, Description, from_config, from_text, older
from occlufer.runs import Run
from occlufer.settings import Protocol
from occlufer.trust import stored_settings
from occlufer.types import ConfigError, FloatArray, RunError


@dataclass(frozen=True, slots=True)
class LoadedNetwork:
    """A trained network in evaluation mode, float (B, C, H, W) -> logits float (B, K), and what it wants and means."""

    network: nn.Module
    description: Description

    @torch.inference_mode()
    def logits(self, image_BCHW: FloatArray) -> FloatArray:
        """Logits float32 (B, K) of normalised images float32 (B, C, H, W)."""
        shown_BCHW = torch.from_numpy(image_BCHW).to(memory_format=_memory_format(self.description))
        found: FloatArray = self.network(shown_BCHW).float().numpy()
        return found


def load_network(source: str | Path, *, trusted: Sequence[str] = ()) -> LoadedNetwork:
    """A trained network, without objective, optimiser, schedule or dataset.

    Args:
        source: the folder of a finished run, a checkpoint inside one, or a safetensors file of `occlufer export`.
        trusted: packages of the user's own whose classes a stored configuration may name, see `occlufer.trust`.

    Raises:
        RunError: no such run, a damaged one, or one whose configuration names what is not known.
    """
    path = Path(source).expanduser().resolve()
    if path.suffix == ".safetensors":
        return _read_weights(path, trusted)
    checkpoint = path if path.suffix == ".ckpt" else None
    run = Run(path.parents[1] if checkpoint else path)
    if not run.folder.is_dir() or not (run.folder / "config.yaml").is_file():
        raise RunError(
            f"There is no run folder {run.folder}. Give run=outputs/STUDY/RUN, or a checkpoint inside one."
        )
    if checkpoint is None:
        run.summary()  # refuses an unfinished one
    config = stored_settings(run, trusted=trusted)
    loaded = from_description(from_config(config, str(run.folder)))
    fill(loaded.network, checkpoint or scored_checkpoint(run, config), str(run.folder))
    return loaded


def from_description(description: Description) -> LoadedNetwork:
    """The untrained network of a description; raises `RunError` where another version wrote it."""
    try:
        network: nn.Module = build(description.model, num_classes=len(description.classes)).eval()
    except ConfigError as error:
        raise older(description.source, f"cannot be built by this one: {error}") from error
    return LoadedNetwork(network.to(memory_format=_memory_format(description)), description)


def _memory_format(description: Description) -> torch.memory_format:
    return torch.channels_last if description.channels_last else torch.contiguous_format


def write_weights(loaded: LoadedNetwork, path: Path) -> None:
    """Write the network as safetensors in half precision, with its description as metadata."""
    weights = {
        name: value.contiguous().half() if value.is_floating_point() else value.contiguous()
        for name, value in loaded.network.state_dict().items()
    }
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(weights, metadata={METADATA_KEY: loaded.description.as_text()}))


def _read_weights(path: Path, trusted: Sequence[str]) -> LoadedNetwork:
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(METADATA_KEY)
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
    except FileNotFoundError:
        raise RunError(f"There is no network file {path}.") from None
    except Exception as error:  # safetensors raises its own for damaged files
        raise RunError(f"{path} is damaged, or no safetensors file ({error}).") from error
    loaded = from_description(from_text(text, path, trusted=trusted))
    try:
        loaded.network.load_state_dict(
            {name: value.float() if value.is_floating_point() else value for name, value in weights.items()}
        )
    except RuntimeError as error:
        raise RunError(f"The weights of {path} do not fit the network that it names: {error}") from error
    return loaded


def scored_checkpoint(run: Run, config: Mapping[str, Any]) -> Path:
    """The checkpoint that a run is scored by, see `Protocol`."""
    return run.checkpoint_last if Protocol.of(config).scored == "last" else run.checkpoint_best


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


def teacher(
    run: str, *, image: Mapping[str, Any], channels: int, view: View, seed: int = 0, fold: int | None = None
) -> nn.Module:
    """The network of a finished run, for an objective that learns from one (`conf/objective/distillation.yaml`).

    Args:
        run: its folder; or that of a study, which holds one finished run of cross-entropy on bare faces with the
            given seed and fold.
        image: the `image` group of the training that asks it.
        channels, view: what else decides the images of that training.
        seed, fold: the replicate, where `run` is a study.

    Raises:
        ConfigError: it takes other images than this training makes.
        RunError: there is no such run, or no single one.
    """
    loaded = load_network(_run_of(Path(run).expanduser(), seed, fold))
    wanted, seen = loaded.description.image, loaded.description.view
    if ImageFormat.create(**image, channels=channels) != wanted:
        raise ConfigError(
            f"The teacher {run} takes images of {wanted}, and this training makes others. Train with its "
            "image.size, image.mean, image.std and model.in_chans, or choose another teacher."
        )
    if type(view) is not type(seen) or vars(view) != vars(seen):
        raise ConfigError(
            f"The teacher {run} was trained under {type(seen).__name__} with {vars(seen)}, and this training has "
            f"{type(view).__name__} with {vars(view)}. Give its view=, or choose another teacher."
        )
    return loaded.network


def _run_of(folder: Path, seed: int, fold: int | None) -> Path:
    """The folder itself where it is a run's, else the study's run on bare faces of this replicate."""
    if not folder.is_dir() or (folder / "config.yaml").is_file():
        return folder
    bare = {"occlusion": "occlufer.occlusion.none.NoOcclusion",
            "objective": "occlufer.learning.objectives.cross_entropy.CrossEntropy"}  # fmt: skip
    found = []
    for path in sorted(folder.iterdir()):
        run = Run(path)
        if path.is_dir() and run.finished and (path / "config.yaml").is_file():
            config = stored_settings(run, trusted=())
            kinds = {group: config[group]["_target_"] for group in bare}
            replicate = (config["seed"], config.get("fold")) == (seed, fold)
            if kinds == bare and replicate and not config.get("flip_test"):
                found.append(path)
    if len(found) == 1:
        return found[0]
    which = f"seed {seed}" + ("" if fold is None else f" and fold {fold}")
    raise RunError(
        f"A teacher is wanted: the study {folder} holds {len(found)} finished runs of cross-entropy on bare faces with "
        f"{which}, and one is needed. "
        + ("Name one with objective.teacher.run=OUTPUTS/STUDY/RUN." if found else
           "Train it first (occlusion=none objective=cross_entropy), then run this command again.")
    )  # fmt: skip
