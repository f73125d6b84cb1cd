"""Write docs/images/synthetic.png, the contact sheet of drawn faces in README.

python scripts/synthetic_sheet.py [--people 3 12 25 40 51] [--size 112] [--output FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from occlufer.synthesis.faces import FACES_A_PERSON, draw_face
from occlufer.types import EXPRESSIONS, UInt8Array

OUTPUT = Path(__file__).parents[1] / "docs/images/synthetic.png"

_HEADING = 20  # pixels


def contact_sheet(*, people: list[int], seed: int, difficulty: str, size: int) -> UInt8Array:
    """Faces side by side, with the expressions' names on top.

    Args:
        people: numbers of the persons to show, one row each.
        seed, difficulty, size: see `faces.draw_face`.

    Returns:
        uint8 RGB (20 + rows * size, 7 * size, 3).
    """
    heading = np.full((_HEADING, size * FACES_A_PERSON, 3), 255, np.uint8)
    for column, name in enumerate(EXPRESSIONS):
        where = (column * size + 4, _HEADING - 6)
        cv2.putText(heading, name, where, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
    rows = [heading]
    for person in people:
        indices = range(person * FACES_A_PERSON, (person + 1) * FACES_A_PERSON)
        faces = [draw_face(index, seed=seed, difficulty=difficulty, size=size) for index in indices]
        rows.append(np.concatenate([face.image_HWC for face in faces], axis=1))
    return np.concatenate(rows, axis=0)


def main() -> None:
    """Draw and write; 256 colours keep the file below 400 KB."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, nargs="+", default=[3, 12, 25, 40, 51])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--difficulty", default="default")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    sheet = contact_sheet(
        people=arguments.people, seed=arguments.seed, difficulty=arguments.difficulty, size=arguments.size
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(sheet).quantize(256, method=Image.Quantize.MEDIANCUT)
    picture.save(arguments.output, optimize=True)
    print(f"{arguments.output}: {arguments.output.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
