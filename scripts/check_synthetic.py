"""How good the drawn faces are: can MediaPipe find them, where does it put the points, how long does a face take?

    python scripts/check_synthetic.py [--faces 2000] [--sizes 128 48] [--difficulty default] [--seed 0]

For each size: faces found by the project's own detection cascade and by its first stage alone, the mean distance
between found and true landmarks over the distance of the true eyes' centres, its 95th percentile over faces, and the
milliseconds of one core that a face takes.
"""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np

from occlufer.landmarks.detector import DetectorSettings, LandmarkDetector
from occlufer.synthesis.faces import draw_face
from occlufer.synthesis.mesh import EYE_RINGS
from occlufer.types import EXPRESSIONS, FloatArray


def error(found_N3: FloatArray, true_N3: FloatArray) -> float:
    """Mean distance in the picture over the distance of the eyes in the face, foreshortening taken out."""
    eyes = np.stack([true_N3[list(ring)].mean(0) for ring in EYE_RINGS])
    distance = float(np.linalg.norm(eyes[1] - eyes[0]))
    return float(np.linalg.norm(found_N3[:, :2] - true_N3[:, :2], axis=1).mean() / distance)


def check(faces: int, size: int, difficulty: str, seed: int, detector: LandmarkDetector) -> None:
    """Draw, detect, compare, print."""
    errors, stages, missed, spent = [], [], [], 0.0
    for index in range(faces):
        started = time.process_time()
        face = draw_face(index, seed=seed, difficulty=difficulty, size=size)
        spent += time.process_time() - started
        found = detector.detect(face.image_HWC)
        if found.landmarks_N3 is None:
            facts = face.facts
            missed.append(
                f"{index} {EXPRESSIONS[int(facts['label'])]} yaw {facts['yaw']} pitch {facts['pitch']}"
            )
            continue
        stages.append(found.stage)
        errors.append(error(found.landmarks_N3, face.landmarks_N3))
    print(f"{faces} faces at {size} px, difficulty {difficulty}, seed {seed}")
    print(f"  found          {len(errors) / faces:.2%}  (first stage alone {stages.count('A') / faces:.2%})")
    print(
        f"  landmark error {np.mean(errors):.4f} of the eyes' distance, 95th percentile {np.quantile(errors, 0.95):.4f}"
    )
    print(f"  drawing        {1000 * spent / faces:.1f} ms of one core")
    for line in missed[:20]:
        print(f"  missed: {line}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faces", type=int, default=2000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 48])
    parser.add_argument("--difficulty", default="default")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    detector = LandmarkDetector(settings=DetectorSettings())
    for size in arguments.sizes:
        check(arguments.faces, size, arguments.difficulty, arguments.seed, detector)


if __name__ == "__main__":
    main()
