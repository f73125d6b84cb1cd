"""What a landmark cache keeps of an image, as the bytes of its two files."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from occlufer.types import LANDMARK_COUNT, FloatArray

MAGIC = b"occlufer-lmk-01\n"
RECORD = np.dtype(
    [
        ("digest", "V16"),
        ("row", "<i4"),
        ("height", "<u4"),
        ("width", "<u4"),
        ("stage", "S24"),
        ("row_check", "<u4"),
        ("check", "<u4"),
    ]
)
OTHERS = " +"  # in a record's stage, before the number of further faces
MOST_OTHERS = 9
ROW_BYTES = LANDMARK_COUNT * 3 * 4
CHECKED_BYTES = RECORD.itemsize - 4


@dataclass(frozen=True, slots=True)
class CacheRecord:
    """What is known of one image.

    Attributes:
        digest: 16 bytes, see `FaceDataset.content_digest`.
        landmarks_N3: float32 (468, 3) in pixels of the image, or None when no face was found.
        stage: the stage that found it ("wide border", ...), or "missed: " and the reason.
        image_hw: height and width of the image in pixels; (0, 0) when it could not be read.
        others: number of further faces in the image; stored up to `MOST_OTHERS`.
    """

    digest: bytes
    landmarks_N3: FloatArray | None
    stage: str
    image_hw: tuple[int, int]
    others: int = 0


def encode(batch: Sequence[CacheRecord], first_row: int) -> tuple[bytes, bytes]:
    """The rows and the records of a batch whose first mesh becomes row `first_row`."""
    entries = np.zeros(len(batch), RECORD)
    rows: list[bytes] = []
    for entry, record in zip(entries, batch, strict=True):
        assert len(record.digest) == 16
        others = min(record.others, MOST_OTHERS)
        stage = (record.stage + (f"{OTHERS}{others}" if others else "")).encode()
        assert len(stage) <= RECORD["stage"].itemsize
        entry["digest"] = np.void(record.digest)
        entry["height"], entry["width"] = record.image_hw
        entry["stage"] = stage
        entry["row"] = -1
        if record.landmarks_N3 is not None:
            assert record.landmarks_N3.shape == (LANDMARK_COUNT, 3)
            assert np.isfinite(record.landmarks_N3).all()
            row = np.ascontiguousarray(record.landmarks_N3, "<f4").tobytes()
            entry["row"], entry["row_check"] = first_row + len(rows), zlib.crc32(row)
            rows.append(row)
        entry["check"] = zlib.crc32(entry.tobytes()[:CHECKED_BYTES])
    return b"".join(rows), entries.tobytes()
