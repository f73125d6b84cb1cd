"""`occlufer prepare` on ordinary photographs: what is kept, and the list and the sheet of what is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from conftest import RunCommand
from occlufer.types import EXPRESSIONS

from .landmark_fakes import draw_face


def write_photos(root: Path) -> Path:
    """Three photographs of each expression, of 300 x 420 pixels with a face of 100 somewhere; of the last three, one
    is no image and two show nobody."""
    rng = np.random.default_rng(0)
    rows = ["file,label"]
    for number in range(24):
        image = np.full((300, 420, 3), (120, 140, 150), np.uint8)
        image[:, :, 0] += np.uint8(number)
        if number < 21:
            left, top = rng.integers(0, 320), rng.integers(0, 200)
            image[top : top + 100, left : left + 100] = draw_face(100)
        root.mkdir(exist_ok=True)
        Image.fromarray(image).save(root / f"{number:02d}.png")
        rows.append(f"{number:02d}.png,{EXPRESSIONS[number % 7]}")
    (root / "23.png").write_text("no image")
    (root / "labels.csv").write_text("\n".join([*rows, "99.png,fear", "98.png,contempt"]))
    return root


def test_photographs_are_kept_by_their_faces_and_the_rest_is_listed_and_shown(
    tmp_path: Path, run_command: RunCommand, capsys
) -> None:
    photos = write_photos(tmp_path / "photos")
    words = [f"dataset.root={photos}", f"paths.cache={tmp_path / 'cache'}", f"paths.outputs={tmp_path / 'out'}",
             "dataset=table", "dataset.name=mine", "dataset.crop=face", "landmarks.workers=0",
             "dataset.test_share=0.3", "dataset.validation_share=0.3"]  # fmt: skip
    run_command("prepare", words)
    folder = tmp_path / "out" / "prepare" / "mine"
    dropped = pd.read_csv(folder / "dropped.csv", keep_default_na=False).set_index("key")["reason"]
    assert dropped["21.png"] == dropped["22.png"] == "missed: no face"
    assert dropped["23.png"].startswith("not in the dataset: is not an image")
    assert dropped["99.png"].startswith("not in the dataset: their file is not there")
    assert "98.png" in dropped
    assert len(dropped) <= 6, "at most one drawn face is missed"
    crops = pd.read_csv(folder / "crops.csv")
    assert crops.columns.tolist() == ["key", "left", "top", "right", "bottom", "others"]
    assert len(crops) >= 20
    with Image.open(folder / "dropped.png") as sheet:
        assert sheet.width > 1000
    told = " ".join(capsys.readouterr().out.split())
    assert (
        f"{len(dropped)} files or rows are left out of all conditions; why: {folder / 'dropped.csv'}" in told
    )
