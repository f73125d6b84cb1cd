"""Fills the landmark cache: looks for a face in every image that is not in it yet."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.detector import MISSED_TURNED, MISSED_UNREADABLE, DetectorSettings, LandmarkDetector
from occlufer.landmarks.model import model_file
from occlufer.landmarks.pool import Detector, ImageSource, Job, Result, run
from occlufer.landmarks.records import CacheRecord
from occlufer.processes import core_count, spawn_context
from occlufer.types import ImageError

_CHUNK = 16  # images a task: a tenth of a second of work, so that workers end together and stop soon
_BATCH = 256  # images between two writes to disk ...
_BATCH_SECONDS = 2.0  # ... or this long, whichever comes first: what a kill can lose


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What `build_landmarks` did.

    Attributes:
        stages: images of the source by what the cache says of them: {"wide border": 940, ..., "missed: no face": 20}.
        known: images that the cache knew before.
        looked_at: different images that were looked at now.
        seconds: wall seconds, start of the workers included.
        workers: processes that looked for faces; 0: this one, or there was nothing to do.
        notes: sentences on images that could not be read now, or that ended the process that looked at them.
        turned: indices of images whose face looks turned; they count as missed.
        several: indices of images that show further faces; the largest central one was taken.
    """

    stages: dict[str, int]
    known: int
    looked_at: int
    seconds: float
    workers: int
    notes: tuple[str, ...]
    turned: tuple[int, ...] = ()
    several: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        """Images of the source."""
        return sum(self.stages.values())

    @property
    def found(self) -> int:
        """Images with landmarks."""
        return self.total - sum(self.missed.values())

    @property
    def missed(self) -> dict[str, int]:
        """Images without landmarks, by reason."""
        return {stage: count for stage, count in self.stages.items() if stage.startswith("missed")}

    @property
    def faces_a_second(self) -> float:
        """Images looked at a second; 0 when there was nothing to do."""
        return self.looked_at / self.seconds if self.looked_at else 0.0


def build_landmarks(
    source: ImageSource,
    cache: LandmarkCache,
    *,
    settings: DetectorSettings,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_message: Callable[[str], None] = lambda message: None,
    make_detector: Callable[[DetectorSettings], Detector] = LandmarkDetector,
    verify: bool = False,
) -> BuildReport:
    """Look for a face in every image of `source` that the cache does not know, and append what is found.

    Finished work is on disk within `_BATCH` images or `_BATCH_SECONDS`: a kill, Ctrl-C or a full disk loses
    no more, and the next call goes on from there. Two processes that call this together do the work once: the
    second waits, and takes over if the first is killed. Equal images are looked at once.

    Args:
        source: the images; an image that cannot be read counts as "missed: unreadable" and is noted.
        cache: opened with `settings.fingerprint()`; refreshed before the return.
        settings: how faces are looked for.
        workers: processes; None: one a core; 0: look in this process.
        on_progress: called with (images looked at, images to look at).
        on_message: called with sentences for the user (waiting for another process, ...).
        make_detector: picklable; called once in each worker.
        verify: read all points of the cache first, and look again where they have changed on disk.

    Raises:
        LandmarkError: the workers cannot start, or the cache cannot be read.
        OccluferError: called by a script that starts processes when it is imported.
        StorageError: the cache cannot be written.
    """
    started = time.monotonic()
    digests, notes = _digests(source)
    readable: dict[bytes, int] = {}  # of equal images the first
    for index, digest in enumerate(digests):
        if digest is not None:
            readable.setdefault(digest, index)
    known = sum(digest is not None and cache.contains(digest) for digest in digests)
    looked_at = used = 0
    damaged = cache.damaged() if verify else []
    if cache.missing(list(readable)) or damaged:
        spawn_context()  # before the lock, for which a script without a guard would wait for ever
        former = _former(cache, settings, on_message)
        with cache.writing(on_message=on_message):
            cache.forget(damaged)
            missing = [digest for digest in readable if not cache.contains(digest)]
            tasks = [(readable[digest], digest) for digest in missing]
            chunks = [tasks[start : start + _CHUNK] for start in range(0, len(tasks), _CHUNK)]
            used = min(core_count() if workers is None else workers, len(chunks))
            if tasks and make_detector == LandmarkDetector:
                model_file(settings.model, on_message=on_message)  # once, not in each worker
            with contextlib.closing(
                run(Job(source, settings, make_detector, former), chunks, used)
            ) as results:
                looked_at = _store(results, len(tasks), cache, on_progress, notes)
    cache.refresh()
    seen = [index for index, digest in enumerate(digests) if digest is not None]
    named, others = cache.stages([digest for digest in digests if digest is not None])
    stages = Counter(named) + Counter({MISSED_UNREADABLE: len(digests) - len(seen)})
    seconds = time.monotonic() - started
    turned = tuple(index for index, stage in zip(seen, named, strict=True) if stage == MISSED_TURNED)
    several = tuple(seen[place] for place in np.flatnonzero(others))
    return BuildReport(
        dict(sorted(stages.items())), known, looked_at, seconds, used, tuple(notes), turned, several
    )


def _former(
    cache: LandmarkCache, settings: DetectorSettings, on_message: Callable[[str], None]
) -> LandmarkCache | None:
    """Landmarks that were found before turned faces were refused: they need a check only."""
    former = LandmarkCache(cache.path.parent, settings.former_fingerprint())
    if not len(former) or cache.path.name != settings.fingerprint():
        return None
    on_message(f"Landmarks of {len(former):,} images in {former.path} are taken over; is a face turned?")
    return former


def _digests(source: ImageSource) -> tuple[list[bytes | None], list[str]]:
    digests: list[bytes | None] = []
    notes: list[str] = []
    for index in range(len(source)):
        try:
            digests.append(source.content_digest(index))
        except ImageError as error:  # not even its bytes can be read: nothing to remember it by
            digests.append(None)
            notes.append(str(error))
    return digests, notes


def _store(
    results: Iterator[list[Result]],
    total: int,
    cache: LandmarkCache,
    on_progress: Callable[[int, int], None],
    notes: list[str],
) -> int:
    """Append results in batches as they come, and what is at hand when something breaks; returns how many."""
    pending: list[CacheRecord] = []
    done, written = 0, time.monotonic()
    on_progress(0, total)
    try:
        for chunk in results:
            pending += [result.record for result in chunk]
            notes += [result.note for result in chunk if result.note]
            done += len(chunk)
            if len(pending) >= _BATCH or time.monotonic() - written >= _BATCH_SECONDS:
                # Emptied first: a batch that cannot be written is not tried twice.
                batch, pending = pending, []
                cache.append(batch)
                written = time.monotonic()
            on_progress(done, total)
    finally:
        cache.append(pending)
    return done
