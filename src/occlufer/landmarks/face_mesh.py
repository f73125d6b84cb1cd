"""MediaPipe's Face Mesh behind two calls. The only module that runs mediapipe, and only when it is used."""

from __future__ import annotations

import atexit
import contextlib
import signal
import weakref
import zipfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np

from occlufer.landmarks.model import DETECTOR_FILE
from occlufer.landmarks.no_display import stand_in
from occlufer.quiet import GREETINGS, quiet_native_code
from occlufer.types import LANDMARK_COUNT, FloatArray, LandmarkError, UInt8Array

MOST_FACES = 4
"""Faces of one image that are looked at: those with the highest scores."""


class _Graph(ABC):
    """A task of MediaPipe: still mode, made by the first image."""

    def __init__(self, model: Path, threshold: float) -> None:
        self._model, self._threshold = model, threshold
        self._graph: Any = None
        self._greeted = False

    def _look(self, image_HWC: UInt8Array) -> Any:
        # Both networks greet on standard error, at some time between their making and their first answer.
        with contextlib.nullcontext() if self._greeted else quiet_native_code(GREETINGS):
            if self._graph is None:
                vision, options = _api()
                self._graph = self._make(vision, options)
                _open_graphs.add(self._graph)
            return self._graph.detect(_mediapipe_image(image_HWC))

    @abstractmethod
    def _make(self, vision: Any, options: Any) -> Any: ...


class FaceMesh(_Graph):
    """Finds meshes of 468 points without irises.

    Args:
        model: a `.task` file, see `landmarks.model`.
        threshold: least score of the face detector and least face presence of the mesh, 0 < threshold <= 1.
    """

    def find(self, shown_HWC: UInt8Array) -> list[FloatArray]:
        """Up to `MOST_FACES` meshes in pixels of this image, float32 (468, 3), the surest face first."""
        faces = self._look(shown_HWC).face_landmarks
        self._greeted = self._greeted or bool(faces)
        height, width = shown_HWC.shape[:2]
        scale = (width, height, width)
        meshes = [
            np.array([(point.x, point.y, point.z) for point in face[:LANDMARK_COUNT]]) for face in faces
        ]
        return [np.asarray(points_N3 * scale, np.float32) for points_N3 in meshes]

    def _make(self, vision: Any, options: Any) -> Any:
        wanted = vision.FaceLandmarkerOptions(
            base_options=options(model_asset_path=str(self._model)),
            num_faces=MOST_FACES,
            min_face_detection_confidence=self._threshold,
            min_face_presence_confidence=self._threshold,
            min_tracking_confidence=self._threshold,
        )
        return vision.FaceLandmarker.create_from_options(wanted)


class FaceDetector(_Graph):
    """The face detector alone, the first of the two networks: boxes and scores. Arguments as for `FaceMesh`."""

    def boxes(self, image_HWC: UInt8Array) -> list[tuple[float, tuple[float, float, float, float]]]:
        """Score in 0..1 and (left, top, right, bottom) in pixels of each face."""
        found = [(face.categories[0].score, face.bounding_box) for face in self._look(image_HWC).detections]
        self._greeted = True
        return [(s, (b.origin_x, b.origin_y, b.origin_x + b.width, b.origin_y + b.height)) for s, b in found]

    def find(self, image_HWC: UInt8Array) -> list[tuple[float, float, float]]:
        """Score in 0..1 and centre (x, y) in pixels of each face."""
        return [(score, (x0 + x1) / 2, (y0 + y1) / 2) for score, (x0, y0, x1, y1) in self.boxes(image_HWC)]

    def _make(self, vision: Any, options: Any) -> Any:
        with zipfile.ZipFile(self._model) as task:
            network = task.read(DETECTOR_FILE)
        wanted = vision.FaceDetectorOptions(
            base_options=options(model_asset_buffer=network), min_detection_confidence=self._threshold
        )
        return vision.FaceDetector.create_from_options(wanted)


_open_graphs: weakref.WeakSet[Any] = weakref.WeakSet()


@atexit.register  # before mediapipe is imported, so that it runs after mediapipe has noticed that Python ends
def _close_graphs() -> None:
    """Close what is open when Python ends: the destructors of mediapipe 1.2 come too late and print tracebacks."""
    for graph in list(_open_graphs):
        with contextlib.suppress(Exception):
            graph.close()


def _api() -> tuple[Any, Any]:
    _ignore_profiler()
    try:
        stand_in()
        from mediapipe.tasks.python import BaseOptions, vision
    except (ImportError, OSError) as error:  # OSError: a library that it is made of
        raise LandmarkError(
            f"mediapipe cannot be loaded ({error}). Wanted: mediapipe 1.2 or later. Run `make setup`, or "
            "`python -m pip install 'mediapipe>=1.2'`."
        ) from error
    return vision, BaseOptions


def _ignore_profiler() -> None:
    """mediapipe 1.2 starts a profiler whose ticks (SIGPROF) it ignores behind Python's back.

    Whoever writes back the handlers that Python knows of, as Lightning does after a training, would have the next tick
    end the process: Python must know that they are ignored.
    """
    # AttributeError: no such signal on Windows. ValueError: only the main thread may set a handler.
    with contextlib.suppress(AttributeError, ValueError):
        if signal.getsignal(signal.SIGPROF) is signal.SIG_DFL:
            signal.signal(signal.SIGPROF, signal.SIG_IGN)


def _mediapipe_image(image_HWC: UInt8Array) -> Any:
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image_HWC)
