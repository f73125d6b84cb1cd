"""Where the images of a dataset lie: files below a root, or one array. Safe to pickle: no open handles."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from occlufer.datasets.images import SIGNATURE_BYTES, content_problem, read_image
from occlufer.types import ImageError, UInt8Array

Source = str | int
ResultT = TypeVar("ResultT")

_THREADS = 8  # reading small files waits for the disk, not for Python
_BATCH = 512


class ImageStore(ABC):
    """Images by the `source` of their manifest row."""

    @abstractmethod
    def load(self, source: Source) -> UInt8Array:
        """The image, uint8 RGB (H, W, 3); raises `ImageError` when it cannot be decoded."""

    @abstractmethod
    def digest(self, source: Source) -> bytes:
        """16 bytes (BLAKE2b) of what is stored, undecoded; raises `ImageError` when it cannot be read."""

    @abstractmethod
    def size(self, source: Source) -> int:
        """Bytes stored, without reading them: images of different sizes differ. 0 when it cannot be told."""

    @abstractmethod
    def problem(self, source: Source) -> str | None:
        """Why the image is certain to be unreadable, found without decoding it; None when it may be fine."""


class FileStore(ImageStore):
    """Image files below `root`; a source is the path below it as POSIX text."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, source: Source) -> str:
        """Text, as half a million `Path` objects take longer to make than the files to read."""
        return f"{self.root}{os.sep}{source}"

    def load(self, source: Source) -> UInt8Array:
        """Read and decode the file, see `occlufer.datasets.images.read_image`."""
        return read_image(self.root / str(source))

    def digest(self, source: Source) -> bytes:
        """Digest of the file's bytes."""
        try:
            with open(self._path(source), "rb", buffering=0) as handle:  # noqa: PTH123
                return hashlib.blake2b(handle.readall(), digest_size=16).digest()
        except OSError as error:
            raise ImageError(f"{self._path(source)}: cannot be opened: {error.strerror or error}.") from None

    def size(self, source: Source) -> int:
        """The file's length."""
        try:
            return os.stat(self._path(source)).st_size  # noqa: PTH116
        except OSError:
            return 0

    def problem(self, source: Source) -> str | None:
        """Looks at the first bytes only: files that are empty, no image, or cannot be opened."""
        try:
            with open(self._path(source), "rb", buffering=0) as handle:  # noqa: PTH123
                return content_problem(handle.read(SIGNATURE_BYTES))
        except OSError as error:
            return f"cannot be opened: {error.strerror or error}"


class ArrayStore(ImageStore):
    """Grey images in one array; a source is the index into it. Pickling copies the array.

    Attributes:
        images_NHW: uint8 (N, H, W).
    """

    def __init__(self, images_NHW: UInt8Array) -> None:
        assert images_NHW.ndim == 3
        self.images_NHW = images_NHW

    def load(self, source: Source) -> UInt8Array:
        """The grey image three times over: uint8 (H, W, 3)."""
        return np.repeat(self.images_NHW[int(source)][:, :, None], 3, axis=2)

    def digest(self, source: Source) -> bytes:
        """Digest of the array's bytes and shape."""
        image = np.ascontiguousarray(self.images_NHW[int(source)])
        content = repr(image.shape).encode() + image.tobytes()
        return hashlib.blake2b(content, digest_size=16).digest()

    def size(self, source: Source) -> int:
        """The same for every image."""
        return int(self.images_NHW[int(source)].nbytes)

    def problem(self, source: Source) -> None:
        """An array is always readable."""


def in_threads(work: Callable[[Source], ResultT], sources: Sequence[Source]) -> list[ResultT]:
    """`[work(source) for source in sources]`, in batches over a few threads."""

    def batch(start: int) -> list[ResultT]:
        return [work(source) for source in sources[start : start + _BATCH]]

    with ThreadPoolExecutor(_THREADS) as pool:
        return [result for part in pool.map(batch, range(0, len(sources), _BATCH)) for result in part]
