"""Looks at images in a pool of processes.

Workers are spawned, never forked: a mediapipe graph does not survive a fork, and the caller may have torch's
threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import cv2

from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.detector import MISSED_CRASHED, MISSED_UNREADABLE, Detection, DetectorSettings
from occlufer.landmarks.records import CacheRecord
from occlufer.processes import for_children, settle_worker, spawn_context, spawned_pool
from occlufer.quiet import GREETINGS, quiet_native_code
from occlufer.types import ImageError, LandmarkError, UInt8Array

_IN_FLIGHT = 3  # chunks a worker: one at work, the rest so that it never waits for the parent
_IDLE = -1
ToolT = TypeVar("ToolT")
ResultT = TypeVar("ResultT")
ResultT_co = TypeVar("ResultT_co", covariant=True)


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

    def check(self, image_HWC: UInt8Array, found: Detection, /) -> Detection:
        """What an older cache holds of it, unless that is refused today."""


@dataclass(frozen=True, slots=True)
class Result:
    """One image that was looked at, and a sentence about it, or none."""

    record: CacheRecord
    note: str = ""


Task = tuple[int, bytes]
"""An image to look at: index in the source, digest."""


class Work(Protocol[ToolT, ResultT_co]):
    """What workers do with images: a picklable object, such as `Job`."""

    def start(self) -> ToolT:
        """What a worker looks with; called once in each."""

    def look(self, task: Task, tool: ToolT, /) -> ResultT_co:
        """What is found in one image."""

    def crashed(self, task: Task) -> ResultT_co:
        """What is said of an image that ended two workers."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a worker needs to know; `former` holds meshes that are only to be checked."""

    source: ImageSource
    settings: DetectorSettings
    make_detector: Callable[[DetectorSettings], Detector]
    former: LandmarkCache | None = None

    def start(self) -> Detector:
        """What a worker looks with."""
        return self.make_detector(self.settings)

    def crashed(self, task: Task) -> Result:
        """An image that ends whatever process looks at it."""
        told = (
            f"{_name(self.source, task[0])}: ended the process that looked at it, twice; counted as missed."
        )
        return Result(CacheRecord(task[1], None, MISSED_CRASHED, (0, 0)), told)

    def look(self, task: Task, detector: Detector) -> Result:
        """Look at one image; one that cannot be read is a miss."""
        index, digest = task
        try:
            image_HWC = self.source.load_image(index)
        except ImageError as error:
            return Result(CacheRecord(digest, None, MISSED_UNREADABLE, (0, 0)), str(error))
        known = self._known(digest)
        found = detector.detect(image_HWC) if known is None else detector.check(image_HWC, known)
        height, width = image_HWC.shape[:2]
        return Result(CacheRecord(digest, found.landmarks_N3, found.stage, (height, width), found.others))

    def _known(self, digest: bytes) -> Detection | None:
        if self.former is None or not self.former.contains(digest):
            return None
        with contextlib.suppress(LandmarkError):  # damaged
            landmarks_N3 = self.former.landmarks(digest)
            if landmarks_N3 is not None:
                return Detection(landmarks_N3, self.former.stage(digest))
        return None


def run(
    job: Work[Any, ResultT], chunks: Sequence[Sequence[Task]], workers: int
) -> Generator[list[ResultT], None, None]:
    """Results chunk by chunk, in any order; closing the generator stops the workers.

    With 0 workers this process looks. An image at which a worker dies is tried once more, alone, and is a miss when
    that one dies as well. Raises `LandmarkError` when workers die without an image in hand.
    """
    if workers == 0:
        tool = job.start()
        yield from ([job.look(task, tool) for task in chunk] for chunk in chunks)
        return
    left = dict(enumerate(chunks))
    while left:
        crowd, before = _Crowd(job, min(workers, len(left))), len(left)
        try:
            yield from crowd.work(left)
        except BrokenProcessPool as error:
            suspects = {task for chunk in left.values() for task in chunk if task[0] in crowd.in_hand()}
            if not suspects and len(left) == before:
                raise LandmarkError(
                    "The processes that look for faces end as soon as they start: out of memory, or the script that "
                    "calls this lacks `if __name__ == '__main__':`. Run it again, with fewer "
                    "processes if need be (landmarks.workers=1)."
                ) from error
            left = {
                number: [task for task in chunk if task not in suspects] for number, chunk in left.items()
            }
            for task in sorted(suspects):
                yield [_alone(job, task)]


def _alone(job: Work[Any, ResultT], task: Task) -> ResultT:
    with contextlib.suppress(BrokenProcessPool):
        for results in _Crowd(job, 1).work({0: [task]}):
            return results[0]
    return job.crashed(task)


def _name(source: ImageSource, index: int) -> str:
    manifest: Any = getattr(source, "manifest", None)
    return f"image {index}" if manifest is None else str(manifest.keys[index])


class _Crowd(Generic[ResultT]):
    """Workers that say what they have in hand, in memory that outlives them."""

    def __init__(self, job: Work[Any, ResultT], workers: int) -> None:
        context = spawn_context()
        self._hands = context.RawArray("q", [_IDLE] * workers)
        self._workers = workers
        self._pool = spawned_pool(workers, _start_worker, (job, self._hands, context.Value("i", 0)))

    def in_hand(self) -> set[int]:
        """Indices of the images that were being looked at when the workers ended."""
        return set(self._hands) - {_IDLE}

    def work(self, left: dict[int, Sequence[Task]]) -> Generator[list[ResultT], None, None]:
        """Results of the chunks, each taken out of `left` before it is handed over; raises `BrokenProcessPool`."""
        waiting: dict[Future[list[ResultT]], int] = {}
        todo = iter(list(left.items()))
        try:
            while left:
                while len(waiting) < _IN_FLIGHT * self._workers and self._submit(waiting, todo):
                    pass
                done = wait(waiting, return_when=FIRST_COMPLETED).done
                # First all that succeeded, so that an error loses nothing that was done.
                for future in sorted(done, key=lambda future: future.exception() is not None):
                    results = future.result()
                    del left[waiting.pop(future)]
                    yield results
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _submit(
        self, waiting: dict[Future[list[ResultT]], int], todo: Iterator[tuple[int, Sequence[Task]]]
    ) -> bool:
        for number, chunk in todo:
            with for_children():  # workers start one by one, as tasks come in
                waiting[self._pool.submit(_look, chunk)] = number
            return True
        return False


_worker: tuple[Work[Any, Any], Any, Any, int] | None = None  # set in worker processes only


def _start_worker(job: Work[Any, Any], hands: Any, started: Any) -> None:
    global _worker
    settle_worker()
    cv2.setNumThreads(1)
    with started.get_lock():
        place, started.value = started.value, started.value + 1
    _worker = job, job.start(), hands, place


def _look(chunk: Sequence[Task]) -> list[Any]:
    assert _worker is not None
    job, tool, hands, place = _worker
    results = []
    with quiet_native_code(GREETINGS):  # some warnings come at any later image
        for task in chunk:
            hands[place] = task[0]
            results.append(job.look(task, tool))
    hands[place] = _IDLE
    return results
