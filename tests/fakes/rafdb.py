"""A tiny rafdb on disk."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from fakes.textures import FakeImages, texture
from occlufer.datasets.rafdb import CODES, LABEL_FILES, PUBLISHED
from occlufer.types import EXPRESSIONS


def make_fake(
    root: Path,
    *,
    layout: str = "official",
    per_class: int = 4,
    label_file: str = LABEL_FILES[0],
    images: FakeImages = texture,
) -> Path:
    """Write a tiny RAF-DB for tests, with `rafdb_occlusion_list.txt` beside it, and return what to give as `root`.

    The list names every second test face and, as the real one, ends its lines by CR LF and has a row twice.

    Args:
        root: a folder, made if it is not there.
        layout: "official" or "mirror".
        per_class: images of each expression in each part.
        label_file: the spelling of the official label file.
        images: (label in the order of `EXPRESSIONS`, running number) -> uint8 (H, W) or (H, W, 3). The number is
            different for every image.
    """
    codes = {expression: code for code, expression in CODES.items()}
    rows: dict[str, list[tuple[str, str]]] = {split: [] for split in PUBLISHED}
    number = 0
    for split, named_faces in rows.items():
        for label, expression in enumerate(EXPRESSIONS):
            for _ in range(per_class):
                number += 1
                stem = f"{split}_{number:0{5 if split == 'train' else 4}d}"
                within = Path("basic/Image/aligned")
                if layout == "mirror":
                    within = Path("DATASET") / split / codes[expression]
                (root / within).mkdir(parents=True, exist_ok=True)
                Image.fromarray(images(label, number)).save(root / within / f"{stem}_aligned.jpg", quality=95)
                named_faces.append((stem, codes[expression]))
    if layout == "mirror":
        for split, faces in rows.items():
            lines = ["image,label", *(f"{stem}_aligned.jpg,{code}" for stem, code in faces)]
            (root / f"{split}_labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        (root / "basic/EmoLabel").mkdir()
        lines = [f"{stem}.jpg {code}" for faces in rows.values() for stem, code in faces]
        (root / "basic/EmoLabel" / label_file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    occluded = [f"{stem}_aligned {int(code) - 1} {1 + place % 4}"
                for place, (stem, code) in enumerate(rows["test"][::2])]  # fmt: skip
    (root / "rafdb_occlusion_list.txt").write_bytes("\r\n".join([*occluded, occluded[-1], ""]).encode())
    return root
