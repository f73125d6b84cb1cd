"""What every part of the package shares: samples, arrays, expressions, landmarks, errors.

This module imports numpy and the standard library only, so that anything may import it.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UInt8Array = NDArray[np.uint8]
FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

EXPRESSIONS: tuple[str, ...] = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
)
"""The one label order inside the project: index in this tuple = label. Every adapter maps to it by name."""

SPLITS: tuple[str, ...] = ("train", "validation", "test")

LANDMARK_COUNT = 468
"""Points of the MediaPipe face mesh without the irises.

Everywhere landmarks are float32 (468, 3) in pixels of an image: x to the right and y down from its top left corner; z
is the depth on the scale of x, from a plane through the head, and smaller the nearer a point is to the camera.
"""


class OccluferError(ValueError):
    """A fault that the user can mend: says what was wanted, what was found and what to do next."""


class ConfigError(OccluferError):
    """A configuration that cannot be run."""


class DatasetError(OccluferError):
    """A dataset on disk that is not what its adapter expects."""


class ImageError(DatasetError):
    """One image that cannot be used; callers may count it and go on."""


class LandmarkError(OccluferError):
    """Landmarks that are missing, damaged or of the wrong shape."""


class RunError(OccluferError):
    """A run folder that is missing, incomplete, or from another version."""


@dataclass(frozen=True, slots=True)
class FaceSample:
    """One labelled image of a dataset.

    Attributes:
        image_HWC: uint8 RGB, values 0..255.
        label: index into `EXPRESSIONS`.
        key: stable and unique in its dataset.
    """

    image_HWC: UInt8Array
    label: int
    key: str


def unknown_name(what: str, found: str, known: Iterable[str]) -> str:
    """A sentence for an unknown name: what was found, the nearest spelling, and all that is known."""
    choices = list(known)
    return f"Unknown {what} {found!r}.{did_you_mean(found, choices)} Known: {', '.join(choices) or 'none'}."


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """` Did you mean 'NAME'?`, of the known name that is nearest; empty where none is near enough for a slip."""
    near = difflib.get_close_matches(str(found), sorted(map(str, known)), n=1, cutoff=0.7)
    return f" Did you mean {near[0]!r}?" if near else ""


def seeded_rng(*words: int) -> np.random.Generator:
    """The generator for one place in the experiment, such as (seed, epoch, index).

    The same words give the same draws in any process; words must be non-negative (numpy `SeedSequence`).
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))


def override(name: str, value: str | Sequence[str]) -> str:
    """`name=value` as it is typed after a command: quoted for Hydra's grammar and for the shell where one needs it.

    A list is written with quotes around each of its words.
    """
    if not isinstance(value, str):
        return shlex.quote(f"{name}=[{','.join(map(_quoted, value))}]")
    other = re.fullmatch(
        r"(?i)null|true|false|nan|[+-]?(inf|[\d._]+(e[+-]?\d+)?)", value
    )  # no text, to Hydra
    if re.fullmatch(r"[A-Za-z0-9_./:@%+-]+", value) and not other:
        return f"{name}={value}"
    return shlex.quote(f"{name}={_quoted(value)}")


def _quoted(value: str) -> str:
    """A text in quotes, as Hydra's grammar reads it."""
    escaped = re.sub(r'(\\*)("|$)', lambda found: 2 * found[1] + (found[2] and "\\" + found[2]), value)
    return f'"{escaped}"'
