"""A tiny ferplus on disk."""

from __future__ import annotations

from pathlib import Path

from fakes.fer2013_csv import write_csv
from fakes.textures import FakeImages, grey48, texture
from occlufer.datasets.ferplus import PUBLISHED, VOTES_FILE
from occlufer.datasets.ferplus_votes import CHOICES
from occlufer.types import EXPRESSIONS, UInt8Array


def make_fake(
    root: Path, *, layout: str = "fer2013.csv", per_class: int = 4, images: FakeImages = texture
) -> Path:
    """Write a tiny FER2013 csv file with its votes for tests, and return what to give as `root`.

    Five more training faces are those that the majority rule leaves out: no image name, contempt, unknown, no
    majority, single votes only.

    Args:
        root: a folder, made if it is not there.
        layout: "fer2013.csv" or "icml_face_data.csv".
        per_class: faces of each expression in Training, PublicTest and PrivateTest.
        images: (label in the order of `EXPRESSIONS`, running number) -> uint8 (H, W) or (H, W, 3); made grey
            and 48x48. The number is different for every image.
    """
    faces: list[tuple[str, int, UInt8Array]] = []
    lines = [f"Usage,Image name,{','.join(CHOICES)}"]

    def add(usage: str, label: int, votes: dict[str, int], image: str | None = None) -> None:
        number = len(faces)
        faces.append((usage, label, grey48(images(label, number))))
        cells = [usage, f"fer{number:07d}.png" if image is None else image]
        lines.append(",".join([*cells, *(str(votes.get(choice, 0)) for choice in CHOICES)]))

    for votes in ({"contempt": 8, "anger": 2}, {"unknown": 6, "fear": 4}, {"sadness": 5, "neutral": 5},
                  dict.fromkeys(CHOICES, 1)):  # fmt: skip
        add("Training", 0, votes)
    add("Training", 0, {"NF": 10}, image="")
    for usage in PUBLISHED:
        for label, expression in enumerate(EXPRESSIONS):
            for _ in range(per_class):
                add(usage, label, {expression: 6, EXPRESSIONS[label - 1]: 3, "unknown": 1})
    root.mkdir(parents=True, exist_ok=True)
    write_csv(root / layout, faces)
    (root / VOTES_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root
