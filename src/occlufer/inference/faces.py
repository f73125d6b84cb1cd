"""Every face of any picture: its box, its mesh where Face Mesh finds one, and how it was found. No torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from occlufer.data.view import SquareView
from occlufer.landmarks.boxes import Box, FaceBoxes
from occlufer.landmarks.detector import DetectorSettings, LandmarkDetector
from occlufer.landmarks.model import model_file
from occlufer.landmarks.topology import mean_mesh
from occlufer.processes import core_count
from occlufer.types import FloatArray, UInt8Array

ItemT = TypeVar("ItemT")
FoundT = TypeVar("FoundT")

BY_MESH, BY_DETECTOR, BY_BOX, BY_SIZE = "face mesh", "face detector", "given box", "whole image"
_FACE_SIZED = 256  # pixels: a picture no larger, and about square, may be one face as a whole
_MOST_THREADS = 8  # a finder holds 20 MB
_SMALL = 200  # pixels: the detector alone sees little in such pictures, the cascade of landmarks does


@dataclass(frozen=True, slots=True)
class FoundFace:
    """A face of a picture.

    Attributes:
        box: around the mesh; around what the detector saw; or the whole picture.
        landmarks_N3: float32 (468, 3), pixels of the picture; None where there is no mesh: nothing can be placed on it.
        found_by: "face mesh", "face detector", "given box" or "whole image".
    """

    box: Box
    landmarks_N3: FloatArray | None
    found_by: str

    @property
    def framing_N3(self) -> FloatArray:
        """The mesh, or an average one laid into the box: what a crop goes by."""
        if self.landmarks_N3 is not None:
            return self.landmarks_N3
        mesh_N3 = mean_mesh()
        low, high = mesh_N3[:, :2].min(0), mesh_N3[:, :2].max(0)
        x0, y0, x1, y1 = self.box
        scale = max(x1 - x0, y1 - y0) / float((high - low).max())
        middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) - scale * (low + high) / 2
        return np.asarray(mesh_N3 * scale + [*middle, 0], np.float32)


class FramedLikeFER(SquareView):
    """The part of a picture that sets of cropped faces show, for networks that look at whole images.

    In 1,456 test images of FER2013 the image's side is 1.09 (median; mean 1.12) times the longer side of the mesh's
    box, and its centre lies .05 of that side above the box's centre.
    """

    def square(self, landmarks_N3: FloatArray, image_hw: tuple[int, int]) -> tuple[float, float, float]:
        """See `SquareView.square`."""
        low, high = landmarks_N3[:, :2].min(axis=0), landmarks_N3[:, :2].max(axis=0)
        length = float((high - low).max())
        centre, side = (low + high) / 2, 1.1 * length
        return float(centre[0]) - side / 2, float(centre[1]) - 0.05 * length - side / 2, side


class FaceFinder:
    """Finds all faces. It belongs to the process that made it.

    Args:
        settings: of the mesh; None: those of `conf/landmarks`, for faces of any size and place.
    """

    def __init__(self, settings: DetectorSettings | None = None) -> None:
        model = model_file(None if settings is None else settings.model)
        self._boxes = FaceBoxes(model)
        self._mesh = LandmarkDetector(settings=settings or DetectorSettings(min_face_share=0.2))

    def __call__(self, image_HWC: UInt8Array) -> list[FoundFace]:
        """The faces of a picture, uint8 RGB (H, W, 3), from left to right; empty where there is none."""
        height, width = image_HWC.shape[:2]
        if max(height, width) <= _SMALL:
            whole = self._whole(image_HWC)
            return [whole] if whole else []
        faces = [self._face(image_HWC, box) for box in self._boxes(image_HWC)]
        if not faces and (whole := self._whole(image_HWC)):
            faces = [whole]
        return sorted(faces, key=lambda face: face.box[0])

    def in_box(self, image_HWC: UInt8Array, box: Box) -> FoundFace:
        """The face in a box that the caller knows."""
        found = self._face(image_HWC, box)
        return found if found.landmarks_N3 is not None else FoundFace(box, None, BY_BOX)

    def _whole(self, image_HWC: UInt8Array) -> FoundFace | None:
        """The picture as one face, by its mesh or by its size."""
        height, width = image_HWC.shape[:2]
        mesh_N3 = self._mesh.detect(image_HWC).landmarks_N3
        if mesh_N3 is not None:
            return FoundFace(_box_of(mesh_N3), mesh_N3, BY_MESH)
        if max(height, width) > _FACE_SIZED or max(height, width) > 1.5 * min(height, width):
            return None
        return FoundFace((0.0, 0.0, float(width), float(height)), None, BY_SIZE)

    def _face(self, image_HWC: UInt8Array, box: Box) -> FoundFace:
        """The face in a box, by its mesh if one is found in and around it."""
        x0, y0, x1, y1 = box
        reach = max(x1 - x0, y1 - y0)
        left, top = (max(round((low + high) / 2 - reach), 0) for low, high in ((x0, x1), (y0, y1)))
        cut_HWC = image_HWC[top : top + round(2 * reach), left : left + round(2 * reach)]
        if min(cut_HWC.shape[:2]) >= 16:
            mesh_N3 = self._mesh.detect(np.ascontiguousarray(cut_HWC)).landmarks_N3
            if mesh_N3 is not None:
                mesh_N3 = (mesh_N3 + np.array([left, top, 0], np.float32)).astype(np.float32)
                x, y = mesh_N3[:, :2].mean(0)
                if x0 <= x <= x1 and y0 <= y <= y1:  # and not of a neighbour
                    return FoundFace(_box_of(mesh_N3), mesh_N3, BY_MESH)
        return FoundFace(box, None, BY_DETECTOR)


class FaceFinders:
    """A finder for each thread, and a thread for each core, 8 at most: MediaPipe lets other threads run while it works.

    A finder's answer depends on the picture alone, so it does not matter which one is asked.
    """

    def __init__(self) -> None:
        self._idle: list[FaceFinder] = []

    def each(self, look: Callable[[FaceFinder, ItemT], FoundT], items: Sequence[ItemT]) -> list[FoundT]:
        """`look(finder, item)` of each item, in their order; what it raises for the first is raised."""
        # The first finder of all is made in the thread that asks: only the main one may set signal handlers.
        count = min(core_count(), _MOST_THREADS, len(items))
        alone = len(items) if count == 1 else int(not self._idle)
        found = [self._one(look, item) for item in items[:alone]]
        if rest := items[alone:]:
            with ThreadPoolExecutor(count) as threads:
                found += threads.map(lambda item: self._one(look, item), rest)
        return found

    def _one(self, look: Callable[[FaceFinder, ItemT], FoundT], item: ItemT) -> FoundT:
        try:
            finder = self._idle.pop()
        except IndexError:
            finder = FaceFinder()
        try:
            return look(finder, item)
        finally:
            self._idle.append(finder)


def _box_of(mesh_N3: FloatArray) -> Box:
    low, high = mesh_N3[:, :2].min(0), mesh_N3[:, :2].max(0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
