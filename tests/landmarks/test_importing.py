from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from occlufer.landmarks.cache import CacheRecord, LandmarkCache
from occlufer.landmarks.importing import import_landmarks
from occlufer.types import LandmarkError

DIGESTS = {name: name.encode().ljust(16) for name in ("a.jpg", "b.jpg", "c.jpg")}


def meshes(count: int, points: int = 468) -> np.ndarray:
    return np.random.default_rng(0).uniform(5, 40, (count, points, 3))


def save(folder: Path, **arrays: object) -> Path:
    path = folder / "mine.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


@pytest.fixture
def cache(tmp_path: Path) -> LandmarkCache:
    return LandmarkCache(tmp_path / "cache", "print")


@pytest.mark.parametrize("points", [468, 478])
def test_a_users_landmarks_take_the_place_of_ours(tmp_path: Path, cache: LandmarkCache, points: int) -> None:
    with cache.writing():
        cache.append([CacheRecord(DIGESTS["a.jpg"], None, "missed: no face", (48, 48))])
    path = save(tmp_path, keys=["b.jpg", "a.jpg"], landmarks=meshes(2, points))
    assert import_landmarks(path, cache, DIGESTS) == 2
    assert cache.stage(DIGESTS["a.jpg"]) == "imported"
    np.testing.assert_array_equal(
        cache.landmarks(DIGESTS["a.jpg"]), meshes(2, points)[1, :468].astype(np.float32)
    )
    assert not cache.contains(DIGESTS["c.jpg"])


def with_nan() -> np.ndarray:
    broken = meshes(2)
    broken[1, 100, 0] = np.nan
    return broken


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"keys": ["a.jpg"]}, "holds the arrays keys"),
        ({"keys": ["a.jpg", "b.jpg"], "landmarks": meshes(1)}, r"\(1, 468, 3\) for 2 keys"),
        ({"keys": ["a.jpg"], "landmarks": meshes(1, 68)}, r"\(1, 68, 3\)"),
        ({"keys": ["a.jpg"], "landmarks": meshes(1).astype(int)}, "int64"),
        ({"keys": [1], "landmarks": meshes(1)}, "`keys` is int64"),
        ({"keys": ["a.jpg", "a.jpg"], "landmarks": meshes(2)}, "more than once, such as a.jpg"),
        ({"keys": ["a.jpg", "b.jpg"], "landmarks": with_nan()}, "1 meshes hold NaN .*: b.jpg"),
        ({"keys": ["a.jpg"], "landmarks": meshes(1) / 48}, "shares of the image"),
        ({"keys": ["a.jpgg"], "landmarks": meshes(1)}, "Did you mean 'a.jpg'"),
    ],
)
def test_a_wrong_file_is_refused_and_nothing_is_taken(
    tmp_path: Path, cache: LandmarkCache, arrays: dict[str, object], says: str
) -> None:
    with pytest.raises(LandmarkError, match=says):
        import_landmarks(save(tmp_path, **arrays), cache, DIGESTS)
    assert len(cache) == 0


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04broken"])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, cache: LandmarkCache, content: bytes) -> None:
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    with pytest.raises(LandmarkError, match=r"mine\.npz"):
        import_landmarks(path, cache, DIGESTS)


def test_an_archive_packed_in_an_unknown_way_is_refused(tmp_path: Path, cache: LandmarkCache) -> None:
    path = save(tmp_path, keys=np.array(["a.jpg"]), landmarks=meshes(1))
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")  # its directory; ten bytes on stands the way of packing
    content[entry + 10] = 99
    path.write_bytes(bytes(content))
    with pytest.raises(LandmarkError, match=r"mine\.npz cannot be read: That compression method"):
        import_landmarks(path, cache, DIGESTS)


def test_a_pickle_is_not_run(tmp_path: Path, cache: LandmarkCache) -> None:
    path = save(tmp_path, keys=np.array(["a.jpg"], object), landmarks=meshes(1))
    with pytest.raises(LandmarkError, match="cannot be read"):
        import_landmarks(path, cache, DIGESTS)
