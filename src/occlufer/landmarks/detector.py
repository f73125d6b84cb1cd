"""Finds the 468-point face mesh in one image, by a cascade of attempts."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from occlufer.landmarks.boxes import Box, prominence
from occlufer.landmarks.face_mesh import FaceMesh
from occlufer.landmarks.model import model_file
from occlufer.landmarks.settings import DEFAULT_STAGES as DEFAULT_STAGES
from occlufer.landmarks.settings import DetectorSettings as DetectorSettings
from occlufer.landmarks.settings import Stage as Stage
from occlufer.landmarks.topology import FACE_OVAL, mirrored
from occlufer.landmarks.turned import DOUBTED, SURER, Turns, leans, one_face
from occlufer.quiet import GREETINGS, quiet_native_code
from occlufer.types import FloatArray, LandmarkError, UInt8Array

MISSED_TOO_SMALL = "missed: too small"
MISSED_DOUBTFUL = "missed: doubtful"
MISSED_NO_FACE = "missed: no face"
MISSED_IMPLAUSIBLE = "missed: implausible"
MISSED_UNREADABLE = "missed: unreadable"
MISSED_CRASHED = "missed: search crashed"
MISSED_TURNED = "missed: looks turned"


@dataclass(frozen=True, slots=True)
class Detection:
    """What the detector says of one image.

    Attributes:
        landmarks_N3: float32 (468, 3) in pixels of the image (see `LANDMARK_COUNT`), or None.
        stage: name of the stage that found the face, or why it was missed ("missed: ...").
        others: further faces that this stage saw in the image; the largest central one was taken.
    """

    landmarks_N3: FloatArray | None
    stage: str
    others: int = 0


class LandmarkDetector:
    """Runs the cascade. Still mode: an answer depends on the image alone, not on what was seen before.

    Graphs are made on first use, one a threshold, and belong to the process that made them: after a fork they
    hang, so that is refused with a `LandmarkError`. Pickling carries the settings only.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        self._settings = settings
        self._model = model_file(settings.model)
        self._meshes: dict[float, FaceMesh] = {}
        self._turns = Turns(self._model)
        self._process = os.getpid()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return LandmarkDetector, (self._settings,)

    def detect(self, image_HWC: UInt8Array) -> Detection:
        """The face in an image, uint8 RGB (H, W, 3); raises `LandmarkError` for another array."""
        with self._at_work(image_HWC):
            return self._unless_turned(image_HWC, self._run_cascade(image_HWC))

    def check(self, image_HWC: UInt8Array, found: Detection) -> Detection:
        """What was `found` in an image before turned faces were refused, or that the face looks turned.

        A third of the cost of `detect`. Raises as `detect` does.
        """
        with self._at_work(image_HWC):
            return self._unless_turned(image_HWC, found)

    @contextlib.contextmanager
    def _at_work(self, image_HWC: UInt8Array) -> Iterator[None]:
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
        # Some warnings of mediapipe come at any image. In the main thread only: others would wait for one another.
        here = threading.current_thread() is threading.main_thread()
        with self._lock, quiet_native_code(GREETINGS) if here else contextlib.nullcontext():
            yield

    def _unless_turned(self, image_HWC: UInt8Array, found: Detection) -> Detection:
        if not self._settings.refuse_turned or found.stage == MISSED_TOO_SMALL:
            return found
        if found.landmarks_N3 is not None and leans(found.landmarks_N3):
            return Detection(None, MISSED_TURNED)
        first = self._settings.stages[0]
        doubted = found.landmarks_N3 is not None and found.stage != first.name
        for turn in self._turns.surer(image_HWC, by=DOUBTED if doubted else SURER):
            turned_HWC = np.ascontiguousarray(np.rot90(image_HWC, turn))
            turned_hw = turned_HWC.shape[:2]
            meshes = self._try(first, _shrink(turned_HWC, self._settings.max_side), turned_hw)
            if not meshes or not _plausible(meshes[0], turned_hw, self._settings):
                continue
            known_N3 = found.landmarks_N3
            agree = known_N3 is not None and one_face(known_N3, image_HWC.shape[:2], meshes[0], turn)
            return found if agree else Detection(None, MISSED_TURNED)
        return found

    def _run_cascade(self, image_HWC: UInt8Array) -> Detection:
        image_hw = image_HWC.shape[:2]
        if min(image_hw) < self._settings.min_side:
            return Detection(None, MISSED_TOO_SMALL)
        small_HWC = _shrink(image_HWC, self._settings.max_side)
        reason = MISSED_NO_FACE
        for stage in self._settings.stages:
            meshes = self._try(stage, small_HWC, image_hw)
            if not meshes:
                continue
            landmarks_N3 = meshes[0]
            if not _plausible(landmarks_N3, image_hw, self._settings):
                reason = MISSED_IMPLAUSIBLE
            elif stage.confirm_within and not self._confirmed(stage, small_HWC, landmarks_N3, image_hw):
                reason = MISSED_DOUBTFUL
            else:
                return Detection(landmarks_N3, stage.name, len(meshes) - 1)
        return Detection(None, reason)

    def _try(self, stage: Stage, small_HWC: UInt8Array, image_hw: Sequence[int]) -> list[FloatArray]:
        """All meshes in pixels of the original, the largest central one first."""
        if stage.threshold not in self._meshes:
            self._meshes[stage.threshold] = FaceMesh(self._model, stage.threshold)
        shown_HWC, offset, shown_hw = _show(small_HWC, stage)
        found = self._meshes[stage.threshold].find(shown_HWC)
        meshes = [_to_original(found_N3, offset, shown_hw, image_hw) for found_N3 in found]
        return sorted(meshes, key=lambda mesh_N3: prominence(_oval_box(mesh_N3), image_hw), reverse=True)

    def _confirmed(
        self, stage: Stage, small_HWC: UInt8Array, landmarks_N3: FloatArray, image_hw: Sequence[int]
    ) -> bool:
        """Whether the mirror image gives the same mesh: one drawn into hair or an ear seldom turns up twice."""
        others = self._try(stage, np.ascontiguousarray(small_HWC[:, ::-1]), image_hw)
        if not others:
            return False
        face_size = np.ptp(landmarks_N3[list(FACE_OVAL), :2], axis=0).max()
        apart_N3 = mirrored(others[0], image_hw[1]) - landmarks_N3
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


def _oval_box(landmarks_N3: FloatArray) -> Box:
    """Around the face's oval."""
    oval_K2 = landmarks_N3[list(FACE_OVAL), :2]
    return (*map(float, oval_K2.min(axis=0)), *map(float, oval_K2.max(axis=0)))  # type: ignore[return-value]


def _plausible(landmarks_N3: FloatArray, image_hw: Sequence[int], settings: DetectorSettings) -> bool:
    if not np.isfinite(landmarks_N3).all():
        return False
    oval_K2 = landmarks_N3[list(FACE_OVAL), :2]
    low_2, high_2 = oval_K2.min(axis=0), oval_K2.max(axis=0)
    centre_2 = (low_2 + high_2) / 2 / (image_hw[1], image_hw[0])
    low, high = settings.centre_range
    wide = (high_2 - low_2)[0] >= settings.min_face_share * min(image_hw[0], image_hw[1])
    return bool(wide and (centre_2 >= low).all() and (centre_2 <= high).all())
