"""Trials of `occlufer predict`: a folder of 1,000 files of every kind, and a long video with a broken tail.

    python benchmarks/predict_trials.py FOLDER [FILES [SECONDS]]

Makes what it needs below FOLDER out of drawn faces; prints rows, exit status, CPU time and memory along the way.
"""

from __future__ import annotations

import collections
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from occlufer.synthesis.faces import draw_face
from occlufer.types import UInt8Array

DRAWN = 14
GREY = 90
TURNS = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


def faces(size: int) -> list[UInt8Array]:
    """A few drawn faces, uint8 RGB (size, size, 3)."""
    return [draw_face(index, seed=21, difficulty="default", size=size).image_HWC for index in range(DRAWN)]


def write_folder(folder: Path, count: int) -> dict[str, int]:
    """Files of ten kinds in turn; returns how many there are of each."""
    drawn = faces(160)
    group = [np.hstack(drawn[start : start + 3]) for start in (0, 3, 6)]
    large = np.full((4000, 6000, 3), GREY, np.uint8)
    large[1200:2800, 2000:3600] = cv2.resize(drawn[0], (1600, 1600))
    kinds: collections.Counter[str] = collections.Counter()
    folder.mkdir(parents=True)
    for number in range(count):
        kind = (
            "face",
            "grey",
            "rotated",
            "transparent",
            "group",
            "corrupt",
            "text",
            "animated",
            "faceless",
            "face",
        )[number % 10]
        if number % 100 == 99:
            kind = "huge"
        kinds[kind] += 1
        _write(folder / f"{number:04d} {kind}", kind, number, drawn, group, large)
    return dict(kinds)


def _write(
    stem: Path, kind: str, number: int, drawn: list[UInt8Array], group: list[UInt8Array], large: UInt8Array
) -> None:
    picture = Image.fromarray(drawn[number % DRAWN])
    if kind == "face":
        picture.save(f"{stem}.jpg", quality=92)
    elif kind == "grey":
        picture.convert("L").save(f"{stem}.png")
    elif kind == "rotated":
        orientation = list(TURNS)[number // 10 % 4]
        turn = TURNS[orientation]
        exif = Image.Exif()
        exif[274] = orientation
        (picture if turn is None else picture.transpose(turn)).save(f"{stem}.jpg", exif=exif)
    elif kind == "transparent":
        picture.putalpha(Image.new("L", picture.size, 255))
        picture.save(f"{stem}.webp", lossless=True)
    elif kind == "group":
        Image.fromarray(group[number % 3]).save(f"{stem}.bmp")
    elif kind == "corrupt":
        picture.save(f"{stem}.png")
        content = Path(f"{stem}.png").read_bytes()
        Path(f"{stem}.png").write_bytes(content[: len(content) * (number % 7) // 7])
    elif kind == "text":
        Path(f"{stem}.{('txt', 'jpg', 'csv')[number % 3]}").write_text("no picture\n" * number)
    elif kind == "animated":
        more = Image.fromarray(drawn[(number + 1) % DRAWN])
        picture.save(f"{stem}.gif", save_all=True, append_images=[more])
    elif kind == "faceless":
        noise = np.random.default_rng(number).integers(0, 256, (300, 400, 3), np.uint8)
        Image.fromarray(noise if number % 20 > 10 else np.full_like(noise, GREY)).save(f"{stem}.png")
    else:
        Image.fromarray(large).save(f"{stem}.jpg", quality=80)


def write_video(path: Path, seconds: int) -> None:
    """10 frames a second: a face that changes every second, and nobody in every third one; the tail is cut off."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (320, 240))
    pictures = []
    for face in faces(240):
        pictures.append(np.full((240, 320, 3), GREY, np.uint8))
        pictures[-1][:, 40:280] = face[..., ::-1]
    empty = np.full((240, 320, 3), GREY, np.uint8)
    for number in range(10 * seconds):
        second = number // 10
        video.write(empty if second % 3 == 2 else pictures[second % DRAWN])
    video.release()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 9 // 10])


def run(what: Path, *words: str) -> None:
    """Predict, and say what came of it."""
    command = [sys.executable, "-m", "occlufer", "predict", str(what), "--json", *words]
    begun, sizes = os.times(), []
    with (what.parent / "out.json").open("wb") as output, subprocess.Popen(command, stdout=output) as process:
        while process.poll() is None:
            try:
                pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
            except (OSError, IndexError):
                break
            sizes.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
            time.sleep(0.5)
    spent = os.times()
    rows = json.loads((what.parent / "out.json").read_text())["rows"]
    quarters = [max(part) for part in np.array_split(sizes, 4) if len(part)]
    print(
        f"{what.name}: exit status {process.returncode}, {len(rows)} rows of {len({r['source'] for r in rows})} files, "
        f"{spent.children_user + spent.children_system - begun.children_user - begun.children_system:.0f} s of CPU time"
    )
    print("  highest resident memory by quarter of the run, MB:", *(f"{size:.0f}" for size in quarters))
    by_kind: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for row in rows:
        name = Path(row["source"]).stem
        kind = name.split(" ")[1] if " " in name else "frame"
        by_kind[kind][
            "read by the " + row["found_by"] if row["found_by"] else row["note"].split("(")[0][:50]
        ] += 1
    for kind, found in sorted(by_kind.items()):
        print(f"  {kind}:", ", ".join(f"{count} {what}" for what, count in found.most_common(4)))


def main(folder: str, files: str = "1000", seconds: str = "180") -> None:
    """Both trials."""
    root = Path(folder)
    print(write_folder(root / "mixed", int(files)))
    run(root / "mixed")
    write_video(root / "video.avi", int(seconds))
    run(root / "video.avi", "--every", "0.5")


if __name__ == "__main__":
    main(*sys.argv[1:])
