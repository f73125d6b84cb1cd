"""What a batch wins in `Predictor`: 64 faces in one call against one by one, with faces found and with boxes given.

python benchmarks/batches.py [--faces 64] [--size 96] [--rounds 5]

Drawn faces, one a picture. Both ways take turns; of each the median round counts, on the clock and in CPU time. On the
clock it depends on the cores that are free, in CPU time it should not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from occlufer.inference.predictor import Predictor
from occlufer.landmarks.boxes import Box
from occlufer.processes import core_count
from occlufer.synthesis.faces import draw_face
from occlufer.types import UInt8Array


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--faces", type=int, default=64)
    parser.add_argument("--size", type=int, default=96, help="side of a picture in pixels")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    pictures = [
        draw_face(index, seed=0, difficulty="default", size=given.size).image_HWC
        for index in range(given.faces)
    ]
    predictor = Predictor()
    boxes = [[face.box for face in predictor.find(picture)] for picture in pictures]
    print(f"{core_count()} cores, {given.faces} faces of {given.size} pixels; milliseconds a face\n")
    print(
        "| | one by one | at once | ratio | CPU one by one | CPU at once | ratio |\n|---|---|---|---|---|---|---|"
    )
    for name, known in (("faces found", None), ("boxes given", boxes)):
        singly, together = _ways(predictor, pictures, known)
        for way in (singly, together):
            way()
        rounds = np.array([[_spent(way) for way in (singly, together)] for _ in range(given.rounds)])
        (clock, cpu), (clock_all, cpu_all) = np.median(rounds, axis=0) / given.faces * 1e3
        print(
            f"| {name} | {clock:.2f} | {clock_all:.2f} | {clock / clock_all:.2f} "
            f"| {cpu:.2f} | {cpu_all:.2f} | {cpu / cpu_all:.2f} |"
        )


def _ways(
    predictor: Predictor, pictures: list[UInt8Array], boxes: list[list[Box]] | None
) -> tuple[Callable[[], object], Callable[[], object]]:
    def singly() -> None:
        for number, picture in enumerate(pictures):
            predictor.predict([picture], boxes=None if boxes is None else [boxes[number]])

    def together() -> None:
        predictor.predict(pictures, boxes=boxes)

    return singly, together


def _spent(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock, and of CPU time in all threads."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


if __name__ == "__main__":
    main()
