"""Landmarks on disk: append-only, memory-mapped, one writer, many readers, valid after a kill at any moment.

A cache is the folder `<folder>/<fingerprint>/` with

    points.f32   the found meshes, one row of 468 x 3 little-endian float32 each
    index.bin    16 bytes `MAGIC`, then one `RECORD` an image: digest, row in points.f32 or -1, image size,
                 stage, checksum of the row, checksum of the record
    .lock        held by the writer

Rows are on disk before the records that point to them, so a record that can be read always has its row.
Readers take whole records with a right checksum: a damaged one costs its image, which is looked at again. What a killed
writer left behind is cut off by the next one.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from occlufer.files import locked, storage_error
from occlufer.landmarks.records import CHECKED_BYTES, MAGIC, OTHERS, RECORD, ROW_BYTES, CacheRecord, encode
from occlufer.types import LANDMARK_COUNT, FloatArray, IntArray, LandmarkError

_INDEX, _POINTS = "index.bin", "points.f32"
_PORTION = 2048  # images whose points are read at once, 11 MB
_DAMAGED = -2  # the row of a record whose checksum is wrong, in memory only
_FORMER_NAMES = {
    "A": "wide border", "B": "black border", "D": "wide border, unsure", "E": "black border, unsure",
}  # fmt: skip
"""What the stages of the shipped cascade were called in caches of before November 2026."""


class LandmarkCache:
    """Reads and appends landmarks. Cheap to pickle: the copy opens the files itself.

    A reader sees what was there when it was made or last refreshed. A digest that was appended twice has its
    last record. A missing folder is an empty cache.

    Args:
        folder: the folder of all landmark caches.
        fingerprint: `DetectorSettings.fingerprint()`: other settings are another cache.

    Raises:
        LandmarkError: the files cannot be read, or are none of a landmark cache.
    """

    def __init__(self, folder: Path | str, fingerprint: str) -> None:
        self.path = Path(folder) / fingerprint
        self._writing = False
        self._reset()
        self.refresh()

    def __reduce__(self) -> tuple[Any, ...]:
        return LandmarkCache, (self.path.parent, self.path.name)

    def __len__(self) -> int:
        return len(self._position)

    def contains(self, digest: bytes) -> bool:
        """Whether the image was looked at, face found or not."""
        return digest in self._position

    def missing(self, digests: Sequence[bytes]) -> list[int]:
        """Indices of the digests that were never looked at; of equal digests only the first."""
        first: dict[bytes, int] = {}
        for index, digest in enumerate(digests):
            if digest not in self._position:
                first.setdefault(digest, index)
        return list(first.values())

    def landmarks(self, digest: bytes) -> FloatArray | None:
        """A copy, float32 (468, 3) in pixels of the image, or None when no face was found.

        Raises `LandmarkError` when the image was never looked at, or its row on disk has changed.
        """
        landmarks_N3 = self._points_at(self._record(digest))
        if landmarks_N3 is False:
            raise self._changed(digest)
        return landmarks_N3

    def found(self, digests: Sequence[bytes]) -> Iterator[tuple[IntArray, FloatArray, IntArray]]:
        """The landmarks of many images in portions: places in `digests`, float32 (B, 468, 3), and image sizes (B, 2).

        Images without a face are passed over. A portion is forgotten before the next is read: those of half a million
        images are 2.5 GB. Raises `LandmarkError` as `landmarks` does.
        """
        records = self._records_of(digests)
        places = np.flatnonzero(records["row"] >= 0)
        places = places[np.argsort(records["row"][places], kind="stable")]
        for start in range(0, len(places), _PORTION):
            at = places[start : start + _PORTION]
            points = np.memmap(
                self.path / _POINTS, dtype="<f4", mode="r", shape=(self._rows, LANDMARK_COUNT, 3)
            )
            landmarks_BN3: FloatArray = np.array(points[records["row"][at]], np.float32)
            del points  # what was read of it no longer counts as ours
            for place, points_N3, check in zip(at, landmarks_BN3, records["row_check"][at], strict=True):
                if zlib.crc32(points_N3) != check:
                    raise self._changed(digests[place])
            sizes_B2 = np.stack([records["height"][at], records["width"][at]], axis=1).astype(np.int64)
            yield at, landmarks_BN3, sizes_B2

    def stages(self, digests: Sequence[bytes]) -> tuple[list[str], IntArray]:
        """`stage` and `others` of many images: names, and numbers (len(digests),)."""
        kinds, kind = np.unique(self._records_of(digests)["stage"], return_inverse=True)
        known = [self._named(bytes(name)) for name in kinds]
        others = np.array([count for _, count in known], np.int64)[kind] if known else np.empty(0, np.int64)
        return [known[place][0] for place in kind], others

    def _records_of(self, digests: Sequence[bytes]) -> NDArray[np.void]:
        for digest in digests:
            if digest not in self._position:
                self._record(digest)  # says what is missing
        return self._records[[self._position[digest] for digest in digests]]

    def _changed(self, digest: bytes) -> LandmarkError:
        return LandmarkError(
            f"The landmarks of the image with digest {digest.hex()} have changed on disk (cache {self.path}). "
            "`occlufer prepare` with the same settings looks at this image again."
        )

    def _points_at(self, record: np.void) -> FloatArray | Literal[False] | None:
        """A copy of what a record points to; None where there is no face, False where it has changed on disk."""
        row = int(record["row"])
        if row < 0:
            return None
        assert self._points is not None
        landmarks_N3: FloatArray = np.array(self._points[row], np.float32)
        return landmarks_N3 if zlib.crc32(landmarks_N3.tobytes()) == record["row_check"] else False

    def stage(self, digest: bytes) -> str:
        """Which stage found the face, or "missed: ..."; raises `LandmarkError` if it was never looked at."""
        return self._named(bytes(self._record(digest)["stage"]))[0]

    def others(self, digest: bytes) -> int:
        """How many further faces the image shows; 0 too where nobody asked."""
        return self._named(bytes(self._record(digest)["stage"]))[1]

    @staticmethod
    def _named(stored: bytes) -> tuple[str, int]:
        """The name of a stage and the number of further faces, of what a record holds."""
        name, _, others = stored.decode().partition(OTHERS)
        return _FORMER_NAMES.get(name, name), int(others or 0)

    def image_hw(self, digest: bytes) -> tuple[int, int]:
        """Height and width of the image that the landmarks belong to; (0, 0) when it could not be read."""
        record = self._record(digest)
        return int(record["height"]), int(record["width"])

    def damaged(self) -> list[bytes]:
        """Digests of images whose points have changed on disk since they were written. Reads all of them."""
        return [
            digest for digest, at in self._position.items() if self._points_at(self._records[at]) is False
        ]

    def forget(self, digests: Iterable[bytes]) -> None:
        """Count these images as never looked at, until they are appended again or the cache is opened anew."""
        for digest in digests:
            self._position.pop(digest, None)

    def refresh(self) -> None:
        """Take in what a writer has appended since."""
        index, points = self.path / _INDEX, self.path / _POINTS
        try:
            size = index.stat().st_size if index.is_file() else 0
            if size < self._end:  # the folder was deleted or cut: begin again
                self._reset()
            if size <= self._end:
                return
            records = self._read_records(index)
            # Measured after the index was read: the rows of these records were on disk before it was.
            rows = points.stat().st_size // ROW_BYTES if points.is_file() else 0
        except OSError as error:
            raise self._damaged(f"it cannot be read ({error.strerror or error})") from error
        self._take(records, rows, points)

    def append(self, records: Iterable[CacheRecord]) -> None:
        """Append a batch and flush it to disk. Only inside `writing()`.

        Raises `StorageError` when it cannot be written; the cache then holds all batches before this one.
        """
        assert self._writing, "append() needs `with cache.writing():`"
        batch = list(records)
        if not batch:
            return
        rows, entries = encode(batch, self._rows)
        try:
            _append(self.path / _POINTS, self._rows * ROW_BYTES, rows)
            _append(self.path / _INDEX, self._end, entries if self._end else MAGIC + entries)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._cut_torn_tail()
            raise storage_error(self.path, error) from error
        self.refresh()

    @contextlib.contextmanager
    def writing(self, *, on_message: Callable[[str], None] = lambda message: None) -> Iterator[None]:
        """Be the one writer: waits for another one (and says so), refreshes, cuts off what a kill left torn.

        Raises `StorageError` when the folder cannot be written.
        """
        assert not self._writing, "one writer at a time"
        with locked(self.path / ".lock", on_wait=on_message):
            self._reset()
            self.refresh()
            try:
                cut = self._cut_torn_tail()
            except OSError as error:
                raise storage_error(self.path, error) from error
            if cut:
                on_message(f"Cut {cut:,} bytes of unfinished writing off the landmark cache {self.path}.")
            self._writing = True
            try:
                yield
            finally:
                self._writing = False

    def _reset(self) -> None:
        self._records: NDArray[np.void] = np.empty(0, RECORD)
        self._position: dict[bytes, int] = {}
        self._points: NDArray[np.float32] | None = None
        self._rows = 0  # rows of points.f32 that records point to
        self._end = 0  # bytes of index.bin that were taken

    def _record(self, digest: bytes) -> np.void:
        try:
            return self._records[self._position[digest]]  # type: ignore[no-any-return]
        except KeyError:
            raise LandmarkError(
                f"No landmarks were looked for in the image with digest {digest.hex()} (cache {self.path}). "
                "Run `occlufer prepare` on this dataset with the same landmarks settings."
            ) from None

    def _read_records(self, index: Path) -> NDArray[np.void]:
        """New whole records up to the last one with a right checksum; those before it without have row `_DAMAGED`."""
        with index.open("rb") as handle:
            magic = handle.read(len(MAGIC))
            if not MAGIC.startswith(magic):
                raise self._damaged("index.bin is not an index of this version")
            handle.seek(max(self._end, len(MAGIC)))
            content = handle.read()
        count = len(content) // RECORD.itemsize
        records = np.frombuffer(content, RECORD, count=count)
        starts = range(0, count * RECORD.itemsize, RECORD.itemsize)
        good = np.array(
            [
                zlib.crc32(content[start : start + CHECKED_BYTES]) == check
                for start, check in zip(starts, records["check"].tolist(), strict=True)
            ],
            np.bool_,
        )
        records = records.copy()
        records["row"][~good] = _DAMAGED
        return records[: int(np.flatnonzero(good)[-1]) + 1 if good.any() else 0]

    def _take(self, records: NDArray[np.void], rows: int, points: Path) -> None:
        beyond = np.flatnonzero(records["row"] >= rows)
        if len(beyond):  # points.f32 was cut: what follows is looked for again
            records = records[: beyond[0]]
        if not len(records):
            return
        start = len(self._records)
        self._records = np.concatenate([self._records, records])
        digests, whole = records["digest"].tobytes(), np.flatnonzero(records["row"] != _DAMAGED).tolist()
        self._position.update((digests[16 * n : 16 * n + 16], start + n) for n in whole)
        self._end = len(MAGIC) + len(self._records) * RECORD.itemsize
        self._rows = max(self._rows, int(records["row"].max()) + 1)
        if self._rows:
            shape = (self._rows, LANDMARK_COUNT, 3)
            self._points = np.memmap(points, dtype="<f4", mode="r", shape=shape)

    def _cut_torn_tail(self) -> int:
        """Cut both files to what the records say; returns the bytes cut."""
        cut = 0
        for name, size in ((_INDEX, self._end), (_POINTS, self._rows * ROW_BYTES)):
            path = self.path / name
            found = path.stat().st_size if path.is_file() else 0
            if found > size:
                os.truncate(path, size)
                cut += found - size
        return cut

    def _damaged(self, what: str) -> LandmarkError:
        return LandmarkError(
            f"The landmark cache {self.path} is damaged: {what}. Delete that folder and run "
            "`occlufer prepare` again."
        )


def _append(path: Path, at: int, content: bytes) -> None:
    """Write `content` at the known end of the file and flush it to disk."""
    if not content:
        return
    with path.open("r+b" if path.is_file() else "w+b", buffering=0) as handle:
        handle.seek(at)
        _write_all(handle, content)
        os.fsync(handle.fileno())


def _write_all(handle: BinaryIO | Any, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[handle.write(view) :]
