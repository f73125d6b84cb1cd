"""How the package `fer` reads the faces that `shipped.py` scores, under the same occluders. In two steps, as the two
packages do not go into one environment:

python benchmarks/fer_package.py draw FILE.npz --root DIR [--cache DIR]    # in this project's
python benchmarks/fer_package.py score FILE.npz                            # in one of fer's own

fer 25.10.3 wants setuptools<81, opencv-contrib-python<5 and tensorflow beside it. It is asked by its `detect_emotions`
with the box that makes it look at the whole image, as its network was trained on FER2013's.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

_CONDITIONS = ("none", "mask", "headset")
_MARGIN = 10  # pixels that fer adds around a box


def main() -> None:
    """Do the step that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("step", choices=("draw", "score"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--root", help="FER2013, as dataset.root")
    parser.add_argument("--cache", default="outputs/cache", help="as paths.cache")
    given = parser.parse_args()
    if given.step == "score":
        score(given.file)
        return
    if not given.root:
        parser.error("draw wants --root DIR")
    from occlufer.types import OccluferError

    try:
        draw(given.root, given.cache, given.file)
    except OccluferError as error:
        sys.exit(f"Error: {error}")


def draw(root: str, cache: str, file: Path) -> None:
    """Write the PublicTest faces with landmarks under each condition, uint8 (N, 48, 48, 3), and their labels' names."""
    import shipped
    from occlufer.building import build
    from occlufer.data.rendered import FaceRenderer
    from occlufer.data.usable import usable_faces
    from occlufer.data.view import FullImage
    from occlufer.tasks.faces import make_faces, prepare_landmarks
    from occlufer.types import EXPRESSIONS

    options = shipped.parser().parse_args(["--root", root, "--cache", cache])
    settings, occluders = shipped.composed(options)
    faces = make_faces(settings)
    landmarks, _ = prepare_landmarks(settings, faces)
    chosen = faces.manifest.indices("test")
    chosen = chosen[usable_faces(faces, landmarks)[chosen]]
    drawn: dict[str, Any] = {"labels": np.array(EXPRESSIONS)[faces.manifest.labels[chosen]]}
    for condition in _CONDITIONS:
        renderer = FaceRenderer(
            faces, landmarks, FullImage(), build(occluders[condition]), settings["evaluation_seed"]
        )
        drawn[condition] = np.stack([renderer(int(index), hw=(48, 48)).occluded_HWC for index in chosen])
    np.savez_compressed(file, **drawn)


def score(file: Path) -> None:
    """Print accuracy and macro F1 by condition, as Markdown."""
    from fer.fer import FER

    names = {"angry": "anger", "happy": "happiness", "sad": "sadness"}
    reader, drawn = FER(), np.load(file)
    labels_N = drawn["labels"]
    print("| condition | n | accuracy | macro F1 |\n|---|---|---|---|")
    for condition in _CONDITIONS:
        answers = []
        for image_HWC in drawn[condition]:
            side = image_HWC.shape[0] - 2 * _MARGIN
            bgr_HWC = np.ascontiguousarray(image_HWC[..., ::-1])
            (face,) = reader.detect_emotions(bgr_HWC, face_rectangles=[(_MARGIN, _MARGIN, side, side)])
            best = max(face["emotions"], key=face["emotions"].get)
            answers.append(names.get(best, best))
        answers_N = np.array(answers)
        f1 = [
            2 * np.sum((labels_N == name) & (answers_N == name))
            / (np.sum(labels_N == name) + np.sum(answers_N == name))
            for name in np.unique(labels_N)
        ]  # fmt: skip
        accuracy = np.mean(answers_N == labels_N)
        print(f"| {condition} | {len(labels_N)} | {accuracy:.3f} | {np.mean(f1):.3f} |", flush=True)


if __name__ == "__main__":
    main()
