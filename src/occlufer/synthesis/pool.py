"""Draws faces in a pool of processes, in order. Workers are spawned: the caller may have torch's threads."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import cv2

from occlufer.processes import core_count, for_children, settle_worker, spawned_pool
from occlufer.synthesis.faces import DrawnFace, draw_face
from occlufer.types import OccluferError

_CHUNK = 16  # faces a task: about .3 s of work
_ALONE = 64  # fewer faces are drawn sooner than processes have started


@dataclass(frozen=True, slots=True)
class Task:
    """A set of faces to draw: `size` of them, see `faces.draw_face`."""

    size: int
    seed: int
    difficulty: str
    image_size: int

    def draw(self, index: int) -> DrawnFace:
        """The face at `index`."""
        return draw_face(index, seed=self.seed, difficulty=self.difficulty, size=self.image_size)


def draw_all(task: Task, workers: int | None) -> Generator[DrawnFace, None, None]:
    """The faces 0, 1, ... of the set; closing the generator stops the workers.

    Args:
        task: the set.
        workers: processes; None: one a core; 0 or 1: this process draws, as it does for small sets.

    Raises:
        OccluferError: a worker was killed.
    """
    count = core_count() if workers is None else workers
    if count < 2 or task.size < _ALONE:
        yield from (task.draw(index) for index in range(task.size))
        return
    pool = spawned_pool(count, _start_worker)
    chunks = [range(start, min(start + _CHUNK, task.size)) for start in range(0, task.size, _CHUNK)]
    try:
        with for_children():  # processes start as tasks come in
            results = pool.map(_draw_chunk, [task] * len(chunks), chunks)
        for faces in results:
            yield from faces
    except BrokenProcessPool as error:
        raise OccluferError(
            "A process that drew faces ended early: the system ran out of memory and killed it, or it could not "
            "start (a script that makes the dataset needs `if __name__ == '__main__':`). Run it again, with fewer "
            "processes if need be (dataset.workers=1)."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _draw_chunk(task: Task, indices: range) -> list[DrawnFace]:
    return [task.draw(index) for index in indices]


def _start_worker() -> None:
    settle_worker()
    cv2.setNumThreads(1)
