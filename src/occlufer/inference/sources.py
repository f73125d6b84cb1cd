"""Pictures and video frames, one at a time, from paths as people give them."""

from __future__ import annotations

import glob
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from occlufer.datasets.images import EXTENSIONS, read_image
from occlufer.quiet import ANYTHING, quiet_native_code
from occlufer.types import ConfigError, ImageError, UInt8Array

MAX_PIXELS = 170_000_000
"""Width times height from which a picture is refused: phones make 108 million, and Pillow decodes 178 million."""

VIDEO_EXTENSIONS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"})


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture to be read.

    Attributes:
        source: the file, or the camera's number.
        image_HWC: uint8 RGB (H, W, 3), or None where it could not be read.
        frame: number of a video's frame, from 0; None for images.
        seconds: since the video's start; None for images.
        frames: how many the video says that it has; 0 where it says nothing, or it is an image.
        note: why there is no picture.
    """

    source: str
    image_HWC: UInt8Array | None
    frame: int | None = None
    seconds: float | None = None
    note: str = ""
    frames: int = 0


def listed(paths: Sequence[str]) -> dict[str, str]:
    """The files behind paths, folders (everything below them) and globs, in order; a camera's number stays one.

    Returns:
        File -> "", or why there is none: a path that is not there and a folder without files stand for themselves.

    Raises:
        ConfigError: no path leads to a file.
    """
    found: dict[str, str] = {}
    for given in paths:
        path = Path(given).expanduser()
        if path.is_dir():
            inside = [str(file) for file in sorted(path.rglob("*")) if file.is_file() or _dangles(file)]
            found |= dict.fromkeys(inside, "") or {given: "no file lies in this folder."}
        elif path.is_file():
            found[str(path)] = ""
        elif given.isdigit():
            found[given] = ""
        else:
            matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207  # the pattern may be absolute
            files = [match for match in matches if Path(match).is_file()]
            found |= dict.fromkeys(files, "") or {given: "there is no file, folder or match of this name."}
    if all(found.values()):
        raise ConfigError(
            " ".join(f"{given}: {note}" for given, note in found.items())
            + " Give images, folders, videos or globs."
        )
    return found


def _dangles(path: Path) -> bool:
    """Whether it is a link to what is not there: it gets a row, too."""
    return path.is_symlink() and not path.exists()


def shots(source: str, *, every: float = 0.0) -> Iterator[Shot]:
    """The pictures of one file or camera: one of an image, many of a video; what cannot be read is a shot with a note.

    Args:
        source: a path, or a camera's number.
        every: seconds between the frames of a video that are read; 0: all of them.
    """
    if source.isdigit() and not Path(source).is_file():
        yield from _video(source, int(source), every)
    elif Path(source).suffix.lower() in VIDEO_EXTENSIONS:
        yield from _video(source, source, every)
    else:
        yield _image(Path(source))


def _image(path: Path) -> Shot:
    try:
        return Shot(str(path), read_image(path, max_pixels=MAX_PIXELS))
    except ImageError as error:
        hint = "" if path.suffix.lower() in EXTENSIONS else " Videos are told by their ending, such as .mp4."
        return Shot(str(path), None, note=str(error).removeprefix(f"{path}: ") + hint)


def _video(name: str, source: str | int, every: float) -> Iterator[Shot]:
    """Frames as they come; memory does not grow. Times are the container's own, as rates may vary."""
    with quiet_native_code(ANYTHING):
        video = cv2.VideoCapture(source)
    try:
        if not video.isOpened():
            yield Shot(name, None, note="cannot be opened as a video.")
            return
        expected = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        due, read = 0.0, 0
        for frame in itertools.count():
            with quiet_native_code(ANYTHING):
                there = video.grab()
            if not there:
                break
            seconds = max(video.get(cv2.CAP_PROP_POS_MSEC), 0.0) / 1000
            read += 1
            if seconds + 1e-6 < due:
                continue
            if every:
                due = (math.floor(seconds / every + 1e-6) + 1) * every  # no drift at odd frame rates
            good, image_HWC = video.retrieve()
            if not good:
                yield Shot(name, None, frame, seconds, "this frame cannot be decoded.")
                continue
            rgb_HWC = np.asarray(cv2.cvtColor(image_HWC, cv2.COLOR_BGR2RGB), np.uint8)
            yield Shot(name, rgb_HWC, frame, seconds, frames=max(expected, 0))
        if not read:
            yield Shot(name, None, note="holds no frame that can be decoded.")
        elif expected > read:
            yield Shot(
                name, None, read, None, f"ends after {read} of {expected} frames: the rest cannot be decoded."
            )
    finally:
        video.release()
