"""Looks at images in a pool of processes.

Workers are spawned, never forked: a mediapipe graph does not survive a fork, and the caller may have torch's
threads.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Protocol

from occlufer.landmarks.cache import CacheRecord
from occlufer.landmarks.detector import MISSED_UNREADABLE, Detection, DetectorSettings
from occlufer.processes import for_children, settle_worker
from occlufer.types import ImageError, LandmarkError, UInt8Array

_IN_FLIGHT = 3  # chunks a worker: one at work, the rest so that it never waits for the parent


class ImageSource(Protocol):
    """Images by index; a `FaceDataset` is one. It is pickled into every worker."""

    def __len__(self) -> int: ...

    def content_digest(self, index: int, /) -> bytes:
        """16 bytes that name the image's content; raises `ImageError` when it cannot be read."""

    def load_image(self, index: int, /) -> UInt8Array:
        """uint8 RGB (H, W, 3); raises `ImageError` when it cannot be decoded."""


class Detector(Protocol):
    """Finds one face in one image; `LandmarkDetector` is one."""

    def detect(self, image_HWC: UInt8Array, /) -> Detection:
        """The face in an image, uint8 RGB (H, W, 3)."""


@dataclass(frozen=True, slots=True)
class Result:
    """One image that was looked at, and a sentence about it, or none."""

    record: CacheRecord
    note: str = ""


Chunk = Sequence[tuple[int, bytes]]
"""Images to look at: index in the source, digest."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker needs to know."""

    source: ImageSource
    settings: DetectorSettings
    make_detector: Callable[[DetectorSettings], Detector]

    def look(self, chunk: Chunk, detector: Detector) -> list[Result]:
        """Look at every image of the chunk; one that cannot be read is a miss."""
        return [self._look_at(index, digest, detector) for index, digest in chunk]

    def _look_at(self, index: int, digest: bytes, detector: Detector) -> Result:
        try:
            image_HWC = self.source.load_image(index)
        except ImageError as error:
            return Result(CacheRecord(digest, None, MISSED_UNREADABLE, (0, 0)), str(error))
        found = detector.detect(image_HWC)
        height, width = image_HWC.shape[:2]
        return Result(CacheRecord(digest, found.landmarks_N3, found.stage, (height, width)))


def run(job: Job, chunks: Sequence[Chunk], workers: int) -> Generator[list[Result], None, None]:
    """Results chunk by chunk, in any order; closing the generator stops the workers.

    With 0 workers this process looks. Raises `LandmarkError` when a worker was killed, after all chunks that
    were finished.
    """
    if workers == 0:
        detector = job.make_detector(job.settings)
        yield from (job.look(chunk, detector) for chunk in chunks)
        return
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(job,)
    )
    waiting: set[Future[list[Result]]] = set()
    left = iter(chunks)
    try:
        with for_children():  # all workers start with the first task
            waiting.add(pool.submit(_look, next(left)))
        for chunk in left:
            waiting.add(pool.submit(_look, chunk))
            if len(waiting) >= _IN_FLIGHT * workers:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from _results(finished)
        while waiting:
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from _results(finished)
    except BrokenProcessPool as error:
        yield from (future.result() for future in waiting if future.done() and not future.exception())
        raise LandmarkError(
            "A process that looked for faces ended early: the system ran out of memory and killed it, or it "
            "could not start (a script that calls this needs `if __name__ == '__main__':`). All finished work "
            "is kept: run it again, with fewer processes if need be (landmarks.workers=1)."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _results(finished: set[Future[list[Result]]]) -> Iterator[list[Result]]:
    """First all that succeeded, so that an error loses nothing that was done."""
    for future in sorted(finished, key=lambda future: future.exception() is not None):
        yield future.result()


_worker: tuple[Job, Detector] | None = None  # set in worker processes only


def _start_worker(job: Job) -> None:
    import cv2

    global _worker
    settle_worker()
    cv2.setNumThreads(1)
    _worker = job, job.make_detector(job.settings)


def _look(chunk: Chunk) -> list[Result]:
    assert _worker is not None
    job, detector = _worker
    return job.look(chunk, detector)
