"""Landmarks and near-duplicates of a dataset, found once, and how many faces have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from occlufer.console import out, progress, say, table
from occlufer.datasets.base import FaceDataset
from occlufer.datasets.near_duplicates import (
    find_near_duplicates,
    near_duplicate_notes,
    pairs_path,
    write_pairs,
)
from occlufer.tasks.assemble import NEAR_DUPLICATES, landmark_coverage, make_faces, prepare_landmarks


def prepare(settings: dict[str, Any]) -> None:
    """See `occlufer.commands.prepare`; `settings` are those of conf/prepare.yaml, checked."""
    faces = make_faces(settings)
    _look_for_near_duplicates(settings, faces)
    cache, report = prepare_landmarks(settings, faces, verify=True)
    coverage = landmark_coverage(faces, cache)
    coverage["found %"] = (100 * coverage["used"] / coverage["faces"]).round(1)
    out.print(table(coverage, f"{'Readable faces' if faces.covered else 'Landmarks'} in {faces.name}"))
    by_split = coverage.groupby("split", sort=False)[["faces", "used", "dropped"]].sum().reset_index()
    by_split["found %"] = (100 * by_split["used"] / by_split["faces"]).round(2)
    out.print(table(by_split, "By split"))
    if faces.covered:
        return
    speed = (
        f", {report.looked_at:,} looked at now in {report.seconds:.1f} s by {max(report.workers, 1)} process(es): "
        f"{report.faces_a_second:.0f} a second"
        if report.looked_at
        else ", nothing to do"
    )
    out.print(
        f"{report.found:,} of {report.total:,} faces have landmarks{speed}.", markup=False, highlight=False
    )
    stages = ", ".join(f"{stage} {count:,}" for stage, count in report.stages.items())
    out.print(f"By stage: {stages}. Cache: {cache.path}", markup=False, highlight=False)


def _look_for_near_duplicates(settings: dict[str, Any], faces: FaceDataset) -> None:
    """Compare images across splits, unless that was done: then `make_faces` has said what was found."""
    path = pairs_path(Path(settings["paths"]["cache"]) / NEAR_DUPLICATES, faces)
    if path.is_file():
        return
    with progress("Comparing images across splits") as update:
        pairs = find_near_duplicates(faces, on_progress=update)
    write_pairs(path, pairs)
    for note in near_duplicate_notes(pairs) or ("No near-duplicate images across splits.",):
        say(note)
    if len(pairs):
        say(f"All pairs, the most alike first: {path}")
