"""A contact sheet of faces under an occlusion, and how well the occluder sits."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from occlufer.analysis.core.words import count
from occlufer.building import build
from occlufer.console import out, say
from occlufer.data.rendered import FaceRenderer, RenderedFace
from occlufer.data.sheets import contact_sheet
from occlufer.data.usable import usable_faces
from occlufer.datasets.base import FaceDataset
from occlufer.files import atomic_path
from occlufer.occlusion.base import Occluder
from occlufer.occlusion.none import NoOcclusion
from occlufer.tasks.faces import make_faces, prepare_landmarks
from occlufer.tasks.placement import score_table
from occlufer.types import SPLITS, BoolArray, ConfigError, IntArray, UInt8Array, seeded_rng, unknown_name

Render = Callable[[Occluder[Any], int, int], RenderedFace]
"""Occluder, number of the draw, row of the manifest -> the face."""

Sheet = tuple[list[list[UInt8Array]], list[list[str]], list[str]]
"""Tiles, captions, names of the rows."""


def preview(settings: dict[str, Any]) -> None:
    """See `occlufer.commands.preview`; `settings` are those of conf/preview.yaml, checked."""
    faces = make_faces(settings)
    asked = [name for name in ("scores", "severities", "side_by_side") if settings[name]]
    if faces.covered and asked:
        raise ConfigError(
            f"The faces of {faces.name} are covered already: nothing is placed on them, and there is no bare face "
            f"to show. Leave {' and '.join(asked)} out."
        )
    cache, _ = prepare_landmarks(settings, faces)
    shuffled = _shuffled(faces, usable_faces(faces, cache), settings["split"], settings["seed"])
    chosen = shuffled[: settings["count"]]
    occluder = build(settings["occlusion"])
    view = build(settings["view"])
    size = settings["size"] or settings["tile"]
    hw = (size[0], size[1]) if isinstance(size, list) else (size, size)

    def render(by: Occluder[Any], draw: int, index: int) -> RenderedFace:
        return FaceRenderer(faces, cache, view, by, settings["seed"] + draw)(index, hw=hw)

    if settings["severities"] or settings["draws"] > 1:
        chosen = chosen[: settings["columns"]]
        tiles, captions, names = _named_rows(render, occluder, chosen, settings)
    else:
        tiles, captions, names = _face_rows(render, occluder, chosen, settings)
    sheet = contact_sheet(tiles, tile=settings["tile"], captions=captions, row_names=names or None)
    path = Path(settings["output"]).expanduser()
    with atomic_path(path) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")
    say(
        f"{count(len(chosen), 'face')} of the {settings['split']} split, with the covered share below each: {path}"
    )
    if settings["scores"]:
        detector = build(settings["landmarks"])
        many = map(int, shuffled[: settings["score_count"]])
        for line in score_table(faces, many, cache, occluder, settings=detector, seed=settings["seed"]):
            out.print(line, markup=False, highlight=False)


def _shuffled(faces: FaceDataset, usable: BoolArray, split: str, seed: int) -> IntArray:
    """Faces of the split in random order, one expression after the other: rare ones come as often as common ones."""
    if split not in SPLITS:
        raise ConfigError(unknown_name("split", split, SPLITS))
    of_split = faces.manifest.indices(split)
    indices = of_split[usable[of_split]]
    if not len(indices):
        raise ConfigError(f"The {split} split of {faces.name} has no face with landmarks; choose another.")
    shuffled = seeded_rng(seed).permutation(indices)
    labels = faces.manifest.labels[shuffled]
    rank = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        rank[labels == label] = np.arange((labels == label).sum())
    rounds: IntArray = shuffled[np.lexsort((labels, rank))]
    return rounds


def _face_rows(render: Render, occluder: Occluder[Any], chosen: IntArray, settings: dict[str, Any]) -> Sheet:
    """The chosen faces under the occluder, with the bare face before each if asked for."""
    row: list[tuple[UInt8Array, str]] = []
    for index in map(int, chosen):
        face = render(occluder, 0, index)
        if settings["side_by_side"]:
            row.append((face.clean_HWC, face.expression))
        row.append((face.occluded_HWC, _caption(face)))
    rows = [row[start : start + settings["columns"]] for start in range(0, len(row), settings["columns"])]
    return [[tile for tile, _ in part] for part in rows], [[text for _, text in part] for part in rows], []


def _caption(face: RenderedFace) -> str:
    """The expression, and the covered share where it is known."""
    share = face.covered_share
    return face.expression if math.isnan(share) else f"{face.expression} {share:.0%}"


def _named_rows(render: Render, occluder: Occluder[Any], chosen: IntArray, settings: dict[str, Any]) -> Sheet:
    """The same faces in each row: at each severity, or under another draw of the occluder; bare first if asked for."""
    rows: list[tuple[str, Occluder[Any], int]] = (
        [("bare", NoOcclusion(), 0)] if settings["side_by_side"] else []
    )
    for severity in settings["severities"] or [None]:
        dialled = occluder if severity is None else occluder.at_severity(float(severity))
        at = [] if severity is None else [f"severity {severity:g}"]
        for draw in range(settings["draws"]):
            name = ", ".join([*at, f"draw {draw + 1}"] if settings["draws"] > 1 else at)
            rows.append((name, dialled, draw))
    tiles, captions, names = [], [], []
    for name, by, draw in rows:
        rendered = [render(by, draw, int(index)) for index in chosen]
        tiles.append([face.occluded_HWC for face in rendered])
        captions.append([_caption(face) for face in rendered])
        mean = sum(face.covered_share for face in rendered) / len(rendered)
        names.append(name if math.isnan(mean) else f"{name}: {mean:.0%} of the face")
    return tiles, captions, names
