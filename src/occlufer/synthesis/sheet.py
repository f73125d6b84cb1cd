"""A contact sheet of drawn faces: a person a row, an expression a column."""

from __future__ import annotations

import cv2
import numpy as np

from occlufer.synthesis.faces import FACES_A_PERSON, draw_face
from occlufer.types import EXPRESSIONS, UInt8Array

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
