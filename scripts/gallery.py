"""Write the pictures of docs/gallery.md: every file of conf/occlusion on drawn faces, hard faces, and the dial.

python scripts/gallery.py [--output FOLDER] [--only NAME ...]

The faces are drawn here and their landmarks are known, so neither data nor a detector is needed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import hydra
import numpy as np
from PIL import Image

from occlufer.building import build
from occlufer.commands.options import group_options
from occlufer.data.sheets import contact_sheet
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.scores import covered_share
from occlufer.settings import conf_folder
from occlufer.synthesis.faces import draw_face
from occlufer.synthesis.renderer import Face
from occlufer.types import UInt8Array, seeded_rng
from special_faces import group_picture, special_faces

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "gallery"
TILE = 112
FACES = (0, 10, 16, 24, 32, 37, 48, 65)  # of the set with seed 3: eight people, all expressions
SEVERITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
QUALITY = 88
DRAWS = (1, 2, 5, 0)  # a white, a blue and a black mask, and a white one again


def main() -> None:
    """Draw and write; a picture is 20 to 60 KB."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--only", nargs="+", default=None, help="names of conf/occlusion, `special`, `dial`")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        occluders = {name: _occluder(name) for name in group_options("occlusion")}
    faces = [Face(*draw_face(i, seed=3, difficulty="default", size=TILE)[:2]) for i in FACES]
    sheets = {name: lambda o=o: _row(o, faces) for name, o in occluders.items()}
    sheets |= {f"dial_{name}": lambda n=name: _dial(occluders[n], faces[1]) for name in ("mask", "headset")}
    worn = [occluders["mask"], occluders["headset"]]
    sheets |= {
        f"special_{kind.replace(' ', '_')}": lambda f=f: _pair(worn, f) for kind, f in special_faces().items()
    }
    sheets["special_many_faces"] = lambda: _many(worn)
    for name, draw in sheets.items():
        if arguments.only is None or name in arguments.only or name.split("_")[0] in arguments.only:
            path = arguments.output / f"{name}.jpg"
            Image.fromarray(draw()).save(path, quality=QUALITY, optimize=True)
            print(f"{path}: {path.stat().st_size // 1024} KB")


def _occluder(name: str) -> Occluder[Any]:
    occluder: Occluder[Any] = build(hydra.compose(config_name=f"occlusion/{name}")["occlusion"])
    return occluder


def _worn(occluder: Occluder[Any], face: Face, draw: int) -> UInt8Array:
    return occluder(seeded_rng(draw), face.image_HWC, face.landmarks_N3)[0]


def _row(occluder: Occluder[Any], faces: list[Face]) -> UInt8Array:
    """Eight people, a draw each."""
    return contact_sheet([[_worn(occluder, face, draw) for draw, face in enumerate(faces)]], tile=TILE)


def _pair(occluders: list[Occluder[Any]], faces: list[Face]) -> UInt8Array:
    """Four faces under the first occluder, and the same four under the second."""
    row = [_worn(o, face, draw) for o in occluders for draw, face in zip(DRAWS, faces, strict=True)]
    return contact_sheet([row], tile=TILE)


def _many(occluders: list[Occluder[Any]]) -> UInt8Array:
    """One image of four faces: bare, and all faces covered by each occluder."""
    image_HWC, landmarks_FN3 = group_picture()
    row = [image_HWC]
    for occluder in occluders:
        covered, rng = image_HWC, seeded_rng(5)
        for landmarks_N3 in landmarks_FN3:
            covered, _ = occluder(rng, covered, landmarks_N3)
        row.append(covered)
    return contact_sheet([row], tile=2 * TILE)


def _dial(occluder: Occluder[Any], face: Face) -> UInt8Array:
    """One face along the dial, with the covered share of the face under each."""
    row, captions = [], []
    for severity in SEVERITIES:
        image_HWC, alpha_HW = occluder.at_severity(severity)(seeded_rng(0), face.image_HWC, face.landmarks_N3)
        row.append(np.asarray(image_HWC))
        captions.append(f"{severity:g}: {covered_share(alpha_HW, face.landmarks_N3):.0%} of the face")
    return contact_sheet([row], tile=TILE, captions=[captions])


if __name__ == "__main__":
    main()
