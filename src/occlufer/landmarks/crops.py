"""Faces cut out of photographs, once: small, off-centre, one of several. They are kept beside the landmarks.

A folder of crops holds `DIGEST.jpg`, named after the content of its photograph, and `crops.jsonl`, a line for each
photograph that was looked at. A line that was torn by a kill costs its photograph another look.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from occlufer.files import atomic_path, locked
from occlufer.landmarks.boxes import FaceBoxes, prominence, square_around
from occlufer.landmarks.detector import Detection, DetectorSettings, LandmarkDetector
from occlufer.landmarks.model import model_file
from occlufer.landmarks.pool import ImageSource, Task, run
from occlufer.processes import core_count
from occlufer.types import ImageError, UInt8Array

MARGIN = 0.5  # of the detector's box, on each side: room for chin, brow and a turned head
MOST_SIDE = 512  # pixels: a larger crop is shrunk, more than any network here looks at
LEAST_SIDE = 16  # pixels of a crop: nothing smaller is read as an image
_VERSION = 2  # raise it whenever other crops would be cut
_CHUNK = 8
_LEAST_FILLED = 0.25  # of a crop's longer side: about half of what a face usually takes
_MOST_ASKED = 6  # faces of a photograph that are looked at, the most prominent ones


@dataclass(frozen=True, slots=True)
class Crop:
    """What was cut out of one photograph.

    Attributes:
        photo: its digest, 32 hex digits.
        box: left, top, right, bottom of the crop in pixels of the photograph; None where no face was found, or only
            faces too small for a crop of `LEAST_SIDE`.
        others: further faces in it, of those that were looked at.
    """

    photo: str
    box: tuple[int, int, int, int] | None
    others: int = 0


def crops_folder(cache: Path, settings: DetectorSettings) -> Path:
    """Where the crops made with these settings lie: another folder for whatever would cut others."""
    made_by = f"{_VERSION} {MARGIN} {MOST_SIDE} {settings.fingerprint()}"
    return cache / "crops" / hashlib.blake2b(made_by.encode(), digest_size=6).hexdigest()


def crop_path(folder: Path, photo: str) -> Path:
    """The file of a photograph's crop."""
    return folder / f"{photo}.jpg"


@dataclass(frozen=True, slots=True)
class _Cutting:
    """What a worker needs to know."""

    source: ImageSource
    settings: DetectorSettings
    folder: Path

    def start(self) -> tuple[FaceBoxes, LandmarkDetector]:
        once = dataclasses.replace(self.settings, stages=self.settings.stages[:1], refuse_turned=False)
        return FaceBoxes(model_file(self.settings.model)), LandmarkDetector(settings=once)

    def look(self, task: Task, tools: tuple[FaceBoxes, LandmarkDetector]) -> Crop:
        (index, digest), (boxes, detector) = task, tools
        try:
            image_HWC = self.source.load_image(index)
        except ImageError:  # the search for landmarks will say so
            return Crop(digest.hex(), None)
        found = sorted(boxes(image_HWC), key=lambda box: prominence(box, image_HWC.shape), reverse=True)
        squares = [square_around(box, MARGIN, image_HWC.shape) for box in found[:_MOST_ASKED]]
        squares = [square for square in squares if _least_side(square) >= LEAST_SIDE]
        cuts = [_cut(image_HWC, square) for square in squares]
        if not cuts:
            return Crop(digest.hex(), None)
        # The detector also sees faces in clouds and curtains, large ones: a mesh must bear it out, and not be that of a
        # small face at the edge of the cloud.
        faces = [n for n, cut_HWC in enumerate(cuts) if _fills(detector.detect(cut_HWC), cut_HWC)] or [0]
        quality = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
        _, content = cv2.imencode(".jpg", np.ascontiguousarray(cuts[faces[0]][:, :, ::-1]), quality)
        with atomic_path(crop_path(self.folder, digest.hex())) as temporary:
            temporary.write_bytes(content.tobytes())
        return Crop(digest.hex(), squares[faces[0]], len(faces) - 1)

    def crashed(self, task: Task) -> Crop:
        return Crop(task[1].hex(), None)


def _least_side(square: tuple[int, int, int, int]) -> int:
    left, top, right, bottom = square
    return min(right - left, bottom - top)


def _fills(found: Detection, cut_HWC: UInt8Array) -> bool:
    """Whether a face was found, of the size that the crop was made for."""
    if found.landmarks_N3 is None:
        return False
    side = float(np.ptp(found.landmarks_N3[:, :2], axis=0).max())
    return bool(side >= _LEAST_FILLED * max(cut_HWC.shape[:2]))


def _cut(image_HWC: UInt8Array, square: tuple[int, int, int, int]) -> UInt8Array:
    left, top, right, bottom = square
    cut_HWC = image_HWC[top:bottom, left:right]
    shrink = MOST_SIDE / max(cut_HWC.shape[:2])
    if shrink >= 1:
        return np.ascontiguousarray(cut_HWC)
    size = (max(round(cut_HWC.shape[1] * shrink), 1), max(round(cut_HWC.shape[0] * shrink), 1))
    return np.asarray(cv2.resize(cut_HWC, size, interpolation=cv2.INTER_AREA), np.uint8)


def cut_faces(
    source: ImageSource,
    folder: Path,
    *,
    settings: DetectorSettings,
    on_progress: Callable[[int, int], None],
    on_message: Callable[[str], None],
) -> dict[str, Crop]:
    """Cut the largest central face out of every photograph that has not been looked at.

    Two processes that call this together do the work once. Raises what `occlufer.landmarks.build.build_landmarks` does.

    Args:
        source: the photographs; those that cannot be read are passed over.
        folder: see `crops_folder`.
        settings: the model, how a face must lie in its crop to be one, and how many processes look.
        on_progress: called with (photographs looked at, photographs to look at).
        on_message: called with sentences for the user.

    Returns:
        Digest of a photograph, in hex -> its crop, for all of `source` that can be read.
    """
    tasks: dict[str, Task] = {}
    for index in range(len(source)):
        with contextlib.suppress(ImageError):
            digest = source.content_digest(index)
            tasks.setdefault(digest.hex(), (index, digest))
    known = _known(folder)
    if set(tasks) - set(known):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock", on_wait=on_message):
            known = _known(folder)
            missing = [task for photo, task in tasks.items() if photo not in known]
            chunks = [missing[start : start + _CHUNK] for start in range(0, len(missing), _CHUNK)]
            used = min(core_count() if settings.workers is None else settings.workers, len(chunks))
            model_file(settings.model, on_message=on_message)  # once, not in each worker
            job, done = _Cutting(source, settings, folder), 0
            with contextlib.closing(run(job, chunks, used)) as results:
                for crops in results:
                    _append(folder, crops)
                    done += len(crops)
                    on_progress(done, len(missing))
        known = _known(folder)
    return {photo: known[photo] for photo in tasks if photo in known}


def _append(folder: Path, crops: Iterable[Crop]) -> None:
    with (folder / "crops.jsonl").open("a", encoding="utf-8") as handle:
        handle.write(
            "\n" + "\n".join(json.dumps(dataclasses.asdict(crop)) for crop in crops)
        )  # after a torn line, a new one


def _known(folder: Path) -> dict[str, Crop]:
    """What was cut and is still there."""
    lines = folder / "crops.jsonl"
    found: dict[str, Crop] = {}
    for line in lines.read_text(encoding="utf-8").splitlines() if lines.is_file() else ():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            box = None if entry["box"] is None else (*map(int, entry["box"]),)
            found[entry["photo"]] = Crop(entry["photo"], box, int(entry["others"]))  # type: ignore[arg-type]
    there = {path.stem for path in folder.glob("*.jpg")}
    return {photo: crop for photo, crop in found.items() if crop.box is None or photo in there}
