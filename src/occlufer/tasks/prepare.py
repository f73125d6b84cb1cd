"""Landmarks and near-duplicates of a dataset, found once, and how many faces have them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from occlufer.analysis.core.words import count
from occlufer.console import out, progress, say, table
from occlufer.data.sheets import contact_sheet, fitted
from occlufer.data.usable import coverage_table, left_out_faces, reasons_left_out, usable_faces
from occlufer.datasets.base import FaceDataset
from occlufer.datasets.crops import BOX
from occlufer.datasets.near_duplicates import (
    find_near_duplicates,
    near_duplicate_notes,
    pairs_path,
    read_pairs,
    write_pairs,
)
from occlufer.files import atomic_path, write_text
from occlufer.landmarks.cache import LandmarkCache
from occlufer.tasks.faces import NEAR_DUPLICATES, make_faces, prepare_landmarks
from occlufer.types import ImageError, UInt8Array

_TILE, _COLUMNS, _ROWS = 96, 12, 3  # of the sheet of dropped images: pixels, tiles a row, rows a reason


def prepare(settings: dict[str, Any]) -> None:
    """See `occlufer.commands.prepare`; `settings` are those of conf/prepare.yaml, checked."""
    faces = make_faces(settings)
    _look_for_near_duplicates(settings, faces)
    cache, report = prepare_landmarks(settings, faces, verify=True)
    coverage = coverage_table(faces, usable_faces(faces, cache))
    coverage["found %"] = (100 * coverage["used"] / coverage["faces"]).round(1)
    out.print(table(coverage, f"{'Readable faces' if faces.covered else 'Landmarks'} in {faces.name}"))
    by_split = coverage.groupby("split", sort=False)[["faces", "used", "dropped"]].sum().reset_index()
    by_split["found %"] = (100 * by_split["used"] / by_split["faces"]).round(2)
    out.print(table(by_split, "By split"))
    _list_dropped(Path(settings["output"]).expanduser(), faces, cache)
    if faces.covered:
        return
    speed = (
        f", {report.looked_at:,} looked at now in {report.seconds:.1f} s by "
        f"{count(max(report.workers, 1), 'worker')}: {report.faces_a_second:.0f} a second"
        if report.looked_at
        else ", nothing to do"
    )
    out.print(
        f"{report.found:,} of {report.total:,} faces have landmarks{speed}.", markup=False, highlight=False
    )
    stages = ", ".join(f"{stage} {images:,}" for stage, images in report.stages.items())
    out.print(f"By stage: {stages}. Cache: {cache.path}", markup=False, highlight=False)


def _list_dropped(folder: Path, faces: FaceDataset, cache: LandmarkCache) -> None:
    """Every face that is left out with its reason, a sheet of those that can be shown, and where crops were cut out."""
    reasons = reasons_left_out(faces, cache)
    dropped = left_out_faces(faces, reasons)
    write_text(folder / "dropped.csv", dropped.to_csv(index=False))
    if BOX[0] in faces.manifest.frame:
        cut = faces.manifest.frame.dropna(subset=list(BOX))[["key", *BOX, "others"]]
        write_text(folder / "crops.csv", cut.astype(dict.fromkeys(BOX, int)).to_csv(index=False))
    sheet = folder / "dropped.png"
    rows, names = _dropped_rows(faces, reasons)
    if rows:
        with atomic_path(sheet) as temporary:
            picture = contact_sheet(rows, tile=_TILE, row_names=names, columns=_COLUMNS)
            Image.fromarray(picture).save(temporary, format="PNG")
    else:
        sheet.unlink(missing_ok=True)
    out.print(
        f"{len(dropped):,} files or rows are left out of all conditions; why: {folder / 'dropped.csv'}"
        + f"; a sheet of them: {sheet}" * bool(rows), markup=False, highlight=False,
    )  # fmt: skip


def _dropped_rows(
    faces: FaceDataset, reasons: NDArray[np.object_]
) -> tuple[list[list[UInt8Array]], list[str]]:
    """Up to `_ROWS` rows of images for each reason, and what stands above each row."""
    rows, names = [], []
    for reason in dict.fromkeys(reasons[reasons != ""]):
        indices = np.flatnonzero(reasons == reason)
        tiles = []
        for index in indices[: _ROWS * _COLUMNS]:
            with contextlib.suppress(ImageError):
                tiles.append(fitted(faces.load_image(int(index)), _TILE))
        for start in range(0, len(tiles), _COLUMNS):
            rows.append(tiles[start : start + _COLUMNS])
            names.append(f"{reason}: {len(indices):,}, of which {len(tiles)} are shown" if start == 0 else "")
    return rows, names


def _look_for_near_duplicates(settings: dict[str, Any], faces: FaceDataset) -> None:
    """Compare images across splits, unless that was done, and say what was found."""
    path = pairs_path(Path(settings["paths"]["cache"]) / NEAR_DUPLICATES, faces)
    pairs = read_pairs(path)
    if pairs is None:
        with progress("Comparing images across splits") as update:
            pairs = find_near_duplicates(faces, on_progress=update)
        write_pairs(path, pairs)
    for note in near_duplicate_notes(pairs) or ("No near-duplicate images across splits.",):
        say(note)
    if len(pairs):
        say(f"All pairs, the most alike first: {path}")
