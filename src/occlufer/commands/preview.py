"""`occlufer preview`: a contact sheet of faces under an occlusion, and how well the occluder sits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from occlufer.commands.app import build, command, plain
from occlufer.commands.checks import check_preview

if TYPE_CHECKING:
    from occlufer.data.faces import ConditionedFaces
    from occlufer.datasets.base import FaceDataset
    from occlufer.types import BoolArray, IntArray, UInt8Array

    Sheet = tuple[list[list[UInt8Array]], list[list[str]], list[str]]  # tiles, captions, names of the rows


@command("preview")
def main(config: DictConfig) -> None:
    """Draw faces spread evenly over the expressions of a split, as a network would meet them before augmentation."""
    from PIL import Image

    from occlufer.commands.assemble import make_faces, prepare_landmarks
    from occlufer.commands.console import out, say
    from occlufer.data.datamodule import usable_faces
    from occlufer.data.faces import ConditionedFaces, ImageFormat
    from occlufer.data.sheets import contact_sheet
    from occlufer.data.transforms import Augmentation
    from occlufer.files import atomic_path

    settings = plain(config)
    check_preview(settings)
    faces = make_faces(settings)
    cache, _ = prepare_landmarks(settings, faces)
    shuffled = _shuffled(faces, usable_faces(faces, cache), settings)
    chosen = shuffled[: settings["count"]]
    occluder = build(settings["occlusion"])
    view = build(settings["view"])
    image = ImageFormat.create(size=settings["size"] or settings["tile"], channels=3, mean=0.0, std=1.0)

    def drawn(by: Any) -> ConditionedFaces:
        return ConditionedFaces(
            faces=faces, indices=shuffled, cache=cache, view=view, occluder=by, augmentation=Augmentation(),
            image=image, seed=settings["seed"], fixed=True,
        )  # fmt: skip

    if settings["severities"]:
        tiles, captions, names = _severity_rows(drawn, occluder, chosen, settings)
    else:
        tiles, captions, names = _face_rows(drawn, occluder, chosen, settings)
    sheet = contact_sheet(tiles, tile=settings["tile"], captions=captions, row_names=names or None)
    path = Path(settings["output"]).expanduser()
    with atomic_path(path) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")
    say(
        f"{len(chosen)} faces of the {settings['split']} split (covered share of the face below each): {path}"
    )
    if settings["scores"]:
        from occlufer.commands.placement import score_table

        detector = build(settings["landmarks"])
        many = map(int, shuffled[: settings["score_count"]])
        for line in score_table(faces, many, cache, occluder, settings=detector, seed=settings["seed"]):
            out.print(line, markup=False, highlight=False)


def _shuffled(faces: FaceDataset, usable: BoolArray, settings: dict[str, Any]) -> IntArray:
    """Faces of the split in a shuffled round over the expressions: rare ones are seen as often as common ones."""
    import numpy as np

    from occlufer.types import SPLITS, ConfigError, seeded_rng, unknown_name

    if settings["split"] not in SPLITS:
        raise ConfigError(unknown_name("split", settings["split"], SPLITS))
    of_split = faces.manifest.indices(settings["split"])
    indices = of_split[usable[of_split]]
    if not len(indices):
        raise ConfigError(
            f"The {settings['split']} split of {faces.name} has no face with landmarks; choose another."
        )
    shuffled = seeded_rng(settings["seed"]).permutation(indices)
    labels = faces.manifest.labels[shuffled]
    rank = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        rank[labels == label] = np.arange((labels == label).sum())
    rounds: IntArray = shuffled[np.lexsort((labels, rank))]
    return rounds


def _face_rows(
    drawn: Callable[[Any], ConditionedFaces], occluder: Any, chosen: IntArray, settings: dict[str, Any]
) -> Sheet:
    """The chosen faces under the occluder, with the bare face before each if asked for."""
    from occlufer.occlusion.none import NoOcclusion
    from occlufer.types import EXPRESSIONS

    covered, bare = drawn(occluder), drawn(NoOcclusion())
    row: list[tuple[UInt8Array, str]] = []
    for index in map(int, chosen):
        image_HWC, share, label = covered.render(index, 0)
        if settings["side_by_side"]:
            row.append((bare.render(index, 0)[0], EXPRESSIONS[label]))
        row.append((image_HWC, f"{EXPRESSIONS[label]} {share:.0%}"))
    rows = [row[start : start + settings["columns"]] for start in range(0, len(row), settings["columns"])]
    return [[tile for tile, _ in part] for part in rows], [[text for _, text in part] for part in rows], []


def _severity_rows(
    drawn: Callable[[Any], ConditionedFaces], occluder: Any, chosen: IntArray, settings: dict[str, Any]
) -> Sheet:
    """The same faces at each severity, a row each, named by the mean covered share."""
    from occlufer.types import EXPRESSIONS

    tiles, captions, names = [], [], []
    for severity in settings["severities"]:
        covered = drawn(occluder.at_severity(float(severity)))
        rendered = [covered.render(int(index), 0) for index in chosen[: settings["columns"]]]
        tiles.append([image_HWC for image_HWC, _, _ in rendered])
        captions.append([f"{EXPRESSIONS[label]} {share:.0%}" for _, share, label in rendered])
        mean = sum(share for _, share, _ in rendered) / len(rendered)
        names.append(f"severity {severity:g}: {mean:.0%} of the face")
    return tiles, captions, names


if __name__ == "__main__":
    main()
