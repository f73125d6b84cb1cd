"""Draw docs/images/conditions.png for README.md: drawn faces, bare, under a mask and under a headset.

    .venv/bin/python scripts/figures.py

Uses the drawn faces and the landmark cache below outputs/cache, and makes both where they are missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hydra
import numpy as np
from PIL import Image

from occlufer.building import build, plain
from occlufer.data.rendered import FaceRenderer
from occlufer.data.sheets import contact_sheet
from occlufer.settings import conf_folder
from occlufer.tasks.faces import prepare_landmarks
from occlufer.types import EXPRESSIONS, UInt8Array, seeded_rng

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "conditions.png"
CONDITIONS = ("none", "mask", "headset")
SIDE, COLUMNS = 128, len(EXPRESSIONS)


def configuration(condition: str) -> dict[str, Any]:
    """The preview command's configuration of a condition, with faces of 128 pixels."""
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        words = [f"occlusion={condition}", "dataset.size=70", f"dataset.image_size={SIDE}", "dataset.seed=3",
                 "view.margin=0.15", "output=-"]  # fmt: skip
        settings: dict[str, Any] = plain(hydra.compose("preview", words))
        return settings


def main() -> None:
    """One row a condition, one column an expression, another person in each column."""
    settings = {name: configuration(name) for name in CONDITIONS}
    faces = build(settings["none"]["dataset"])
    cache, _ = prepare_landmarks(settings["none"], faces)
    chosen = [_one_of(faces, label, label + 1) for label in range(COLUMNS)]
    rows: list[list[UInt8Array]] = []
    for name in CONDITIONS:
        view, occluder = build(settings[name]["view"]), build(settings[name]["occlusion"])
        render = FaceRenderer(faces, cache, view, occluder, seed=1)
        rows.append([render(index, hw=(SIDE, SIDE)).occluded_HWC for index in chosen])
    sheet = contact_sheet(rows, tile=SIDE, row_names=list(CONDITIONS))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(OUTPUT, optimize=True)
    print(OUTPUT)


def _one_of(faces: Any, label: int, person: int) -> int:
    """The index of an expression shown by the given person, so that no two columns show the same one."""
    persons = faces.manifest.frame["subject"].unique()
    wanted = persons[person % len(persons)]
    frame = faces.manifest.frame
    found = np.flatnonzero((frame["subject"] == wanted) & (frame["label"] == label))
    return int(found[seeded_rng(label).integers(len(found))])


if __name__ == "__main__":
    main()
