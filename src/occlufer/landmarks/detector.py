"""Finds the 468-point face mesh in one image, by a cascade of looks at it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Any

import cv2
import numpy as np

from occlufer.landmarks.face_mesh import FaceMesh
from occlufer.landmarks.model import model_file, model_identity
from occlufer.landmarks.topology import FACE_OVAL, mirrored
from occlufer.types import ConfigError, FloatArray, LandmarkError, UInt8Array, unknown_name

CODE_VERSION = 1
"""Part of the fingerprint: raise it whenever this file would find other landmarks with the same settings."""

MISSED_TOO_SMALL = "missed: too small"
MISSED_DOUBTFUL = "missed: doubtful"
MISSED_NO_FACE = "missed: no face"
MISSED_IMPLAUSIBLE = "missed: implausible"
MISSED_UNREADABLE = "missed: unreadable"

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
        if not 0 < len(self.name.encode()) <= 24 or self.name.startswith("missed"):
            raise ConfigError(f"landmarks.stages: {self.name!r} is no name: 1 to 24 letters, not `missed`.")
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
        workers: processes of the pool; None: one a core. Not part of the fingerprint: it changes no landmark.
    """

    stages: tuple[Stage, ...] = DEFAULT_STAGES
    min_face_share: float = 0.4
    centre_range: tuple[float, float] = (0.2, 0.8)
    min_side: int = 16
    max_side: int = 1024
    model: str | None = None
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
        identity = dataclasses.asdict(self)
        del identity["workers"], identity["model"]
        for stage, letter in zip(identity["stages"], "ABDEFGHIJKLMN", strict=False):
            stage["name"] = letter  # a name changes no landmark; these are what caches were first made with
        identity |= {"mediapipe": model_identity(self.model), "code": CODE_VERSION}
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


@dataclass(frozen=True, slots=True)
class Detection:
    """What the detector says of one image.

    Attributes:
        landmarks_N3: float32 (468, 3) in pixels of the image (see `LANDMARK_COUNT`), or None.
        stage: name of the stage that found the face, or why it was missed ("missed: ...").
    """

    landmarks_N3: FloatArray | None
    stage: str


class LandmarkDetector:
    """Runs the cascade. Still mode: an answer depends on the image alone, not on what was seen before.

    Graphs are made on first use, one a threshold, and belong to the process that made them: after a fork they
    hang, so that is refused with a `LandmarkError`. Pickling carries the settings only.
    """

    def __init__(self, *, settings: DetectorSettings) -> None:
        self._settings = settings
        self._model = model_file(settings.model)
        self._meshes: dict[float, FaceMesh] = {}
        self._process = os.getpid()
        self._lock = threading.Lock()

    @classmethod
    def from_settings(cls, settings: DetectorSettings) -> LandmarkDetector:
        """The same as the constructor, for places that hand over one thing."""
        return cls(settings=settings)

    def __reduce__(self) -> tuple[Any, ...]:
        return LandmarkDetector.from_settings, (self._settings,)

    def detect(self, image_HWC: UInt8Array) -> Detection:
        """The face in an image, uint8 RGB (H, W, 3); raises `LandmarkError` for another array."""
        if image_HWC.dtype != np.uint8 or image_HWC.shape[2:] != (3,) or not image_HWC.size:
            raise LandmarkError(
                f"Wanted an image of uint8 (height, width, 3), found {image_HWC.dtype} {image_HWC.shape}. "
                "Convert it to 8-bit RGB first."
            )
        if os.getpid() != self._process:
            raise LandmarkError(
                "This LandmarkDetector was made in another process, and mediapipe hangs after a fork. Find "
                "landmarks before the workers start (`occlufer prepare`), or make the detector in the worker."
            )
        with self._lock:
            return self._run_cascade(image_HWC)

    def _run_cascade(self, image_HWC: UInt8Array) -> Detection:
        image_hw = image_HWC.shape[:2]
        if min(image_hw) < self._settings.min_side:
            return Detection(None, MISSED_TOO_SMALL)
        small_HWC = _shrink(image_HWC, self._settings.max_side)
        reason = MISSED_NO_FACE
        for stage in self._settings.stages:
            landmarks_N3 = self._try(stage, small_HWC, image_hw)
            if landmarks_N3 is None:
                continue
            if not _plausible(landmarks_N3, image_hw, self._settings):
                reason = MISSED_IMPLAUSIBLE
            elif stage.confirm_within and not self._confirmed(stage, small_HWC, landmarks_N3, image_hw):
                reason = MISSED_DOUBTFUL
            else:
                return Detection(landmarks_N3, stage.name)
        return Detection(None, reason)

    def _try(self, stage: Stage, small_HWC: UInt8Array, image_hw: Sequence[int]) -> FloatArray | None:
        if stage.threshold not in self._meshes:
            self._meshes[stage.threshold] = FaceMesh(self._model, stage.threshold)
        shown_HWC, offset, shown_hw = _show(small_HWC, stage)
        found_N3 = self._meshes[stage.threshold].find(shown_HWC)
        return None if found_N3 is None else _to_original(found_N3, offset, shown_hw, image_hw)

    def _confirmed(
        self, stage: Stage, small_HWC: UInt8Array, landmarks_N3: FloatArray, image_hw: Sequence[int]
    ) -> bool:
        """Whether the mirror image gives the same mesh: one drawn into hair or an ear seldom turns up twice."""
        other_N3 = self._try(stage, np.ascontiguousarray(small_HWC[:, ::-1]), image_hw)
        if other_N3 is None:
            return False
        face_size = np.ptp(landmarks_N3[list(FACE_OVAL), :2], axis=0).max()
        apart_N3 = mirrored(other_N3, image_hw[1]) - landmarks_N3
        distance = np.linalg.norm(apart_N3[:, :2], axis=1).mean()
        return bool(distance <= stage.confirm_within * face_size)


def _shrink(image_HWC: UInt8Array, max_side: int) -> UInt8Array:
    height, width = image_HWC.shape[:2]
    factor = max_side / max(height, width)
    if factor >= 1:
        return image_HWC
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(image_HWC, size, interpolation=cv2.INTER_AREA), np.uint8)


def _show(image_HWC: UInt8Array, stage: Stage) -> tuple[UInt8Array, tuple[int, int], tuple[int, int]]:
    """The image as Face Mesh sees it, (top, left) of the picture in it, and the picture's (height, width)."""
    height, width = image_HWC.shape[:2]
    if min(height, width) < stage.enlarge_below:
        height, width = 2 * height, 2 * width
        doubled = cv2.resize(image_HWC, (width, height), interpolation=cv2.INTER_LINEAR)
        image_HWC = np.asarray(doubled, np.uint8)
    top, left = round(stage.pad * height), round(stage.pad * width)
    colour = image_HWC.mean(axis=(0, 1)).round().tolist() if stage.pad_colour == "mean" else [0, 0, 0]
    shown = cv2.copyMakeBorder(image_HWC, top, top, left, left, cv2.BORDER_CONSTANT, value=colour)
    return np.ascontiguousarray(shown, np.uint8), (top, left), (height, width)


def _to_original(
    found_N3: FloatArray, offset: tuple[int, int], shown_hw: tuple[int, int], image_hw: Sequence[int]
) -> FloatArray:
    """From pixels of the shown image to pixels of the original; z has the scale of x."""
    (top, left), (shown_height, shown_width) = offset, shown_hw
    scale_x, scale_y = image_hw[1] / shown_width, image_hw[0] / shown_height
    moved_N3 = (found_N3.astype(np.float64) - (left, top, 0)) * (scale_x, scale_y, scale_x)
    return np.asarray(moved_N3, np.float32)


def _plausible(landmarks_N3: FloatArray, image_hw: Sequence[int], settings: DetectorSettings) -> bool:
    if not np.isfinite(landmarks_N3).all():
        return False
    oval_K2 = landmarks_N3[list(FACE_OVAL), :2]
    low_2, high_2 = oval_K2.min(axis=0), oval_K2.max(axis=0)
    centre_2 = (low_2 + high_2) / 2 / (image_hw[1], image_hw[0])
    low, high = settings.centre_range
    wide = (high_2 - low_2)[0] >= settings.min_face_share * min(image_hw[0], image_hw[1])
    return bool(wide and (centre_2 >= low).all() and (centre_2 <= high).all())
