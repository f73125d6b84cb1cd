"""Pictures with a box and the answer at each face, bare and under occluders: `occlufer predict --annotate DIR`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from occlufer.data.rendered import RenderedFace
from occlufer.data.view import StretchedImage
from occlufer.files import atomic_path
from occlufer.inference.faces import FoundFace
from occlufer.inference.predictor import BARE, Prediction
from occlufer.landmarks.boxes import square_around
from occlufer.occlusion.base import Occluder
from occlufer.types import UInt8Array, seeded_rng

_AROUND = 1.0  # of a face's box, on each side: straps and hair
_INK = (255, 210, 0)


def annotate(
    folder: Path, stem: str, picture_HWC: UInt8Array, faces: Sequence[FoundFace], answers: Sequence[Prediction],
    occluders: Mapping[str, Occluder[Any]],
) -> None:  # fmt: skip
    """Write FOLDER/STEM.png, and FOLDER/STEM_NAME.png for each occluder that any face could be put under.

    Args:
        picture_HWC: uint8 RGB; left untouched.
        faces: of the picture.
        answers: for them, see `Predictor.answers`.
        occluders: by name.
    """
    _write(folder / f"{stem}.png", picture_HWC, [answer for answer in answers if answer.condition == BARE])
    for name, occluder in occluders.items():
        if said := [answer for answer in answers if answer.condition == name]:
            _write(folder / f"{stem}_{name}.png", _covered(picture_HWC, faces, occluder), said)


def _covered(picture_HWC: UInt8Array, faces: Sequence[FoundFace], occluder: Occluder[Any]) -> UInt8Array:
    """The picture with the occluder on each face that has a mesh."""
    covered_HWC = picture_HWC.copy()
    for face in faces:
        if face.landmarks_N3 is None:
            continue
        # Occluders make pictures of decimals: of what is around the face, not of a hundred million pixels.
        left, top, right, bottom = square_around(face.box, _AROUND, picture_HWC.shape)
        around_HWC = covered_HWC[top:bottom, left:right]
        moved_N3 = (face.landmarks_N3 - np.array([left, top, 0])).astype(np.float32)
        around_HWC[:] = RenderedFace(
            np.ascontiguousarray(around_HWC), moved_N3, view=StretchedImage(), occluder=occluder, hw=None,
            rng=seeded_rng(0),
        ).occluded_HWC  # fmt: skip
    return covered_HWC


def _write(path: Path, picture_HWC: UInt8Array, answers: Sequence[Prediction]) -> None:
    picture = Image.fromarray(picture_HWC)
    draw = ImageDraw.Draw(picture)
    size = max(picture.height // 40, 10)
    for answer in answers:
        draw.rectangle(answer.box, outline=_INK, width=max(size // 8, 1))
        label = f"{answer.face}: {answer.expression} {answer.confidence:.0%}"
        place = (max(answer.box[0], 0), max(answer.box[1] - size - 2, 0))
        draw.text(place, label, fill=_INK, stroke_width=1, stroke_fill=(0, 0, 0),
                  font=ImageFont.load_default(size=size))  # fmt: skip
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG")
