"""Takes a user's own landmarks into the cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from occlufer.landmarks.cache import CacheRecord, LandmarkCache
from occlufer.types import LANDMARK_COUNT, LandmarkError, unknown_name

IMPORTED = "imported"
"""The stage that the cache records for them."""

_LAYOUT = "Wanted a .npz file with `keys` (n,) of text and `landmarks` (n, 468, 3) of pixels"
_WITH_IRISES = 478


def import_landmarks(
    path: Path | str,
    cache: LandmarkCache,
    digests: Mapping[str, bytes],
    *,
    on_message: Callable[[str], None] = lambda message: None,
) -> int:
    """Append the landmarks of a file to the cache; they take the place of what it knew of these images.

    Args:
        path: a file written with `numpy.savez(path, keys=..., landmarks=...)`: keys (n,) of the dataset's manifest,
            landmarks (n, 468, 3) or (n, 478, 3) (irises are left out) in pixels of the whole image, in the order of
            MediaPipe's face mesh. Images that it does not name are left alone.
        cache: where to put them.
        digests: content digest by key, of the dataset.
        on_message: called with sentences for the user.

    Returns:
        The number of images whose landmarks were taken.

    Raises:
        LandmarkError: the file cannot be read, or its arrays are not as above; nothing was taken then.
        StorageError: the cache cannot be written.
    """
    path = Path(path)
    keys, landmarks = _read(path)
    _check_keys(path, keys, digests)
    landmarks_MN3 = _check_landmarks(path, keys, landmarks)
    with cache.writing(on_message=on_message):
        cache.append(
            CacheRecord(digests[key], landmarks_N3, IMPORTED, (0, 0))
            for key, landmarks_N3 in zip(keys, landmarks_MN3, strict=True)
        )
    return len(keys)


def _read(path: Path) -> tuple[list[str], NDArray[Any]]:
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in ("keys", "landmarks") if name in arrays}
            names = list(arrays)
    except Exception as error:  # of damaged archives zipfile and numpy raise whatever comes up
        raise LandmarkError(f"{path} cannot be read: {error}. {_LAYOUT}.") from error
    if len(found) < 2:
        raise LandmarkError(f"{path} holds the arrays {', '.join(names) or 'none'}. {_LAYOUT}.")
    keys = found["keys"]
    if keys.ndim != 1 or keys.dtype.kind != "U":
        raise LandmarkError(f"{path}: `keys` is {keys.dtype} {keys.shape}. {_LAYOUT}.")
    return keys.tolist(), found["landmarks"]


def _check_keys(path: Path, keys: list[str], digests: Mapping[str, bytes]) -> None:
    if len(set(keys)) < len(keys):
        twice = sorted({key for key in keys if keys.count(key) > 1})[:5]
        raise LandmarkError(
            f"{path}: keys occur more than once, such as {', '.join(twice)}. Keep one row each."
        )
    unknown = [key for key in keys if key not in digests]
    if unknown:
        example = unknown_name("key", unknown[0], list(digests)[:5])
        raise LandmarkError(
            f"{path}: {len(unknown)} of {len(keys)} keys are not in the dataset. {example} "
            "Use the keys of the dataset's manifest (the first five are shown)."
        )


def _check_landmarks(path: Path, keys: list[str], landmarks: NDArray[Any]) -> NDArray[np.float32]:
    shapes = [(len(keys), points, 3) for points in (LANDMARK_COUNT, _WITH_IRISES)]
    if landmarks.shape not in shapes or landmarks.dtype.kind != "f":
        raise LandmarkError(
            f"{path}: `landmarks` is {landmarks.dtype} {landmarks.shape} for {len(keys)} keys. {_LAYOUT}."
        )
    landmarks_MN3 = np.asarray(landmarks[:, :LANDMARK_COUNT], np.float32)
    bad = np.flatnonzero(~np.isfinite(landmarks_MN3).all(axis=(1, 2)))
    if len(bad):
        named = ", ".join(keys[index] for index in bad[:5])
        raise LandmarkError(
            f"{path}: {len(bad)} meshes hold NaN or infinite numbers: {named}. Leave out faces that were not found."
        )
    spread = np.ptp(landmarks_MN3[:, :, :2], axis=1).max(axis=1)
    small = np.flatnonzero(spread < 4)
    if len(small):
        raise LandmarkError(
            f"{path}: {len(small)} meshes are under 4 pixels large, such as {keys[small[0]]}. mediapipe gives shares "
            "of the image: multiply x and z by its width and y by its height."
        )
    return landmarks_MN3
