"""Re-make src/occlufer/synthesis/mean_mesh.npz, the neutral face that the procedural faces are deformed from.

No photograph and no downloaded asset goes into it. Simple frontal faces are drawn with ellipses, MediaPipe's Face
Mesh says where their 468 points lie, and the median of its answers, made symmetric, is the mean face. The triangles
are the directed 3-cycles of `FACE_LANDMARKS_TESSELATION`. `--refine` starts from the mesh that is there, draws
neutral faces with `occlufer.synthesis`, and moves each point by the median of what Face Mesh finds beside it. The mesh
in the package was made by

    python scripts/make_mean_mesh.py
    python scripts/make_mean_mesh.py --refine    # three times: each needs a process of its own
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mediapipe.tasks.python.vision import FaceLandmarksConnections
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from occlufer.landmarks.face_mesh import FaceMesh
from occlufer.landmarks.model import model_file
from occlufer.synthesis.pose import FACE_HEIGHT
from occlufer.types import LANDMARK_COUNT, FloatArray, UInt8Array, seeded_rng

SIZE = 384
EYES = ((33, 133), (263, 362))  # outer and inner corner of the eye on the image's left, then of the other
OUTPUT = Path(__file__).parents[1] / "src/occlufer/synthesis/mean_mesh.npz"


def ellipse(image: FloatArray, centre: tuple[float, float], axes: tuple[float, float], colour: NDArray[np.float64],
            *, angles: tuple[float, float] = (0, 360), thickness: int = -1, blur: float = 0) -> None:  # fmt: skip
    """Blend an ellipse into `image`, float32 (H, W, 3); centre and axes in pixels, blur a standard deviation."""
    mask = np.zeros(image.shape[:2], np.float32)
    cv2.ellipse(
        mask, np.int32(centre).tolist(), np.int32(axes).tolist(), 0, *angles, 1.0, thickness, cv2.LINE_AA
    )
    if blur:
        mask = cv2.GaussianBlur(mask, (0, 0), blur)
    image += mask[..., None] * (np.asarray(colour, np.float32) - image)


def draw_face(rng: np.random.Generator) -> UInt8Array:
    """A frontal, neutral cartoon face with soft shading, uint8 RGB (384, 384, 3)."""
    skin = np.array([205, 160, 135]) * rng.uniform(0.6, 1.1)
    image = np.full((SIZE, SIZE, 3), rng.uniform(60, 200), np.float32)
    x, y = SIZE / 2, SIZE / 2
    width, height = rng.uniform(80, 92), rng.uniform(112, 126)
    ellipse(image, (x, y + 140), (45, 80), skin * 0.7, blur=4)
    ellipse(image, (x, y - 30), (width + 12, height - 2), np.array([50, 38, 30]), blur=3)
    ellipse(image, (x, y), (width, height), skin * 0.78, blur=3)
    ellipse(image, (x, y - 4), (width * 0.78, height * 0.82), skin, blur=22)
    ellipse(image, (x, y - 62), (width * 0.5, 22), skin * 1.08, blur=14)
    gap, eye_y = rng.uniform(37, 42), y - rng.uniform(14, 22)
    for side in (-1, 1):
        centre = (x + side * gap, eye_y)
        ellipse(image, centre, (27, 15), skin * 0.72, blur=7)
        ellipse(image, (x + side * 48, y + 28), (20, 16), skin * 1.1, blur=12)
        ellipse(image, centre, (18, rng.uniform(7, 9)), np.array([232, 228, 224]), blur=0.8)
        ellipse(image, centre, (7, 8), np.array([70, 50, 35]), blur=0.8)
        ellipse(image, (centre[0], eye_y + 1), (19, 9), skin * 0.3, angles=(180, 360), thickness=2, blur=0.8)
        brow = (x + side * (gap + 1), eye_y - rng.uniform(14, 17))
        ellipse(
            image,
            (brow[0], brow[1] + 6),
            (25, 11),
            np.array([55, 40, 32]),
            angles=(200, 340),
            thickness=5,
            blur=1.5,
        )
    nose = y + rng.uniform(32, 38)
    for side in (-1, 1):
        ellipse(image, (x + side * 13, nose - 22), (5, 34), skin * 0.82, blur=6)
        ellipse(image, (x + side * 17, nose - 2), (5, 7), skin * 0.68, blur=3)
        ellipse(image, (x + side * 8, nose + 6), (5, 3), skin * 0.35, blur=1.5)
    ellipse(image, (x, nose - 26), (5, 34), skin * 1.12, blur=4)
    ellipse(image, (x, nose - 3), (9, 8), skin * 1.15, blur=4)
    mouth, wide = y + rng.uniform(63, 70), rng.uniform(30, 36)
    lip = np.array([165, 92, 88]) * rng.uniform(0.7, 1.05)
    ellipse(image, (x, mouth - 2), (wide, 7), lip * 0.92, angles=(180, 360), blur=1.2)
    ellipse(image, (x, mouth), (wide - 3, 10), lip, angles=(0, 180), blur=1.2)
    ellipse(image, (x, mouth - 3), (wide, 4), lip * 0.35, angles=(5, 175), thickness=2, blur=1)
    ellipse(image, (x, mouth + 16), (18, 4), skin * 0.72, blur=4)
    ellipse(image, (x, mouth + 28), (16, 10), skin * 1.08, blur=7)
    image += rng.normal(0, 2, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def normalised(points_N3: NDArray[np.float64]) -> NDArray[np.float64]:
    """Eyes level, their centres at distance 1 and half-way between them the origin. y down, z away from the viewer."""
    eyes = np.array([points_N3[list(pair)].mean(0) for pair in EYES])
    across = eyes[1] - eyes[0]
    unit = across[:2] / np.linalg.norm(across[:2])
    turn = np.array([[unit[0], unit[1], 0], [-unit[1], unit[0], 0], [0, 0, 1]])
    return (points_N3 - eyes.mean(0)) @ turn.T / np.linalg.norm(across[:2])


def measure(faces: int) -> NDArray[np.float64]:
    """Normalised Face Mesh points of `faces` drawn faces, (found, 468, 3)."""
    found = []
    mesh = FaceMesh(model_file(None, on_message=print), 0.5)
    for index in range(faces):
        meshes = mesh.find(draw_face(seeded_rng(0, index)))
        found += [normalised(points_N3.astype(np.float64)) for points_N3 in meshes[:1]]
    print(f"{len(found)} of {faces} drawn faces were found.")
    return np.array(found)


def mirror_of(points_N3: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each point the index of its mirror image, (468,): the pairing with the least total distance."""
    flipped = points_N3 * [-1, 1, 1]
    distance = np.linalg.norm(flipped[:, None] - points_N3[None], axis=2)
    _, mirror = linear_sum_assignment(distance + distance.T)
    assert np.array_equal(mirror[mirror], np.arange(LANDMARK_COUNT)), "the mesh did not pair up"
    return np.asarray(mirror)


def triangles_of(points_N3: NDArray[np.float64]) -> NDArray[np.int64]:
    """The 852 triangles of the tesselation, clockwise as seen from outside."""
    after: dict[int, set[int]] = {}
    for edge in FaceLandmarksConnections.FACE_LANDMARKS_TESSELATION:
        after.setdefault(edge.start, set()).add(edge.end)
    cycles = {tuple(sorted((a, b, c))) for a in after for b in after[a] for c in after[b] if a in after[c]}
    # A ring of three points around a fourth is a cycle as well: each of its edges then has three triangles, not two.
    uses = Counter(edge for cycle in cycles for edge in combinations(cycle, 2))
    real = [cycle for cycle in cycles if any(uses[edge] < 3 for edge in combinations(cycle, 2))]
    triangles = np.array(sorted(real))
    return _wound_alike(triangles, points_N3)


def _wound_alike(triangles: NDArray[np.int64], points_N3: NDArray[np.float64]) -> NDArray[np.int64]:
    """Turn triangles so that neighbours run along their common edge in opposite directions.

    From the screen alone the sides of the head and the nostrils, which face away, would come out wrong.
    """
    a, b, c = (points_N3[triangles[:, corner], :2] for corner in range(3))
    ab, ac = b - a, c - a
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    start = int(np.abs(area).argmax())
    if area[start] < 0:
        triangles[start] = triangles[start][[0, 2, 1]]
    sharing: dict[frozenset[int], list[int]] = {}
    for row, triangle in enumerate(triangles.tolist()):
        for pair in combinations(triangle, 2):
            sharing.setdefault(frozenset(pair), []).append(row)
    todo, done = [start], {start}
    while todo:
        row = todo.pop()
        ring = triangles[row].tolist()
        for edge in zip(ring, ring[1:] + ring[:1], strict=True):
            for other in sharing[frozenset(edge)]:
                if other not in done:
                    its = triangles[other].tolist()
                    if edge in zip(its, its[1:] + its[:1], strict=True):
                        triangles[other] = triangles[other][[0, 2, 1]]
                    done.add(other)
                    todo.append(other)
    assert len(done) == len(triangles), "the mesh is not in one piece"
    return triangles


def refined(faces: int) -> dict[str, NDArray[Any]]:
    """The package's mesh, its points moved to where Face Mesh sees them on drawn frontal, neutral faces."""
    from occlufer.synthesis.deform import UNIT_NAMES
    from occlufer.synthesis.expressions import DIFFICULTIES
    from occlufer.synthesis.identity import draw_identity
    from occlufer.synthesis.renderer import render
    from occlufer.synthesis.scene import draw_scene

    with np.load(OUTPUT) as stored:
        mesh = dict(stored)
    still = np.zeros(len(UNIT_NAMES), np.float32)
    steps = []
    finder = FaceMesh(model_file(None, on_message=print), 0.5)
    for index in range(faces):
        identity = draw_identity(seeded_rng(1, index))
        scene = draw_scene(seeded_rng(2, index), DIFFICULTIES["easy"])
        scene = replace(scene, yaw=0.0, pitch=0.0, roll=0.0, span=0.5, blur=0.0, noise=0.0)
        face = render(identity, still, still, scene, 256)
        for found in finder.find(face.image_HWC)[:1]:
            steps.append((found - face.landmarks_N3) * [1, 1, 0] * FACE_HEIGHT / (0.5 * 256))
    step = np.median(steps, axis=0)
    step = (step + step[mesh["mirror"]] * [-1, 1, 1]) / 2
    print(
        f"{len(steps)} of {faces} found; mean step {np.linalg.norm(step, axis=1).mean():.4f} of the eyes' distance"
    )
    mesh["vertices"] = normalised(mesh["vertices"] + 0.8 * step).astype(np.float32)
    return mesh


def made(faces: int) -> dict[str, NDArray[Any]]:
    """A mesh from nothing but ellipses."""
    median = np.median(measure(faces), axis=0)
    mirror = mirror_of(median)
    symmetric = (median + median[mirror] * [-1, 1, 1]) / 2
    triangles = triangles_of(symmetric)
    return {
        "vertices": symmetric.astype(np.float32),
        "triangles": triangles.astype(np.int16),
        "mirror": mirror.astype(np.int16),
    }


def main() -> None:
    """Make or refine the mesh, and write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=int, default=200)
    parser.add_argument("--refine", action="store_true")
    arguments = parser.parse_args()
    mesh = refined(arguments.faces) if arguments.refine else made(arguments.faces)
    np.savez_compressed(OUTPUT, **mesh)
    print(f"{OUTPUT}: {len(mesh['triangles'])} triangles, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
