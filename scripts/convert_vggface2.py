"""Convert a VGGFace2 pickle to a state dict: `python scripts/convert_vggface2.py resnet50_ft_weight.pkl FOLDER`.

Writes FOLDER/resnet50.pth or FOLDER/legacy_seresnet50.pth, and beside it a .json with the input that the network wants.
Then `occlufer train model=resnet50_vggface2 weights=FOLDER` (or senet50_vggface2) starts from them.

The networks (resnet50_ft, senet50_ft) were published as pickles of {name: numpy array}, converted from Caffe
(https://www.robots.ox.ac.uk/~vgg/data/vgg_face2/, Cao et al. 2018). A pickle is a program, so this one is read by an
unpickler that can make arrays and plain containers only.
"""

from __future__ import annotations

import argparse
import codecs
import hashlib
import json
import pickle
import re
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any, final

import numpy as np
import timm
import torch
from numpy.typing import NDArray

from occlufer.files import atomic_path, write_text
from occlufer.types import ConfigError, OccluferError

MEAN_BGR = (91.4953, 103.8827, 131.0912)
"""Of the source networks' input: BGR, 0..255, 224 px."""

INPUT = {
    "size": 224,
    "mean": [round(value / 255, 6) for value in reversed(MEAN_BGR)],
    "std": round(1 / 255, 8),
}
"""The `image` settings that give a converted network what it was trained on: RGB 0..1, less the mean, times 255."""

RESNET, SENET = "resnet50", "legacy_seresnet50"

_PLAIN = {"dict": dict, "list": list, "tuple": tuple, "set": set}
_NUMPY = (
    "numpy",
    "numpy.core.multiarray",
    "numpy._core.multiarray",
    "numpy.core.numeric",
    "numpy._core.numeric",
)


def read_pickle(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a pickle of Python 2 or 3, by name.

    Raises:
        ConfigError: no such file, no pickle, a pickle that asks for anything but numpy arrays and plain containers
            (nothing of it is run), or one that is no table of name -> array of numbers.
    """
    try:
        with path.open("rb") as handle:
            content = _ArrayUnpickler(handle, encoding="latin1").load()
    except OSError as error:
        raise ConfigError(f"{path} cannot be opened: {error.strerror or error}.") from None
    except _RefusedError as error:
        raise ConfigError(
            f"{path} asks for {error}, and a pickle of weights needs numpy arrays only. Nothing of it was run. Do you "
            "trust where it comes from?"
        ) from None
    except Exception as error:  # a damaged pickle can make its reader raise whatever it likes
        raise ConfigError(f"{path} cannot be read as a pickle ({type(error).__name__}: {error}).") from None
    if not isinstance(content, dict) or not content:
        raise ConfigError(f"{path} holds {type(content).__name__}, wanted a table of name -> array.")
    arrays = {}
    for name, made in content.items():
        if not isinstance(name, str) or not isinstance(made, _Array) or made.value is None:
            raise ConfigError(
                f"{path}: {name!r} is no array of numbers. Wanted: name -> array, for every entry."
            )
        arrays[name] = made.value
    return arrays


def to_timm(weights: dict[str, NDArray[Any]]) -> tuple[str, dict[str, torch.Tensor]]:
    """Rename the weights of resnet50_ft or senet50_ft for timm, and turn their first layer from BGR to RGB.

    The networks that they fit have their strides on the first convolution of a stage and a stem pool without padding
    that counts the odd last column: `caffe_strides` of `dense_head_network` for the ResNet, timm's own SENet.

    Returns:
        timm's name of the backbone, and a whole state dict with the classifier of 8,631 people.

    Raises:
        ConfigError: weights that are missing, unknown or of other shapes than the network's; the first are named.
    """
    backbone = SENET if any(name.endswith("conv4.weight") for name in weights) else RESNET
    rename = _senet_name if backbone == SENET else _resnet_name
    state = {rename(name): torch.from_numpy(np.array(value, np.float32)) for name, value in weights.items()}
    classes = len(state[last]) if (last := _classifier(backbone) + ".bias") in state else 0
    with torch.device("meta"):  # names and shapes, without weights
        wanted = timm.create_model(backbone, num_classes=classes).state_dict()
    counts = [name for name in wanted if name.endswith("num_batches_tracked")]
    state |= {name: torch.tensor(0) for name in counts if name not in state}  # Caffe counts none
    _check(backbone, state, {name: tuple(value.shape) for name, value in wanted.items()})
    stem = "layer0.conv1.weight" if backbone == SENET else "conv1.weight"
    state[stem] = state[stem].flip(1)
    return backbone, {name: state[name].contiguous() for name in wanted}


class _RefusedError(Exception):
    pass


@final
class _ArrayUnpickler(pickle.Unpickler):
    """Makes arrays of numbers and plain containers. Of numpy's own unpickling, which is C, nothing runs either."""

    def find_class(self, module: str, name: str) -> Any:
        """The few names that arrays are made by; all others raise."""
        found: Any = None
        if module in _NUMPY:
            found = {
                "ndarray": _Array,
                "_reconstruct": _array,
                "_frombuffer": _from_buffer,
                "dtype": _Kind,
            }.get(name)
        elif (module, name) == ("collections", "OrderedDict"):
            found = OrderedDict
        elif (module, name) == ("_codecs", "encode"):
            found = _latin1  # bytes, as Python 3 writes them for Python 2
        elif module in ("builtins", "__builtin__"):
            found = _PLAIN.get(name)
        if found is None:
            raise _RefusedError(f"{module}.{name}")
        return found


@final
class _Kind:
    """Stands for a `numpy.dtype` of numbers."""

    def __init__(self, name: str, *_: Any) -> None:
        self.dtype = np.dtype(name)
        if self.dtype.kind not in "biuf":
            raise _RefusedError(f"an array of {self.dtype}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])  # (version, byte order, ...): the rest is for records


@final
class _Array:
    """Stands for a `numpy.ndarray`, which is in `value` once the state has come."""

    value: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_columns, content = state
        raw = content.encode("latin1") if isinstance(content, str) else content
        self.value = np.frombuffer(raw, kind.dtype).reshape(shape, order="F" if by_columns else "C")


def _array(*_: Any) -> _Array:
    return _Array()


def _from_buffer(content: bytes, kind: _Kind, shape: tuple[int, ...], order: str) -> _Array:
    made = _Array()
    made.__setstate__((1, shape, kind, order == "F", bytes(content)))
    return made


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    if codecs.lookup(encoding).name != "iso8859-1":
        raise _RefusedError(f"the codec {encoding}")
    return text.encode("latin1")


def _classifier(backbone: str) -> str:
    return "last_linear" if backbone == SENET else "fc"


def _resnet_name(name: str) -> str:
    return name


def _senet_name(name: str) -> str:
    """`conv1`, `bn1` -> `layer0.*`; a block's `conv4`, `conv5` are its squeeze and its excitation; `fc` comes last."""
    name = re.sub(r"^(conv1|bn1)\.", r"layer0.\1.", name)
    name = re.sub(r"\.conv4\.", ".se_module.fc1.", name)
    name = re.sub(r"\.conv5\.", ".se_module.fc2.", name)
    return re.sub(r"^fc\.", "last_linear.", name)


def _check(backbone: str, state: dict[str, torch.Tensor], wanted: dict[str, tuple[int, ...]]) -> None:
    missing, unknown = [sorted(set(one) - set(other)) for one, other in ((wanted, state), (state, wanted))]
    shapes = [
        f"{name} {tuple(state[name].shape)} for {shape}"
        for name, shape in wanted.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    faults = [
        f"{what} {len(found)} ({', '.join(found[:3])})"
        for what, found in (("missing", missing), ("unknown", unknown), ("of another shape", shapes))
        if found
    ]
    if faults:
        raise ConfigError(
            f"These are not the weights of {backbone} as VGGFace2 names them: {'; '.join(faults)}. Wanted: "
            "resnet50_ft_weight.pkl or senet50_ft_weight.pkl."
        )


def convert(source: Path, folder: Path) -> Path:
    """Write the state dict and its description; returns the path of the former."""
    backbone, state = to_timm(read_pickle(source))
    target = folder / f"{backbone}.pth"
    with atomic_path(target) as temporary:
        torch.save(state, temporary)
    facts = {
        "backbone": backbone,
        "image": INPUT,
        "channels": "RGB (the first layer was turned from BGR)",
        "strides": "Caffe's: model=resnet50 and resnet50_vggface2 have them, timm's resnet50 has not",
        "source": source.name,
        "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
    }
    write_text(target.with_suffix(".json"), json.dumps(facts, indent=2) + "\n")
    return target


def main() -> None:
    """Read the command line, convert, say what was written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pickle", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    try:
        target = convert(given.pickle, given.folder)
    except OccluferError as error:
        sys.exit(f"Error: {error}")
    print(f"{target}: use it with weights={given.folder} and model=resnet50_vggface2 or senet50_vggface2.")


if __name__ == "__main__":
    main()
