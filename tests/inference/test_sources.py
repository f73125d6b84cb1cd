"""Pictures and frames of what people have: every one once, at its own time."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from occlufer.inference.sources import listed, shots
from occlufer.types import ConfigError


def video(path: Path, *, frames: int = 20, rate: float = 10.0) -> Path:
    """Frames of one grey each, brighter and brighter."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (64, 64))
    for number in range(frames):
        writer.write(np.full((64, 64, 3), 4 * number, np.uint8))
    writer.release()
    return path


def slowed(path: Path, *, first: int) -> None:
    """Change the container so that all frames after the `first` ones last twice as long."""
    content = path.read_bytes()
    place = content.index(b"stts") + 8  # number of entries; then of each the frames and how long one lasts
    entries, frames, lasts = struct.unpack_from(">III", content, place)
    assert entries == 1
    table = struct.pack(">IIIII", 2, first, lasts, frames - first, 2 * lasts)
    content = content[:place] + table + content[place + 12 :]
    for box in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"):  # each holds the next one
        start = content.index(box) - 4
        grown = struct.pack(">I", struct.unpack_from(">I", content, start)[0] + 8)
        content = content[:start] + grown + content[start + 4 :]
    place = content.index(b"elst") + 12  # of the edit list, how long the only entry plays
    (plays,) = struct.unpack_from(">I", content, place)
    content = content[:place] + struct.pack(">I", 2 * plays) + content[place + 4 :]
    path.write_bytes(content)


def test_times_are_right_at_a_rate_that_varies(tmp_path):
    path = video(tmp_path / "v.mp4")
    slowed(path, first=10)
    found = list(shots(str(path)))
    assert [shot.frame for shot in found] == list(range(20))
    wanted = [number / 10 for number in range(10)] + [1 + number / 5 for number in range(10)]
    assert [shot.seconds for shot in found] == pytest.approx(wanted, abs=1e-3)
    each_second = list(shots(str(path), every=1))
    assert [shot.seconds for shot in each_second] == pytest.approx([0, 1, 2], abs=1e-3)
    brightness = [shot.image_HWC.mean() / 4 for shot in each_second if shot.image_HWC is not None]
    assert brightness == pytest.approx([0, 10, 15], abs=1)


def test_seconds_between_frames_do_not_drift(tmp_path):
    path = video(tmp_path / "v.mp4", frames=60, rate=30.0)
    found = [shot.seconds for shot in shots(str(path), every=0.25)]
    assert found == pytest.approx([0, 0.2667, 0.5, 0.7667, 1, 1.2667, 1.5, 1.7667], abs=0.002)


def test_a_broken_tail_is_told(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 64))
    for _ in range(30):
        writer.write(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    writer.release()
    content = (tmp_path / "v.avi").read_bytes()
    (tmp_path / "v.avi").write_bytes(content[: len(content) // 2])
    *good, tail = shots(str(tmp_path / "v.avi"))
    assert all(shot.image_HWC is not None for shot in good)
    assert tail.image_HWC is None
    assert f"ends after {len(good)} of 30 frames" in tail.note


def test_a_large_photograph_is_read(tmp_path):
    Image.new("L", (12_000, 5_000), 90).save(tmp_path / "large.png")
    Image.new("1", (20_000, 10_000)).save(tmp_path / "huge.png")
    ((large,), (huge,)) = (list(shots(str(tmp_path / f"{name}.png"))) for name in ("large", "huge"))
    assert large.image_HWC is not None
    assert large.image_HWC.shape == (5_000, 12_000, 3)
    assert huge.image_HWC is None
    assert "pixels" in huge.note


def test_paths_folders_and_globs(tmp_path):
    for name in ("b [1].png", "a.png", "c/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    said = [str(tmp_path / name) for name in ("a.png", "b [1].png", "c/d.png")]
    assert list(listed([str(tmp_path)])) == said
    assert listed([said[1], said[0], said[0]]) == {said[1]: "", said[0]: ""}
    assert list(listed([str(tmp_path / "*.png")])) == said[:2]
    assert list(listed([str(tmp_path / "**" / "*.png")])) == said
    assert listed(["0"]) == {"0": ""}  # a camera


def test_what_is_not_there_is_told_beside_what_is(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    (tmp_path / "to nowhere.png").symlink_to(tmp_path / "gone.png")
    said = [str(tmp_path / name) for name in ("a.png", "b.png", "*.jpg", "empty")]
    found = listed(said)
    assert list(found) == said
    assert [bool(note) for note in found.values()] == [False, True, True, True]
    assert "no file" in found[said[1]]
    assert list(listed([str(tmp_path)])) == [said[0], str(tmp_path / "to nowhere.png")]
    with pytest.raises(ConfigError, match=r"b\.png: there is no file, folder or match.*empty: no file"):
        listed([said[1], said[3]])
