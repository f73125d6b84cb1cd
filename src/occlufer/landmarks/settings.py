"""The settings of the landmark detector: plain values that decide what it finds."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import Any

from occlufer.landmarks.model import model_identity
from occlufer.types import ConfigError, unknown_name

CODE_VERSION = 2
"""Part of the fingerprint: raise it whenever the detector would find other landmarks with the same settings."""

_PAD_COLOURS = ("mean", "black")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One attempt of the cascade: how the image is shown to Face Mesh, and how sure the answer must be.

    Attributes:
        name: a short name, recorded with every face that this stage found.
        threshold: least score of the face detector and least face presence of the mesh, 0 < threshold <= 1.
        pad: border on every side, as a share of the image's height and width.
        pad_colour: "mean" (of the image) or "black".
        enlarge_below: an image whose short side is below this many pixels is doubled, linearly; 0: never.
        confirm_within: the mirror image, shown in the same way, must give the same mesh within this mean distance of
            points, as a share of the face's size; 0: not asked. It costs a second look.
    """

    name: str
    threshold: float
    pad: float
    pad_colour: str
    enlarge_below: int = 0
    confirm_within: float = 0.0

    def __post_init__(self) -> None:
        for name in ("threshold", "pad", "confirm_within"):  # 0 and 0.0 must not have different fingerprints
            object.__setattr__(self, name, float(getattr(self, name)))
        if self.pad_colour not in _PAD_COLOURS:
            raise ConfigError(
                f"Stage {self.name}: {unknown_name('pad_colour', self.pad_colour, _PAD_COLOURS)}"
            )
        if not 0 < len(self.name.encode()) <= 21 or self.name.startswith("missed") or " +" in self.name:
            raise ConfigError(
                f"landmarks.stages: {self.name!r} is no name: 1 to 21 letters, not `missed`, no ` +`."
            )
        if not 0 < self.threshold <= 1:
            # A threshold of 0 makes Face Mesh draw a face into anything.
            raise ConfigError(f"Stage {self.name}: threshold is {self.threshold}; give a number in (0, 1].")
        if not 0 <= self.confirm_within < 1:
            raise ConfigError(
                f"Stage {self.name}: confirm_within is {self.confirm_within}; give a share below 1, or 0."
            )
        if not 0 <= self.pad <= 2:
            raise ConfigError(f"Stage {self.name}: pad is {self.pad}; give a share of the image, 0 to 2.")


DEFAULT_STAGES: tuple[Stage, ...] = (
    Stage(name="wide border", threshold=0.5, pad=0.40, pad_colour="mean", enlarge_below=96),
    Stage(name="black border", threshold=0.5, pad=0.25, pad_colour="black", confirm_within=0.1),
    Stage(
        name="wide border, unsure",
        threshold=0.1,
        pad=0.40,
        pad_colour="mean",
        enlarge_below=96,
        confirm_within=0.1,
    ),
    Stage(name="black border, unsure", threshold=0.1, pad=0.25, pad_colour="black", confirm_within=0.1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSettings:
    """All that decides what the detector finds. Plain values, picklable, usable without mediapipe.

    Attributes:
        stages: the cascade, in order; the first plausible answer is taken. Mappings with the fields of
            `Stage` are turned into stages.
        min_face_share: least width of the face oval, as a share of the image's short side.
        centre_range: where the centre of the face oval may lie, as shares of the image's width and height.
        min_side: an image with a shorter side is not searched: Face Mesh sees faces in a few noisy pixels.
        max_side: a larger image is shrunk to this side for the search; landmarks are pixels of the original.
        model: a MediaPipe face landmarker of one's own (`face_landmarker.task`); None: the one that is made once, see
            `landmarks.model`.
        refuse_turned: a face that looks turned by 90, 180 or 270 degrees is missed, as Face Mesh often draws an upright
            mesh onto it, see `landmarks.turned`.
        workers: processes of the pool; None: one a core. Not part of the fingerprint: it changes no landmark.
    """

    stages: tuple[Stage, ...] = DEFAULT_STAGES
    min_face_share: float = 0.4
    centre_range: tuple[float, float] = (0.2, 0.8)
    min_side: int = 16
    max_side: int = 1024
    model: str | None = None
    refuse_turned: bool = True
    workers: int | None = None

    def __post_init__(self) -> None:
        stages = tuple(_as_stage(stage) for stage in self.stages)
        object.__setattr__(self, "stages", stages)
        low, high = self.centre_range
        object.__setattr__(self, "centre_range", (float(low), float(high)))
        object.__setattr__(self, "min_face_share", float(self.min_face_share))
        names = [stage.name for stage in stages]
        if not stages or len(set(names)) < len(names):
            raise ConfigError(f"landmarks.stages needs stages with different names; found {names}.")
        if not 0 <= low < high <= 1:
            raise ConfigError(f"landmarks.centre_range is {low}, {high}; wanted low < high within 0 and 1.")
        if self.max_side < 192:
            raise ConfigError(f"landmarks.max_side is {self.max_side}; Face Mesh works at 192: give more.")
        if self.workers is not None and self.workers < 0:
            raise ConfigError(f"landmarks.workers is {self.workers}; give 0 or more, or null for all cores.")

    def fingerprint(self) -> str:
        """12 hex digits of all that changes a landmark: the model, the settings, the version of this file.

        Not mediapipe's version: the same model gives the same mesh, to .0004 of the face's width.
        Raises `LandmarkError` when `model` cannot be read.
        """
        return _digest_of(self._identity() | {"code": CODE_VERSION})

    def former_fingerprint(self) -> str:
        """The fingerprint of older caches, made when turned faces were not refused yet; see `landmarks.build`."""
        identity = self._identity() | {"code": 1}
        del identity["refuse_turned"]
        return _digest_of(identity)

    def _identity(self) -> dict[str, Any]:
        identity = dataclasses.asdict(self)
        del identity["workers"], identity["model"]
        for stage, letter in zip(identity["stages"], "ABDEFGHIJKLMN", strict=False):
            stage["name"] = letter  # a name changes no landmark; these are what caches were first made with
        return identity | {"mediapipe": model_identity(self.model)}


def _digest_of(identity: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=6).hexdigest()


def _as_stage(stage: Stage | Mapping[str, Any]) -> Stage:
    if isinstance(stage, Stage):
        return stage
    fields = dataclasses.fields(Stage)
    known = [field.name for field in fields]
    for name in stage:
        if name not in known:
            raise ConfigError(f"landmarks.stages: {unknown_name('field of a stage', name, known)}")
    missing = [field.name for field in fields if field.default is MISSING and field.name not in stage]
    if missing:
        raise ConfigError(f"landmarks.stages: the stage {dict(stage)} lacks {', '.join(missing)}.")
    return Stage(**dict(stage))
