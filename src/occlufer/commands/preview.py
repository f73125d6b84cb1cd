"""`occlufer preview`: a contact sheet of faces under an occlusion."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from occlufer.commands.app import build, command, plain
from occlufer.commands.checks import check_preview


@command("preview")
def main(config: DictConfig) -> None:
    """Draw faces spread evenly over the expressions of a split, as a network would meet them before augmentation."""
    import numpy as np
    from PIL import Image

    from occlufer.commands.assemble import make_faces, prepare_landmarks
    from occlufer.commands.console import say
    from occlufer.data.datamodule import usable_faces
    from occlufer.data.faces import ConditionedFaces, ImageFormat
    from occlufer.data.sheets import contact_sheet
    from occlufer.data.transforms import Augmentation
    from occlufer.files import atomic_path
    from occlufer.occlusion.none import NoOcclusion
    from occlufer.types import EXPRESSIONS, SPLITS, ConfigError, seeded_rng, unknown_name

    settings = plain(config)
    check_preview(settings)
    if settings["split"] not in SPLITS:
        raise ConfigError(unknown_name("split", settings["split"], SPLITS))
    faces = make_faces(settings)
    cache, _ = prepare_landmarks(settings, faces)
    usable = usable_faces(faces, cache)
    indices = np.array([index for index in faces.manifest.indices(settings["split"]) if usable[index]])
    if not len(indices):
        raise ConfigError(
            f"The {settings['split']} split of {faces.name} has no face with landmarks; choose another."
        )
    rng = seeded_rng(settings["seed"])
    # A shuffled round over the expressions: rare ones are seen as often as common ones.
    shuffled = rng.permutation(indices)
    labels = faces.manifest.labels[shuffled]
    rank = np.array([np.sum(labels[:i] == label) for i, label in enumerate(labels)])
    chosen = shuffled[np.lexsort((labels, rank))][: settings["count"]]
    side = settings["size"] or settings["tile"]

    def drawn(occluder: object) -> ConditionedFaces:
        return ConditionedFaces(
            faces=faces, indices=indices, cache=cache, view=build(settings["view"]), occluder=occluder,  # type: ignore[arg-type]
            augmentation=Augmentation(), image=ImageFormat.create(size=side, channels=3, mean=0.0, std=1.0),
            seed=settings["seed"], fixed=True,
        )  # fmt: skip

    covered, bare = drawn(build(settings["occlusion"])), drawn(NoOcclusion())
    tiles, captions = [], []
    for index in chosen:
        image_HWC, share, label = covered.render(int(index), 0)
        if settings["side_by_side"]:
            tiles.append(bare.render(int(index), 0)[0])
            captions.append(EXPRESSIONS[label])
        tiles.append(image_HWC)
        captions.append(f"{EXPRESSIONS[label]} {share:.0%}")
    columns = settings["columns"]
    starts = range(0, len(tiles), columns)
    sheet = contact_sheet(
        [tiles[start : start + columns] for start in starts],
        tile=settings["tile"],
        captions=[captions[start : start + columns] for start in starts],
    )
    path = Path(settings["output"]).expanduser()
    with atomic_path(path) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")
    say(
        f"{len(chosen)} faces of the {settings['split']} split (covered share of the face below each): {path}"
    )


if __name__ == "__main__":
    main()
