from __future__ import annotations

import errno
import pickle
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from occlufer.files import StorageError
from occlufer.landmarks import cache as cache_module
from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.records import MAGIC, RECORD, ROW_BYTES, CacheRecord
from occlufer.types import LandmarkError


def digest(number: int) -> bytes:
    return number.to_bytes(16, "little")  # mostly zero bytes, which numpy's bytes type would strip


def mesh(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(24, 9, (468, 3)).astype(np.float32)


def record(number: int) -> CacheRecord:
    """Every third is a miss."""
    if number % 3 == 2:
        return CacheRecord(digest(number), None, "missed: no face", (48, 40))
    return CacheRecord(digest(number), mesh(number), "wide border", (48, 40 + number))


def fill(cache: LandmarkCache, *numbers: int) -> None:
    with cache.writing():
        cache.append(record(number) for number in numbers)


def check(cache: LandmarkCache, *numbers: int) -> None:
    """The cache holds these records and no other."""
    assert len(cache) == len(numbers)
    for number in numbers:
        wanted = record(number)
        found = cache.landmarks(digest(number))
        assert cache.stage(digest(number)) == wanted.stage
        assert cache.image_hw(digest(number)) == wanted.image_hw
        if wanted.landmarks_N3 is None:
            assert found is None
        else:
            np.testing.assert_array_equal(found, wanted.landmarks_N3)


@pytest.fixture
def cache(tmp_path: Path) -> LandmarkCache:
    return LandmarkCache(tmp_path, "print")


def test_what_is_appended_is_read_back(cache: LandmarkCache, tmp_path: Path) -> None:
    fill(cache, 0, 1, 2)
    fill(cache, 3)
    check(cache, 0, 1, 2, 3)
    check(LandmarkCache(tmp_path, "print"), 0, 1, 2, 3)


def test_a_missing_folder_is_an_empty_cache_and_reading_makes_no_folder(tmp_path: Path) -> None:
    cache = LandmarkCache(tmp_path / "new", "print")
    assert len(cache) == 0
    assert not cache.contains(digest(1))
    assert not (tmp_path / "new").exists()


def test_missing_gives_each_unknown_image_once(cache: LandmarkCache) -> None:
    fill(cache, 1, 2)
    wanted = [digest(number) for number in (7, 1, 8, 7, 2, 8, 9)]
    assert cache.missing(wanted) == [0, 2, 6]


def test_an_image_that_was_not_looked_at_is_an_error_that_says_what_to_do(cache: LandmarkCache) -> None:
    with pytest.raises(LandmarkError, match="occlufer prepare"):
        cache.landmarks(digest(5))


def test_many_are_read_in_portions_as_each_is_alone(cache, monkeypatch):
    fill(cache, *range(11))
    monkeypatch.setattr(cache_module, "_PORTION", 3)
    wanted = [digest(number) for number in (7, 2, 0, 5, 10, 9, 4, 0)]
    places, portions = [], list(cache.found(wanted))
    assert [len(at) for at, _, _ in portions] == [3, 3]
    for at, points_BN3, sizes_B2 in portions:
        places += at.tolist()
        for place, points_N3, size in zip(at, points_BN3, sizes_B2, strict=True):
            np.testing.assert_array_equal(points_N3, cache.landmarks(wanted[place]))
            assert tuple(size) == cache.image_hw(wanted[place])
    assert sorted(places) == [0, 2, 4, 5, 6, 7], "those with a face"
    assert cache.stages(wanted)[0] == [cache.stage(each) for each in wanted]
    assert cache.stages([]) == ([], pytest.approx([]))
    for many in (cache.stages, lambda digests: list(cache.found(digests))):
        with pytest.raises(LandmarkError, match="occlufer prepare"):
            many([digest(0), digest(99)])


def test_points_that_changed_on_disk_are_told_among_many(cache):
    fill(cache, 0, 1)
    with (cache.path / "points.f32").open("r+b") as points:
        points.seek(ROW_BYTES + 8)
        points.write(b"oops")
    with pytest.raises(LandmarkError, match=f"{digest(1).hex()} have changed on disk"):
        list(cache.found([digest(0), digest(1)]))


def test_other_settings_are_another_cache(cache: LandmarkCache, tmp_path: Path) -> None:
    fill(cache, 0)
    assert not LandmarkCache(tmp_path, "other").contains(digest(0))


def test_the_last_record_of_an_image_counts(cache: LandmarkCache, tmp_path: Path) -> None:
    fill(cache, 0, 1)
    with cache.writing():
        cache.append([CacheRecord(digest(0), mesh(9), "imported", (0, 0))])
    for reader in (cache, LandmarkCache(tmp_path, "print")):
        assert reader.stage(digest(0)) == "imported"
        np.testing.assert_array_equal(reader.landmarks(digest(0)), mesh(9))


def test_a_reader_sees_new_records_after_refresh(cache: LandmarkCache, tmp_path: Path) -> None:
    reader = LandmarkCache(tmp_path, "print")
    fill(cache, 0, 1)
    assert len(reader) == 0
    reader.refresh()
    check(reader, 0, 1)
    fill(cache, 2, 3)
    reader.refresh()
    check(reader, 0, 1, 2, 3)


def test_a_pickled_cache_is_small_and_opens_the_files_again(cache: LandmarkCache) -> None:
    fill(cache, *range(20))
    content = pickle.dumps(cache)
    assert len(content) < 1000
    check(pickle.loads(content), *range(20))


def test_landmarks_are_a_copy(cache: LandmarkCache) -> None:
    fill(cache, 0)
    landmarks = cache.landmarks(digest(0))
    assert landmarks is not None
    landmarks += 1
    check(cache, 0)


def test_append_needs_the_lock(cache: LandmarkCache) -> None:
    with pytest.raises(AssertionError):
        cache.append([record(0)])


def test_an_index_cut_at_any_byte_gives_the_whole_records_before_it(tmp_path: Path) -> None:
    fill(LandmarkCache(tmp_path, "print"), 0, 1, 2)
    index = tmp_path / "print" / "index.bin"
    whole = index.read_bytes()
    for length in range(len(whole) - 1, -1, -1):
        index.write_bytes(whole[:length])
        records = max(0, length - len(MAGIC)) // RECORD.itemsize
        check(LandmarkCache(tmp_path, "print"), *range(records))


@pytest.mark.parametrize("index_bytes", [0, 5, 16, 17, 16 + RECORD.itemsize, 20 + 2 * RECORD.itemsize])
def test_the_next_writer_cuts_a_torn_tail_and_goes_on(tmp_path: Path, index_bytes: int) -> None:
    fill(LandmarkCache(tmp_path, "print"), 0, 1, 2)
    folder = tmp_path / "print"
    (folder / "index.bin").write_bytes((folder / "index.bin").read_bytes()[:index_bytes])
    with (folder / "points.f32").open("ab") as points:
        points.write(b"torn")
    messages: list[str] = []
    cache = LandmarkCache(tmp_path, "print")
    kept = len(cache)
    with cache.writing(on_message=messages.append):
        cache.append(record(number) for number in range(kept, 5))
    assert "unfinished" in messages[0]
    check(LandmarkCache(tmp_path, "print"), 0, 1, 2, 3, 4)
    assert (folder / "points.f32").stat().st_size == 4 * ROW_BYTES
    assert (folder / "index.bin").stat().st_size == len(MAGIC) + 5 * RECORD.itemsize


def test_points_that_were_cut_are_looked_for_again(tmp_path: Path) -> None:
    fill(LandmarkCache(tmp_path, "print"), *range(6))  # rows 0 1 - 2 3 -
    points = tmp_path / "print" / "points.f32"
    points.write_bytes(points.read_bytes()[: 2 * ROW_BYTES + 10])
    cache = LandmarkCache(tmp_path, "print")
    check(cache, 0, 1, 2)
    assert cache.missing([digest(number) for number in range(6)]) == [3, 4, 5]
    fill(cache, 3, 4, 5)
    check(LandmarkCache(tmp_path, "print"), *range(6))


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x40
    path.write_bytes(content)


def test_what_is_no_cache_is_an_error_that_says_which_folder_to_delete(tmp_path: Path) -> None:
    (tmp_path / "garbage").mkdir()
    (tmp_path / "garbage" / "index.bin").write_bytes(np.random.default_rng(0).bytes(500))
    with pytest.raises(LandmarkError, match=r"Delete that folder") as caught:
        LandmarkCache(tmp_path, "garbage")
    assert str(tmp_path / "garbage") in str(caught.value)


@pytest.mark.parametrize("at", [3, 18, 20, 30])
def test_a_damaged_record_costs_its_image_and_no_other(tmp_path: Path, at: int) -> None:
    fill(LandmarkCache(tmp_path, "print"), 0, 1, 2, 3)
    flip(tmp_path / "print" / "index.bin", len(MAGIC) + RECORD.itemsize + at)
    cache = LandmarkCache(tmp_path, "print")
    check(cache, 0, 2, 3)
    assert cache.missing([digest(number) for number in range(4)]) == [1]
    fill(cache, 1, 4)
    check(LandmarkCache(tmp_path, "print"), 0, 1, 2, 3, 4)


def test_a_garbled_last_record_is_taken_for_torn(tmp_path: Path) -> None:
    fill(LandmarkCache(tmp_path, "print"), 0, 1, 2)
    flip(tmp_path / "print" / "index.bin", len(MAGIC) + 2 * RECORD.itemsize + 3)
    cache = LandmarkCache(tmp_path, "print")
    check(cache, 0, 1)
    fill(cache, 2)
    check(LandmarkCache(tmp_path, "print"), 0, 1, 2)


def test_changed_points_are_noticed(tmp_path: Path) -> None:
    fill(LandmarkCache(tmp_path, "print"), 0, 1)
    flip(tmp_path / "print" / "points.f32", ROW_BYTES + 77)
    cache = LandmarkCache(tmp_path, "print")
    assert cache.landmarks(digest(0)) is not None
    with pytest.raises(LandmarkError, match="occlufer prepare"):
        cache.landmarks(digest(1))


def test_a_deleted_folder_is_noticed_by_refresh(cache: LandmarkCache) -> None:
    fill(cache, 0, 1)
    shutil.rmtree(cache.path)
    cache.refresh()
    assert len(cache) == 0
    fill(cache, 3)
    check(cache, 3)


@pytest.mark.parametrize("room", [100, ROW_BYTES + 100])
def test_a_file_that_cannot_grow_keeps_the_batches_before(
    cache: LandmarkCache, tmp_path: Path, room: int
) -> None:
    fill(cache, 0, 1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with cache.writing():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * ROW_BYTES + room, before[1]))
        try:
            with pytest.raises(StorageError, match="Nothing finished was lost"):
                cache.append([record(3), record(4)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        check(LandmarkCache(tmp_path, "print"), 0, 1)
        cache.append([record(3)])
    check(cache, 0, 1, 3)
    check(LandmarkCache(tmp_path, "print"), 0, 1, 3)


def test_a_full_disk_while_writing_the_index_keeps_the_batches_before(
    cache: LandmarkCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cache, 0, 1)
    write_all = cache_module._write_all

    def full(handle: object, content: bytes) -> None:
        if len(content) < ROW_BYTES:  # the index
            write_all(handle, content[:30])
            raise OSError(errno.ENOSPC, "No space left on device")
        write_all(handle, content)

    with cache.writing():
        monkeypatch.setattr(cache_module, "_write_all", full)
        with pytest.raises(StorageError, match=r"paths\.cache"):
            cache.append([record(3)])
    monkeypatch.undo()
    check(LandmarkCache(tmp_path, "print"), 0, 1)
    assert (cache.path / "points.f32").stat().st_size == 2 * ROW_BYTES


def test_a_folder_that_cannot_be_written_is_a_storage_error_and_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = LandmarkCache(tmp_path / "file", "print")
    assert len(cache) == 0
    with pytest.raises(StorageError), cache.writing():
        pass


@pytest.mark.parametrize(("former", "now"), [("A", "wide border"), ("E", "black border, unsure")])
def test_stages_of_older_caches_go_by_their_names_of_today(tmp_path: Path, former: str, now: str) -> None:
    cache = LandmarkCache(tmp_path, "f")
    with cache.writing():
        cache.append([replace(record(1), stage=former)])
    assert LandmarkCache(tmp_path, "f").stage(digest(1)) == now


def test_further_faces_are_remembered(tmp_path: Path) -> None:
    cache = LandmarkCache(tmp_path, "f")
    with cache.writing():
        cache.append([replace(record(0), others=2), replace(record(1), others=40)])
    assert (cache.stage(digest(0)), cache.others(digest(0)), cache.others(digest(1))) == ("wide border", 2, 9)
