"""Sets on disk: the same on any number of processes, never trusted when half or damaged."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from occlufer.files import locked
from occlufer.synthesis import faces, pool, store
from occlufer.synthesis.faces import DrawnFace
from occlufer.synthesis.pool import Task, draw_all

_TASK = Task(size=3, seed=0, difficulty="easy", image_size=24)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Flat pictures instead of faces; returns the places that were drawn."""
    drawn: list[int] = []

    def flat(index: int, *, seed: int, difficulty: str, size: int) -> DrawnFace:
        drawn.append(index)
        image = np.full((size, size, 3), index, np.uint8)
        return DrawnFace(image, np.full((468, 3), index, np.float32), {"person": 0, "label": index})

    monkeypatch.setattr(pool, "draw_face", flat)
    return drawn


@pytest.mark.bits
def test_processes_draw_the_same_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_ALONE", 0)
    monkeypatch.setattr(pool, "_CHUNK", 3)
    task = Task(size=8, seed=5, difficulty="default", image_size=24)
    for here, there in zip(draw_all(task, 1), draw_all(task, 2), strict=True):
        np.testing.assert_array_equal(here.image_HWC, there.image_HWC)
        np.testing.assert_array_equal(here.landmarks_N3, there.landmarks_N3)
        assert here.facts == there.facts


def test_builds_once(tmp_path: Path, quick: list[int]) -> None:
    progress: list[tuple[int, int]] = []
    folder = store.ensure(tmp_path, _TASK, workers=1, on_progress=lambda *now: progress.append(now))
    assert progress == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert store.ensure(tmp_path, _TASK, workers=1) == folder
    assert quick == [0, 1, 2]
    images = np.load(folder / store.IMAGES, mmap_mode="r")
    landmarks = np.load(folder / store.LANDMARKS, mmap_mode="r")
    assert images.shape == (3, 24, 24, 3)
    assert images.dtype == np.uint8
    assert landmarks.shape == (3, 468, 3)
    assert landmarks[2, 0, 0] == 2


def test_other_settings_are_another_set(tmp_path: Path, quick: list[int]) -> None:
    one = store.ensure(tmp_path, _TASK, workers=1)
    two = store.ensure(tmp_path, Task(size=3, seed=1, difficulty="easy", image_size=24), workers=1)
    assert one != two
    assert store.problem(one, _TASK) is None


@pytest.mark.parametrize("name", [store.IMAGES, store.LANDMARKS, store.TABLE, store.COMPLETE])
@pytest.mark.parametrize("damage", ["gone", "cut", "flipped"])
def test_damage_is_noticed_and_mended(tmp_path: Path, quick: list[int], name: str, damage: str) -> None:
    path = store.ensure(tmp_path, _TASK, workers=1) / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    messages: list[str] = []
    store.ensure(tmp_path, _TASK, workers=1, on_message=messages.append)
    assert len(quick) == 6
    assert any("damaged" in message for message in messages)
    assert store.problem(path.parent, _TASK) is None


def test_another_version_is_drawn_anew(
    tmp_path: Path, quick: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = store.ensure(tmp_path, _TASK, workers=1)
    record = json.loads((folder / store.COMPLETE).read_text())
    (folder / store.COMPLETE).write_text(json.dumps(record | {"version": faces.VERSION + 1}))
    assert store.problem(folder, _TASK) == "it holds other faces"


def test_a_failure_leaves_nothing_and_the_next_call_goes_through(
    tmp_path: Path, quick: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.ensure(tmp_path, _TASK, workers=1, on_progress=stop)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    assert store.problem(store.ensure(tmp_path, _TASK, workers=1), _TASK) is None


def test_remains_of_a_killed_builder_are_cleared(tmp_path: Path, quick: list[int]) -> None:
    folder = store.set_folder(tmp_path, _TASK)
    remains = tmp_path / f".{folder.name}.12345.tmp"
    remains.mkdir()
    (remains / store.IMAGES).write_bytes(b"half")
    store.ensure(tmp_path, _TASK, workers=1)
    assert not remains.exists()


def test_waits_for_another_builder_and_uses_its_set(tmp_path: Path, quick: list[int]) -> None:
    folder = store.set_folder(tmp_path, _TASK)
    waiting = threading.Event()
    results: list[Path] = []

    def second() -> None:
        results.append(store.ensure(tmp_path, _TASK, workers=1, on_message=lambda text: waiting.set()))

    with locked(tmp_path / f"{folder.name}.lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(20)
        store._build(tmp_path, folder, _TASK, 1, lambda done, total: None)
    thread.join(20)
    assert results == [folder]
    assert quick == [0, 1, 2]
