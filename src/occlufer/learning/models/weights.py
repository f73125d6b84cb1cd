"""Weights of one's own: a network filled from a finished run, a checkpoint or a state dict, saying what was taken."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_safetensors
from torch import nn

from occlufer.progress import say
from occlufer.types import EXPRESSIONS, ConfigError

State = dict[str, torch.Tensor]

_SAVE = "Save it with `torch.save(network.state_dict(), PATH)` or as .safetensors."
_OTHER_FILES: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a pointer of git-lfs, not the file itself: run `git lfs pull` where it was cloned"),
    (b"<!doctype html", "a web page: the site asked to log in or to confirm; download it again in a browser"),
    (b"<html", "a web page: the site asked to log in or to confirm; download it again in a browser"),
    (b"\x89hdf", "an HDF5 file, as Keras writes them, and no state dict of torch"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"\x89png", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"{", "a JSON file: it may describe weights, and holds none"),
)  # fmt: skip
"""How a file begins, in small letters, and what it is."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What a file holds: tensors by name, and what the rows of its head mean, where it says so."""

    path: Path
    state: State
    classes: tuple[str, ...] | None = None


def load_weights(
    network: nn.Module, given: str, backbone: str, *, heads: Sequence[str] = (), stems: Sequence[str] = ()
) -> None:
    """Fill a network from weights on disk, and print what was taken, adapted and left out.

    A stem for colour is summed for grey, one for grey is shared out over red, green and blue: either way a grey
    picture gets the answer that it got. The head is taken only where the file names its classes and has all of ours,
    by name; a finished run of ours names them.

    Args:
        network: the network to fill.
        given: the folder of a finished run, a checkpoint in one, a state dict (.pth, .safetensors), or a folder that
            holds one named after the backbone.
        backbone: its name, for messages.
        heads, stems: names of its last and first layers; by default those that timm says.

    Raises:
        ConfigError: a file that is missing, is something else, holds more than tensors or numbers that are not finite,
            or lacks what the network needs besides its head: weights, or the statistics of a normalisation.
    """
    config = getattr(network, "pretrained_cfg", {}) or {}
    heads, stems = heads or _names(config.get("classifier")), stems or _names(config.get("first_conv"))
    weights = read_weights(given, backbone)
    wanted = network.state_dict()
    state = _without_prefix(weights.state, list(wanted))
    notes = [note for stem in stems if (note := _fit_stem(state, wanted, f"{stem}.weight", weights.path))]
    head = {f"{name}.{leaf}" for name in heads for leaf in ("weight", "bias")} & set(wanted)
    notes += _fit_head(state, wanted, head, weights.classes)
    fitting = {
        name: value for name, value in state.items() if name in wanted and wanted[name].shape == value.shape
    }
    _check(fitting, state, wanted, head, weights.path)
    network.load_state_dict(fitting, strict=False)
    lost = [name for name in state if name not in fitting and name not in head]
    told = (
        f"model.pretrained: {weights.path}: {len(fitting)} of the network's {len(wanted)} tensors are taken"
    )
    notes += [f"{len(lost)} of the file have no place in this network ({_some(lost)})"] if lost else []
    say("; ".join([told, *notes]) + ".")


def read_weights(given: str, backbone: str) -> Weights:
    """The tensors behind `model.pretrained`; arguments and errors as those of `load_weights`."""
    path = Path(given).expanduser()
    if (path / "config.yaml").is_file():
        return _of_run(path)
    if path.is_dir():
        named = [path / f"{backbone}{ending}" for ending in (".pth", ".safetensors")]
        path = next((file for file in named if file.is_file()), named[0])
    if not path.is_file():
        raise ConfigError(
            f"model.pretrained: there is no file {path}. Give null, hub, a finished run (outputs/STUDY/RUN), or the "
            "path of a state dict."
        )
    weights = _read(path)
    if path.suffix == ".ckpt" and (path.parents[1] / "config.yaml").is_file():  # of a run
        return Weights(path, weights.state, EXPRESSIONS)
    return weights


def unused_weights(model: Mapping[str, Any]) -> str:
    """What must be said of a network's node that names weights and does not ask for them; "" for all others."""
    backbone = str(model.get("backbone", ""))
    tag = backbone.rpartition("/")[2].partition(".")[2]
    if model.get("pretrained") is not None or not (tag or backbone.startswith(("hf_hub:", "hf-hub:"))):
        return ""
    return (
        f"model.backbone={backbone} names weights, and model.pretrained is null: this training begins from random "
        "ones. Give model.pretrained=hub to begin from those."
    )


def _of_run(folder: Path) -> Weights:
    if not (folder / "run.json").is_file():
        raise ConfigError(
            f"model.pretrained: the run {folder} is not finished. Finish it first, or give one of its checkpoints "
            f"({folder / 'checkpoints' / 'last.ckpt'})."
        )
    path = next((folder / "checkpoints" / f"{name}.ckpt" for name in ("best", "last")
                 if (folder / "checkpoints" / f"{name}.ckpt").is_file()), None)  # fmt: skip
    if path is None:
        raise ConfigError(f"model.pretrained: the run {folder} has no checkpoint any more. Train it again.")
    return Weights(path, _read(path).state, EXPRESSIONS)


def _read(path: Path) -> Weights:
    """By what the file is, whatever its name says."""
    content = path.read_bytes()
    start = content[:200].lstrip().lower()
    if not content:
        raise ConfigError(f"model.pretrained: {path} is empty. Download or copy it again.")
    kind = next((what for mark, what in _OTHER_FILES if start.startswith(mark)), "")
    if path.suffix == ".onnx":
        kind = "an ONNX file: give the run that it was made of, or the .safetensors of the same export"
    if kind:
        raise ConfigError(f"model.pretrained: {path} is {kind}.")
    try:
        if _is_safetensors(content):
            return Weights(path, load_safetensors(content), _classes_of(content))
        if zipfile.is_zipfile(io.BytesIO(content)) and not _is_torch_zip(content):
            raise ConfigError(f"model.pretrained: {path} is a zip archive: unpack it first.")
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except ConfigError:
        raise
    except Exception as error:  # torch, pickle and safetensors each raise their own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"model.pretrained: {path} is not a state dict that can be read as tensors only ({reason}). It may be cut "
            f"short, or hold more than tensors. {_SAVE}"
        ) from error
    return _unwrapped(found, path)


def _unwrapped(found: Any, path: Path) -> Weights:
    """The state dict in what torch read, such as a checkpoint of timm or Lightning; the average of weights first."""
    from timm.models import clean_state_dict  # takes a second to load, which only trainings with weights need

    classes = found.get("classes") if isinstance(found, dict) else None
    for name in ("state_dict_ema", "model_ema", "state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
            break
    if (
        not isinstance(found, dict)
        or not found
        or not all(torch.is_tensor(value) for value in found.values())
    ):
        raise ConfigError(
            f"model.pretrained: {path} holds {type(found).__name__}, not a state dict, which is names with a tensor "
            f"each. {_SAVE}"
        )
    named = isinstance(classes, list | tuple) and all(isinstance(name, str) for name in classes)
    return Weights(path, clean_state_dict(found), tuple(classes) if classes and named else None)


def _is_safetensors(content: bytes) -> bool:
    header = int.from_bytes(content[:8], "little")
    return content[8:9] == b"{" and 2 <= header <= len(content) - 8


def _is_torch_zip(content: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return any(name.endswith("data.pkl") for name in archive.namelist())


def _classes_of(content: bytes) -> tuple[str, ...] | None:
    """The names in the metadata of a file of `occlufer export`."""
    metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get("__metadata__") or {}
    try:
        found = json.loads(metadata["occlufer"])["classes"]
    except (KeyError, TypeError, ValueError):
        return None
    return tuple(map(str, found)) if isinstance(found, list) else None


def _without_prefix(state: State, wanted: Sequence[str]) -> State:
    """Without what stands before all names of the network, such as `network.` in a checkpoint of a run."""
    first = wanted[0]
    prefixes = {"", *(name.removesuffix(first) for name in state if name.endswith(f".{first}"))}
    best = max(sorted(prefixes), key=lambda prefix: sum(f"{prefix}{name}" in state for name in wanted))
    return {name.removeprefix(best): value for name, value in state.items() if name.startswith(best)}


def _fit_stem(state: State, wanted: State, name: str, path: Path) -> str:
    """Fit the first convolution to the channels of the network; what was done, or ""."""
    if name not in state or name not in wanted or state[name].shape == wanted[name].shape:
        return ""
    given, asked = tuple(state[name].shape), tuple(wanted[name].shape)
    if (
        len(given) == 4
        and (given[0], *given[2:]) == (asked[0], *asked[2:])
        and asked[1] == 1
        and given[1] == 3
    ):
        state[name] = state[name].float().sum(1, keepdim=True)
        return f"{name} is summed over red, green and blue for grey"
    if (
        len(given) == 4
        and (given[0], *given[2:]) == (asked[0], *asked[2:])
        and asked[1] == 3
        and given[1] == 1
    ):
        state[name] = state[name].float().repeat(1, 3, 1, 1) / 3
        return f"{name}, of grey, is shared out over red, green and blue"
    raise ConfigError(
        f"model.pretrained: the first convolution of {path} ({name}) is {_shape(given)}, and this network's is "
        f"{_shape(asked)}. Weights for 1 or 3 channels are fitted to model.in_chans=1 or 3, and no other shape. Choose "
        "the backbone that the file was made for."
    )


def _shape(shape: Sequence[int]) -> str:
    if len(shape) != 4:
        return " x ".join(map(str, shape))
    return f"{shape[0]} filters of {shape[2]}x{shape[3]} on {shape[1]} channel{'s' * (shape[1] != 1)}"


def _fit_head(state: State, wanted: State, head: Iterable[str], classes: tuple[str, ...] | None) -> list[str]:
    """Sort the head's rows by our names of the classes, or take them out of `state`; what was done."""
    names = [name for name in sorted(head) if name in state]
    if not names:
        return ["the head is new"] if head else []
    rows = len(state[names[0]])
    fits = all(state[name].shape[1:] == wanted[name].shape[1:] for name in names)
    folded = [name.strip().lower() for name in classes or ()]
    known = len(folded) == rows and set(EXPRESSIONS) <= set(folded)
    if fits and known and all(len(wanted[name]) == len(EXPRESSIONS) for name in names):
        order = [folded.index(name) for name in EXPRESSIONS]
        for name in names:
            state[name] = state[name][order]
        extra = sorted(set(folded) - set(EXPRESSIONS))
        return [
            f"the head is taken by the names of its classes{f', without {chr(44).join(extra)}' * bool(extra)}"
        ]
    for name in names:
        del state[name]
    why = "the file does not name" if classes is None else f"are {_some(classes)}"
    return [f"the head is new: the file's has {rows} outputs, which {why}"]


def _check(fitting: State, state: State, wanted: State, head: Iterable[str], path: Path) -> None:
    # Buffers too: without its statistics a batch normalisation would do something else with the right weights. The
    # count of batches steers nothing, and older files lack it.
    weights = [name for name in wanted if not name.endswith("num_batches_tracked")]
    loaded = [name for name in weights if name in fitting]
    if len(loaded) < 0.5 * len([name for name in weights if name not in set(head)]):
        raise ConfigError(
            f"model.pretrained: {path} fits {len(loaded)} of the {len(weights)} tensors of this network, such as "
            f"{_some(wanted)}; it holds {_some(state)}. Is it the state dict of another backbone?"
        )
    missing = [name for name in weights if name not in fitting and name not in head]
    if missing:
        raise ConfigError(
            f"model.pretrained: {path} lacks {len(missing)} tensors besides the head, such as {_some(missing)}. "
            "Is it the state dict of another backbone?"
        )
    odd = [name for name, value in fitting.items() if not torch.isfinite(value).all()]
    if odd:
        raise ConfigError(
            f"model.pretrained: {path} holds numbers that are not finite in {len(odd)} tensors, such as {_some(odd)}: "
            "the training that wrote it diverged. Take an earlier checkpoint."
        )


def _names(found: object) -> tuple[str, ...]:
    """One name, several or none, as timm says them."""
    return (
        (found,)
        if isinstance(found, str)
        else tuple(map(str, found))
        if isinstance(found, list | tuple)
        else ()
    )


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:3]) + (", ..." if len(listed) > 3 else "")
