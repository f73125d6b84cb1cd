"""MediaPipe's Face Mesh behind two calls. The only module that runs mediapipe, and only when it is used."""

from __future__ import annotations

import atexit
import contextlib
import signal
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from occlufer.quiet import GREETINGS, quiet_native_code
from occlufer.types import LANDMARK_COUNT, FloatArray, LandmarkError, UInt8Array


class FaceMesh:
    """One graph: still mode, one face, 468 points without irises. Made by the first `find`.

    Args:
        model: a `.task` file, see `landmarks.model`.
        threshold: least score of the face detector and least face presence of the mesh, 0 < threshold <= 1.
    """

    def __init__(self, model: Path, threshold: float) -> None:
        self._model, self._threshold = model, threshold
        self._graph: Any = None
        self._greeted = False

    def find(self, shown_HWC: UInt8Array) -> FloatArray | None:
        """The mesh in pixels of this image, float32 (468, 3), or None."""
        # Both networks greet on standard error, at some time between their making and their first answer.
        with contextlib.nullcontext() if self._greeted else quiet_native_code(GREETINGS):
            self._graph = self._graph or self._make()
            faces = self._graph.detect(_mediapipe_image(shown_HWC)).face_landmarks
        if not faces:
            return None
        self._greeted = True
        height, width = shown_HWC.shape[:2]
        points_N3 = np.array([(point.x, point.y, point.z) for point in faces[0][:LANDMARK_COUNT]], np.float64)
        assert points_N3.shape == (LANDMARK_COUNT, 3)
        return np.asarray(points_N3 * (width, height, width), np.float32)

    def _make(self) -> Any:
        vision, options = _api(self._model)
        graph = vision.FaceLandmarker.create_from_options(
            vision.FaceLandmarkerOptions(
                base_options=options,
                num_faces=1,
                min_face_detection_confidence=self._threshold,
                min_face_presence_confidence=self._threshold,
                min_tracking_confidence=self._threshold,
            )
        )
        _open_graphs.add(graph)
        return graph


_open_graphs: weakref.WeakSet[Any] = weakref.WeakSet()


@atexit.register  # before mediapipe is imported, so that it runs after mediapipe has noticed that Python ends
def _close_graphs() -> None:
    """Close what is open when Python ends: the destructors of mediapipe 1.2 come too late and print tracebacks."""
    for graph in list(_open_graphs):
        with contextlib.suppress(Exception):
            graph.close()


def _api(model: Path) -> tuple[Any, Any]:
    _ignore_profiler()
    try:
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError as error:
        raise LandmarkError(
            f"mediapipe cannot be loaded ({error}). Wanted: mediapipe 1.2 or later. Run `make setup`, or "
            "`python -m pip install 'mediapipe>=1.2'`."
        ) from error
    return vision, BaseOptions(model_asset_path=str(model))


def _ignore_profiler() -> None:
    """mediapipe 1.2 starts a profiler whose ticks (SIGPROF) it ignores behind Python's back.

    Whoever writes back the handlers that Python knows of, as Lightning does after a training, would have the next tick
    end the process: Python must know that they are ignored.
    """
    with contextlib.suppress(
        AttributeError, ValueError
    ):  # no such signal on Windows; only the main thread may set one
        if signal.getsignal(signal.SIGPROF) is signal.SIG_DFL:
            signal.signal(signal.SIGPROF, signal.SIG_IGN)


def _mediapipe_image(image_HWC: UInt8Array) -> Any:
    import mediapipe

    return mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image_HWC)
