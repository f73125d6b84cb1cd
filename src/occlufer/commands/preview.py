"""`occlufer preview`: a contact sheet of faces under an occlusion."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from occlufer.commands.app import build, command, plain


@command("preview")
def main(config: DictConfig) -> None:
    """Draw faces spread evenly over the expressions of a split, as a network would meet them before augmentation."""
    import numpy as np
    from PIL import Image

    from occlufer.commands.assemble import make_faces, prepare_landmarks
    from occlufer.commands.console import out, say
    from occlufer.data.datamodule import usable_faces
    from occlufer.data.faces import ConditionedFaces, ImageFormat
    from occlufer.data.sheets import contact_sheet
    from occlufer.data.transforms import Augmentation
    from occlufer.files import atomic_path
    from occlufer.occlusion.none import NoOcclusion
    from occlufer.types import EXPRESSIONS, SPLITS, ConfigError, UInt8Array, seeded_rng, unknown_name

    settings = plain(config)
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

    occluder, bare = build(settings["occlusion"]), drawn(NoOcclusion())
    columns = settings["columns"]
    tiles: list[list[UInt8Array]] = []
    captions: list[list[str]] = []
    names: list[str] = []
    if settings["severities"]:
        chosen = chosen[:columns]
        for severity in settings["severities"]:
            covered = drawn(occluder.at_severity(float(severity)))
            rendered = [covered.render(int(index), 0) for index in chosen]
            tiles.append([image_HWC for image_HWC, _, _ in rendered])
            captions.append([f"{EXPRESSIONS[label]} {share:.0%}" for _, share, label in rendered])
            mean = np.mean([share for _, share, _ in rendered])
            names.append(f"severity {severity:g}: {mean:.0%} of the face")
    else:
        covered = drawn(occluder)
        row: list[tuple[UInt8Array, str]] = []
        for index in chosen:
            image_HWC, share, label = covered.render(int(index), 0)
            if settings["side_by_side"]:
                row.append((bare.render(int(index), 0)[0], EXPRESSIONS[label]))
            row.append((image_HWC, f"{EXPRESSIONS[label]} {share:.0%}"))
        for start in range(0, len(row), columns):
            tiles.append([image_HWC for image_HWC, _ in row[start : start + columns]])
            captions.append([caption for _, caption in row[start : start + columns]])
    sheet = contact_sheet(tiles, tile=settings["tile"], captions=captions, row_names=names or None)
    path = Path(settings["output"])
    with atomic_path(path) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")
    say(
        f"{len(chosen)} faces of the {settings['split']} split (covered share of the face below each): {path}"
    )
    if settings["scores"]:
        from occlufer.commands.scoring import score_table

        detector = build(settings["landmarks"])
        many = map(int, shuffled[: settings["score_count"]])
        for line in score_table(faces, many, cache, occluder, settings=detector, seed=settings["seed"]):
            out.print(line, markup=False, highlight=False)


if __name__ == "__main__":
    main()
