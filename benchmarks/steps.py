"""What `hot_path.py` measures: CPU time of each step of the hot path, and of other ways to the same pictures."""

from __future__ import annotations

import io
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from PIL import Image

from occlufer.data.image_format import ImageFormat
from occlufer.data.transforms import Augmentation
from occlufer.data.view import FaceCrop, resized
from occlufer.datasets.images import EXTENSIONS, decode_image, read_image
from occlufer.datasets.synthetic import SyntheticFaces
from occlufer.landmarks.detector import DetectorSettings, LandmarkDetector
from occlufer.occlusion.base import Occluder
from occlufer.types import ConfigError, DatasetError, FloatArray, ImageError, UInt8Array, seeded_rng

ItemT = TypeVar("ItemT")
Row = dict[str, str | int | float]
"""One line of a table."""

_QUALITY = 95  # of stored JPEG files
_DRAWN_SIDE = 256  # pixels


@dataclass(frozen=True, slots=True)
class Face:
    """An image with its landmarks, as they come from a landmark cache.

    Attributes:
        image_HWC: uint8 RGB.
        landmarks_N3: float32 (468, 3), pixels.
        content: the image as a JPEG file.
    """

    image_HWC: UInt8Array
    landmarks_N3: FloatArray
    content: bytes


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The steps of the hot path around the occluder; see `data.faces`."""

    view: FaceCrop
    augmentation: Augmentation


def cpu_times(
    step: Callable[[ItemT], object], items: Sequence[ItemT], *, repeats: int
) -> tuple[float, float]:
    """Milliseconds of this process's CPU time that `step` takes an item: median and lower quartile over rounds.

    A round takes all items in turn; the first is thrown away.
    """
    means = []
    for _ in range(repeats + 1):
        start = time.process_time_ns()
        for item in items:
            step(item)
        means.append((time.process_time_ns() - start) / len(items) / 1e6)
    return float(np.median(means[1:])), float(np.quantile(means[1:], 0.25))


def drawn_faces(count: int, cache: Path) -> list[tuple[UInt8Array, FloatArray]]:
    """Drawn faces and where the renderer put their landmarks."""
    faces = SyntheticFaces(
        cache=str(cache), size=max(count, 21), image_size=_DRAWN_SIDE, workers=1, on_progress=lambda *_: None
    )
    return [(faces.load_image(index), faces.true_landmarks(index)) for index in range(count)]


def found_faces(folder: Path, count: int, settings: DetectorSettings) -> list[tuple[UInt8Array, FloatArray]]:
    """The first `count` images below a folder in which a face is found.

    Raises:
        ConfigError: no such folder.
        DatasetError: no image in it, or none with a face.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"--faces must be a folder of images or 'synthetic'; {folder} is no folder. Give one that exists."
        )
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
    if not paths:
        raise DatasetError(
            f"{folder} holds no image; wanted files that end in {', '.join(sorted(EXTENSIONS))}."
        )
    detector, found = LandmarkDetector(settings=settings), []
    # A folder of landscapes should not be searched to its end.
    for path in paths[: 10 * count]:
        try:
            image_HWC = read_image(path)
        except ImageError:
            continue
        landmarks_N3 = detector.detect(image_HWC).landmarks_N3
        if landmarks_N3 is not None:
            found.append((image_HWC, landmarks_N3))
        if len(found) == count:
            break
    if not found:
        raise DatasetError(
            f"No face was found in the first {min(len(paths), 10 * count)} images below {folder}. Give a folder of "
            "uncovered faces, at least 48 pixels wide, or leave --faces out to use drawn ones."
        )
    return found


def scaled_faces(faces: Sequence[tuple[UInt8Array, FloatArray]], view: FaceCrop, side: int) -> Iterator[Face]:
    """The faces, each scaled until its crop is `side` pixels wide, and stored as JPEG."""
    for image_HWC, landmarks_N3 in faces:
        scale = side / view.square(landmarks_N3, (image_HWC.shape[0], image_HWC.shape[1]))[2]
        hw = max(round(image_HWC.shape[0] * scale), 16), max(round(image_HWC.shape[1] * scale), 16)
        small_HWC = resized(image_HWC, hw, cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        stretch = np.array([hw[1] / image_HWC.shape[1], hw[0] / image_HWC.shape[0], scale], np.float32)
        yield Face(small_HWC, landmarks_N3 * stretch, _encoded(small_HWC))


def step_rows(faces: Sequence[Face], pipeline: Pipeline, side: int, *, repeats: int) -> list[Row]:
    """CPU time of every step but the occluder."""
    hw = (side, side)
    crops = [_crop(face, pipeline, side)[0] for face in faces]
    halves = [resized(crop, (side // 2, side // 2), cv2.INTER_AREA) for crop in crops]
    form = ImageFormat.create(size=side, channels=3, mean=0.5, std=0.25)
    seeds = iter(range(10**9))
    steps: dict[str, tuple[Callable[[Any], object], Sequence[Any]]] = {
        "decode": (lambda face: decode_image(face.content, where="a stored face"), faces),
        "view": (lambda face: pipeline.view(face.image_HWC, face.landmarks_N3, hw=hw), faces),
        "resize from half": (lambda half: resized(half, hw, cv2.INTER_LINEAR), halves),
        "augment": (lambda crop: pipeline.augmentation(crop, seed=next(seeds)), crops),
        "normalise": (form.to_array, crops),
    }
    return [
        {"side": side, "step": name, **_figures(step, items, repeats)}
        for name, (step, items) in steps.items()
    ]


def overlay_rows(
    faces: Sequence[Face],
    pipeline: Pipeline,
    side: int,
    occluders: Mapping[str, Occluder[Any]],
    *,
    repeats: int,
) -> list[Row]:
    """CPU time of the two steps of each occluder."""
    rows: list[Row] = []
    crops = [_crop(face, pipeline, side) for face in faces]
    for name, occluder in occluders.items():

        def sample(item: tuple[int, Any], occluder: Occluder[Any] = occluder) -> Any:
            number, (image_HWC, landmarks_N3) = item
            return occluder.sample(seeded_rng(number), landmarks_N3, image_HWC.shape[:2])

        def apply(item: tuple[UInt8Array, FloatArray, Any], occluder: Occluder[Any] = occluder) -> Any:
            return occluder.apply(*item)

        items = list(enumerate(crops))
        drawn = [(*crop, sample(item)) for item, crop in zip(items, crops, strict=True)]
        rows.append({"side": side, "step": f"{name}: sample", **_figures(sample, items, repeats)})
        rows.append({"side": side, "step": f"{name}: apply", **_figures(apply, drawn, repeats)})
    return rows


def share_rows(rows: Sequence[Row]) -> list[Row]:
    """What the overlay, both steps, adds to decoding and augmenting: shares, by size and occluder."""
    took = {(row["side"], row["step"]): float(row["ms"]) for row in rows}
    shares: list[Row] = []
    for side, step in took:
        name, _, part = str(step).partition(": ")
        if part == "apply":
            overlay = took[side, step] + took[side, f"{name}: sample"]
            base = took[side, "decode"] + took[side, "augment"]
            shares.append(
                {
                    "side": side,
                    "occluder": name,
                    "overlay ms": round(overlay, 4),
                    "adds": round(overlay / base, 3),
                }
            )
    return shares


def route_rows(
    faces: Sequence[Face],
    pipeline: Pipeline,
    side: int,
    occluder: Occluder[Any],
    settings: DetectorSettings,
    folder: Path,
    *,
    repeats: int,
) -> list[Row]:
    """CPU time from a stored image to an occluded crop, on three ways.

    Args:
        faces, pipeline, side, occluder: as above.
        settings: of the detector that looks for a face in every image.
        folder: where occluded copies are written.
        repeats: rounds over the faces; the detector gets a fifth of them.
    """
    detector = LandmarkDetector(settings=settings)

    def covered(image_HWC: UInt8Array, landmarks_N3: FloatArray) -> UInt8Array:
        crop_HWC, moved_N3 = pipeline.view(image_HWC, landmarks_N3, hw=(side, side))
        return occluder(seeded_rng(0), crop_HWC, moved_N3)[0]

    def precomputed(face: Face) -> UInt8Array:
        return covered(decode_image(face.content, where="a stored face"), face.landmarks_N3)

    def detecting(face: Face) -> None:
        image_HWC = decode_image(face.content, where="a stored face")
        landmarks_N3 = detector.detect(image_HWC).landmarks_N3
        if landmarks_N3 is not None:
            covered(image_HWC, landmarks_N3)

    def write(item: tuple[Path, Face]) -> None:
        item[0].write_bytes(_encoded(precomputed(item[1])))

    copies = [(folder / f"{number}.jpg", face) for number, face in enumerate(faces)]
    few = max(repeats // 5, 1)
    rows: list[Row] = [
        {"side": side, "route": "landmarks from the cache", **_figures(precomputed, faces, repeats)},
        {"side": side, "route": "a detector for every image", **_figures(detecting, faces, few)},
        {"side": side, "route": "writing covered copies", **_figures(write, copies, repeats)},
        {
            "side": side,
            "route": "reading covered copies",
            **_figures(lambda item: read_image(item[0]), copies, repeats),
        },
    ]
    first = float(rows[0]["ms"])
    return [row | {"times the first": round(float(row["ms"]) / first, 2)} for row in rows]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def _processor() -> str:
    """The processor's name; `platform` does not know it on Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _figures(step: Callable[[ItemT], object], items: Sequence[ItemT], repeats: int) -> Row:
    median, quartile = cpu_times(step, items, repeats=repeats)
    return {"ms": round(median, 4), "lower quartile": round(quartile, 4)}


def _crop(face: Face, pipeline: Pipeline, side: int) -> tuple[UInt8Array, FloatArray]:
    return pipeline.view(face.image_HWC, face.landmarks_N3, hw=(side, side))


def _encoded(image_HWC: UInt8Array) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image_HWC).save(buffer, format="JPEG", quality=_QUALITY)
    return buffer.getvalue()
