from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from occlufer.files import StorageError
from occlufer.landmarks import build
from occlufer.landmarks.build import BuildReport, build_landmarks
from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.detector import DetectorSettings
from occlufer.landmarks.records import MAGIC, RECORD, ROW_BYTES, CacheRecord
from occlufer.types import LandmarkError

from . import landmark_fakes as fakes
from .landmark_fakes import FINGERPRINT, DrawnFaces, FakeDetector, FakeImages, fake_landmarks, make_fake

SETTINGS = DetectorSettings()


def build_fake(folder: Path, images: FakeImages, workers: int = 0, **fake: float) -> BuildReport:
    make = partial(make_fake, **fake)  # type: ignore[arg-type]
    cache = LandmarkCache(folder, FINGERPRINT)
    return build_landmarks(images, cache, settings=SETTINGS, workers=workers, make_detector=make)


def check(folder: Path, images: FakeImages) -> None:
    """The cache holds what an undisturbed build finds, every image once."""
    cache = LandmarkCache(folder, FINGERPRINT)
    different = min(images.count, images.different)
    assert len(cache) == different
    assert records_in(folder) == different
    for index in range(len(images)):
        number, digest = index % images.different, images.content_digest(index)
        found = cache.landmarks(digest)
        if index in images.undecodable:
            assert (found, cache.stage(digest)) == (None, "missed: unreadable")
        elif number % 7 == 0:
            assert (found, cache.stage(digest)) == (None, "missed: no face")
        else:
            np.testing.assert_array_equal(found, fake_landmarks(number))
            assert cache.image_hw(digest) == (20, 30)


def records_in(folder: Path) -> int:
    index = folder / FINGERPRINT / "index.bin"
    return (index.stat().st_size - len(MAGIC)) // RECORD.itemsize if index.exists() else 0


def test_the_report_counts_every_image(tmp_path: Path) -> None:
    images = FakeImages(40, different=20, undecodable=frozenset({5, 25}))
    report = build_fake(tmp_path, images)
    check(tmp_path, images)
    assert report.stages == {"wide border": 32, "missed: no face": 6, "missed: unreadable": 2}
    assert (report.total, report.found, report.known, report.looked_at) == (40, 32, 0, 20)
    assert report.missed == {"missed: no face": 6, "missed: unreadable": 2}
    assert report.notes == ("image 5: truncated.",)
    assert report.faces_a_second > 0


def test_an_image_whose_bytes_are_gone_is_counted_and_not_remembered(tmp_path: Path) -> None:
    report = build_fake(tmp_path, FakeImages(10, gone=frozenset({4})))
    assert report.missed == {"missed: no face": 2, "missed: unreadable": 1}
    assert report.notes == ("image 4: gone.",)
    assert records_in(tmp_path) == 9


def test_only_what_is_new_is_looked_at(tmp_path: Path) -> None:
    build_fake(tmp_path, FakeImages(10))
    report = build_fake(tmp_path, FakeImages(13))
    assert (report.known, report.looked_at) == (10, 3)
    again = build_fake(tmp_path, FakeImages(13), deadly=1)  # would end this process
    assert (again.known, again.looked_at, again.workers, again.faces_a_second) == (13, 0, 0, 0.0)
    check(tmp_path, FakeImages(13))


def test_progress_runs_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    cache = LandmarkCache(tmp_path, FINGERPRINT)
    build_landmarks(
        FakeImages(50),
        cache,
        settings=SETTINGS,
        workers=0,
        make_detector=make_fake,
        on_progress=lambda *now: seen.append(now),
    )
    assert seen[0] == (0, 50)
    assert seen[-1] == (50, 50)
    assert seen == sorted(seen)


def test_processes_find_the_same_as_one(tmp_path: Path) -> None:
    images = FakeImages(200, different=150, undecodable=frozenset({3, 153}))
    report = build_fake(tmp_path, images, workers=2)
    assert report.workers == 2
    check(tmp_path, images)


def test_there_are_no_more_workers_than_work(tmp_path: Path) -> None:
    assert build_fake(tmp_path, FakeImages(20), workers=50).workers == 2


@pytest.mark.parametrize("workers", [1, 3])
def test_an_image_that_kills_its_worker_twice_is_a_miss_with_its_name_and_the_rest_is_done(
    tmp_path: Path, workers: int
) -> None:
    report = build_fake(tmp_path, FakeImages(100), workers=workers, deadly=60)
    assert report.stages == {"wide border": 84, "missed: no face": 15, "missed: search crashed": 1}
    assert report.notes == ("image 60: ended the process that looked at it, twice; counted as missed.",)
    assert (
        build_fake(tmp_path, FakeImages(100), workers=1, deadly=60).looked_at == 0
    )  # it is not tried for ever


def test_an_image_that_kills_its_worker_once_is_found(tmp_path: Path) -> None:
    make = partial(fakes.make_one_that_dies_once, folder=tmp_path)
    cache = LandmarkCache(tmp_path, FINGERPRINT)
    report = build_landmarks(FakeImages(100), cache, settings=SETTINGS, workers=2, make_detector=make)
    assert (tmp_path / "died").exists()
    assert report.notes == ()
    check(tmp_path, FakeImages(100))


def test_workers_that_cannot_start_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    cache = LandmarkCache(tmp_path, FINGERPRINT)
    with pytest.raises(LandmarkError, match=r"landmarks\.workers=1"):
        build_landmarks(FakeImages(40), cache, settings=SETTINGS, workers=2, make_detector=fakes.make_none)


def test_a_script_without_a_guard_fails_at_once_and_says_why(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from landmark_fakes import *\n"
        f"cache = LandmarkCache({str(tmp_path)!r}, 'f')\n"
        "images, settings = FakeImages(40), DetectorSettings()\n"
        "build.build_landmarks(images, cache, settings=settings, workers=2, make_detector=make_fake)\n"
    )
    paths = os.pathsep.join([str(Path(fakes.SCRIPT).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=100,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.returncode == 1
    assert "under `if __name__ == '__main__':`" in done.stderr  # of the processes
    assert "lacks `if __name__ == '__main__':`" in done.stderr.splitlines()[-1]  # of the script


def test_meshes_of_before_turned_faces_were_refused_are_checked_and_taken_over(tmp_path: Path) -> None:
    former = LandmarkCache(tmp_path, SETTINGS.former_fingerprint())
    images = FakeImages(30)
    with former.writing():
        former.append(
            CacheRecord(images.content_digest(number), fakes.fake_landmarks(number) + 1, "A", (20, 30))
            for number in range(1, 11)
        )
    cache, told = LandmarkCache(tmp_path, SETTINGS.fingerprint()), []
    report = build_landmarks(
        images, cache, settings=SETTINGS, workers=0, make_detector=make_fake, on_message=told.append
    )
    assert "10 images" in told[0]
    assert report.turned == (5, 10)
    for number in (1, 7):
        np.testing.assert_array_equal(
            cache.landmarks(images.content_digest(number)), fakes.fake_landmarks(number) + 1
        )
    np.testing.assert_array_equal(cache.landmarks(images.content_digest(11)), fakes.fake_landmarks(11))


def test_points_that_have_changed_on_disk_cost_their_image(tmp_path: Path) -> None:
    build_fake(tmp_path, FakeImages(20))
    points = tmp_path / FINGERPRINT / "points.f32"
    content = bytearray(points.read_bytes())
    content[ROW_BYTES + 9] ^= 1
    points.write_bytes(content)
    cache = LandmarkCache(tmp_path, FINGERPRINT)
    report = build_landmarks(
        FakeImages(20), cache, settings=SETTINGS, workers=0, make_detector=make_fake, verify=True
    )
    assert report.looked_at == 1
    again = LandmarkCache(tmp_path, FINGERPRINT)
    assert (len(again), again.damaged()) == (20, [])


class BrokenDetector(FakeDetector):
    def detect(self, image_HWC):  # type: ignore[no-untyped-def]
        if image_HWC[0, 0, 0] == 40:
            raise ZeroDivisionError("a fault of ours")
        return super().detect(image_HWC)


def make_broken(settings: DetectorSettings) -> BrokenDetector:
    return BrokenDetector()


@pytest.mark.parametrize("workers", [0, 1])
def test_another_error_comes_through_and_finished_work_is_kept(tmp_path: Path, workers: int) -> None:
    cache = LandmarkCache(tmp_path, FINGERPRINT)
    with pytest.raises(ZeroDivisionError):
        build_landmarks(FakeImages(100), cache, settings=SETTINGS, workers=workers, make_detector=make_broken)
    assert records_in(tmp_path) >= 32
    build_fake(tmp_path, FakeImages(100))
    check(tmp_path, FakeImages(100))


def test_a_full_disk_stops_the_build_and_keeps_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_BATCH", 16)
    append, appended = LandmarkCache.append, []

    def sometimes_full(cache: LandmarkCache, records: object) -> None:
        if len(appended) == 2:
            raise StorageError("full")
        appended.append(records)
        append(cache, records)  # type: ignore[arg-type]

    monkeypatch.setattr(LandmarkCache, "append", sometimes_full)
    with pytest.raises(StorageError):
        build_fake(tmp_path, FakeImages(100))
    assert records_in(tmp_path) == 32


class Builder:
    """A process that builds, in a session of its own."""

    def __init__(self, folder: Path, count: int, delay: float) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, str(fakes.SCRIPT), str(folder), str(count), str(delay)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for(self, word: str) -> str:
        """Read until a line has the word."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if word in line:
                return line
        raise AssertionError(f"{word!r} was never said: {self.process.communicate()}")

    def wait_for_records(self, count: int) -> None:
        while records_in(self.folder) < count and self.process.poll() is None:
            time.sleep(0.002)

    def end(self) -> str:
        """Everything it said on standard error; its files are closed."""
        return self.process.communicate(timeout=60)[1]

    def workers_alive(self) -> list[int]:
        return [int(path.stem) for path in self.folder.glob("*.pid") if alive(int(path.stem))]

    def wait_for_workers_to_end(self) -> None:
        deadline = time.monotonic() + 30
        while self.workers_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not self.workers_alive()


def alive(process: int) -> bool:
    """Running, and no zombie that nobody has collected."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.fixture
def builders() -> Iterator[list[Builder]]:
    started: list[Builder] = []
    yield started
    for builder in started:
        if builder.process.poll() is None:
            builder.process.kill()
        builder.end()


def test_killed_at_any_moment_the_next_build_ends_as_if_undisturbed(
    tmp_path: Path, builders: list[Builder]
) -> None:
    rng = np.random.default_rng(0)
    kept = 0
    for _ in range(4):
        builders.append(Builder(tmp_path, 300, delay=0.001))
        builders[-1].wait_for("progress")
        builders[-1].wait_for_records(kept + int(rng.integers(1, 60)))
        time.sleep(rng.uniform(0, 0.005))
        builders[-1].process.kill()
        builders[-1].end()
        builders[-1].wait_for_workers_to_end()
        assert records_in(tmp_path) >= kept
        kept = len(LandmarkCache(tmp_path, FINGERPRINT))
    assert 0 < kept < 300
    assert build_fake(tmp_path, FakeImages(300)).known == kept
    check(tmp_path, FakeImages(300))


def test_two_processes_build_once_and_the_second_takes_over_from_a_killed_one(
    tmp_path: Path, builders: list[Builder]
) -> None:
    builders.append(Builder(tmp_path, 400, delay=0.01))
    builders[0].wait_for("progress")
    builders += [Builder(tmp_path, 400, delay=0.0) for _ in range(2)]
    for waiting in builders[1:]:
        waiting.wait_for("waiting for it to finish")
    builders[0].wait_for_records(10)
    builders[0].process.kill()
    builders[0].end()
    looked_at = [int(builder.wait_for("looked at").split()[-1]) for builder in builders[1:]]
    assert 0 in looked_at
    assert 0 < max(looked_at) <= 390
    check(tmp_path, FakeImages(400))


def test_ctrl_c_stops_the_children_and_keeps_what_was_found(tmp_path: Path, builders: list[Builder]) -> None:
    builders.append(Builder(tmp_path, 2000, delay=0.005))
    builders[0].wait_for_records(20)
    os.killpg(builders[0].process.pid, signal.SIGINT)  # as a terminal does: the children get it too
    said = builders[0].end()
    assert builders[0].process.returncode == -signal.SIGINT
    assert said.count("Traceback") == 1  # the parent's
    builders[0].wait_for_workers_to_end()
    assert 20 <= records_in(tmp_path) < 2000
    build_fake(tmp_path, FakeImages(2000))
    check(tmp_path, FakeImages(2000))


def test_real_faces_come_out_the_same_from_any_worker(tmp_path: Path) -> None:
    images = DrawnFaces(24)
    caches = [LandmarkCache(tmp_path / str(workers), "print") for workers in (1, 2)]
    for workers, cache in enumerate(caches, start=1):
        report = build_landmarks(images, cache, settings=SETTINGS, workers=workers)
        assert report.stages == {"wide border": 18, "missed: no face": 6}
    for index in range(len(images)):
        first, second = (cache.landmarks(images.content_digest(index)) for cache in caches)
        assert pickle.dumps(first) == pickle.dumps(second)
