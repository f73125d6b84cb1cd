"""The answers of `occlufer predict`: rows as they come, printed, written as JSON or csv, drawn into pictures."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from occlufer.building import build
from occlufer.console import progress
from occlufer.inference.predictor import BARE, Prediction, Predictor
from occlufer.inference.sources import Shot, listed, shots
from occlufer.inference.tracks import Tracks
from occlufer.reading import printable
from occlufer.tasks.annotating import annotate
from occlufer.types import ConfigError, OccluferError

if TYPE_CHECKING:
    from occlufer.inference.explained import Explainer

NO_FACE, UNSURE = "no face was found.", "unsure"
NO_MESH = "no mesh: nothing can be put on this face."
_FLAT = ("source", "face", "frame", "seconds", "found_by", "condition", "expression", "note")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What `occlufer predict` was asked for; see its help."""

    paths: Sequence[str]
    network: str | None = None
    trusted: Sequence[str] = ()
    json: bool = False
    csv: str | None = None
    annotate: str | None = None
    explain: str | None = None
    min_confidence: float = 0.0
    every: float = 0.0
    smooth: float = 0.0
    flip: bool = True


def predict(asked: Request, nodes: Mapping[str, Any]) -> int:
    """Read everything and say it; returns the number of faces that were read.

    Args:
        asked: the request, checked.
        nodes: configuration of each occluder that faces are also put under, by name.

    Raises:
        ConfigError: no path is there, or an output cannot be written.
        RunError: no such network.
    """
    files = listed(asked.paths)
    occluders = {name: build(node) for name, node in nodes.items() if name != BARE}
    predictor = Predictor(asked.network, occluders=occluders, flip=asked.flip, trusted=asked.trusted)
    explainer = None
    if asked.explain:
        from occlufer.inference.explained import Explainer  # with torch, and for this alone

        explainer = Explainer(predictor, asked.network, trusted=asked.trusted)
    quiet = asked.json or asked.csv
    shown = progress("Frames" if len(files) == 1 else "Files") if quiet else contextlib.nullcontext(_nothing)
    with shown as update, _Output(asked, predictor.classes) as say:
        read = 0
        for row in _rows(files, predictor, explainer, asked, update):
            read += row["expression"] is not None and row["condition"] == BARE
            say(row)
    return read


def _nothing(done: int, total: int) -> None:
    """No progress: the rows show it."""


def _rows(
    files: Mapping[str, str],
    predictor: Predictor,
    explainer: Explainer | None,
    asked: Request,
    update: Callable[[int, int], None],
) -> Iterator[Row]:
    """A row a face and condition; a row with a note for whatever has none."""
    for number, (file, missing) in enumerate(files.items()):
        tracks = Tracks(asked.smooth) if asked.smooth else None
        for shot in [Shot(file, None, note=missing)] if missing else shots(file, every=asked.every):
            where: Row = {"source": shot.source, "frame": shot.frame, "seconds": shot.seconds}
            if shot.image_HWC is None:
                yield _empty(where, shot.note)
                continue
            try:
                faces = predictor.find(shot.image_HWC)
                shown = [predictor.render(shot.image_HWC, face) for face in faces]
                (found,) = predictor.answers([faces], [shown])
            except OccluferError as error:
                yield _empty(where, str(error))
                continue
            followed: Sequence[tuple[int | None, Prediction]] = [(None, face) for face in found]
            if tracks and shot.seconds is not None:
                followed = tracks(found, shot.seconds)
                found = [face for _, face in followed]
            if asked.annotate:
                folder = Path(asked.annotate).expanduser()
                annotate(folder, _stem(number, shot), shot.image_HWC, faces, found, predictor.occluders)
            if explainer:
                folder = Path(asked.explain or "").expanduser()
                explainer.write(folder, _stem(number, shot), shown, found)
            if not found:
                yield _empty(where, NO_FACE)
            for track, face in followed:
                here = where | ({"track": track} if tracks else {})
                yield here | _said(face, asked.min_confidence)
                if faces[face.face].landmarks_N3 is None:
                    for name in predictor.occluders:
                        yield _empty(here, NO_MESH) | _at(face) | {"condition": name}
            if len(files) == 1 and shot.frame is not None:
                update(min(shot.frame + 1, shot.frames), shot.frames)
        if len(files) > 1:
            update(number + 1, len(files))


def _said(face: Prediction, least: float) -> Row:
    return _at(face) | {
        "condition": face.condition, "expression": UNSURE if face.confidence < least else face.expression,
        "probabilities": {name: round(value, 6) for name, value in face.probabilities.items()},
        "covered_share": None if math.isnan(face.covered_share) else round(face.covered_share, 4),
        "note": "" if face.found_by == "face mesh" else f"no mesh: by the {face.found_by}.",
    }  # fmt: skip


def _at(face: Prediction) -> Row:
    return {"face": face.face, "box": [round(value, 1) for value in face.box], "found_by": face.found_by}


def _empty(where: Row, note: str) -> Row:
    nothing = dict.fromkeys(
        ("face", "box", "found_by", "condition", "expression", "probabilities", "covered_share")
    )
    return where | nothing | {"note": note}


class _Output:
    """Where rows go: a csv file, one JSON object, or else the terminal, as they come."""

    def __init__(self, asked: Request, classes: tuple[str, ...]) -> None:
        self._asked, self._classes = asked, classes
        self._flat = (*_FLAT, "track") if asked.smooth else _FLAT

    def __enter__(self) -> Any:
        self._count = 0
        self._file = None
        if self._asked.csv:
            try:
                self._file = (
                    Path(self._asked.csv)
                    .expanduser()
                    .open(
                        "w",
                        encoding="utf-8",
                        newline="",
                        errors="surrogateescape",  # names that are no UTF-8
                    )
                )
            except OSError as error:
                raise ConfigError(f"--csv {self._asked.csv} cannot be written: {error.strerror}.") from error
            self._writer = csv.writer(self._file)
            self._writer.writerow(
                [*self._flat, "x0", "y0", "x1", "y1", "covered_share", *(f"prob_{c}" for c in self._classes)]
            )
        if self._asked.json:
            sys.stdout.write('{"classes": ' + json.dumps(self._classes) + ', "rows": [')
        return self._say

    def _say(self, row: Row) -> None:
        if self._file:
            box, said = row["box"] or [""] * 4, row["probabilities"] or {}
            flat = ["" if row.get(name) is None else row[name] for name in self._flat]
            share = "" if row["covered_share"] is None else row["covered_share"]
            self._writer.writerow([*flat, *box, share, *(said.get(name, "") for name in self._classes)])
        if self._asked.json:
            sys.stdout.write(
                ("," if self._count else "") + "\n  " + json.dumps(row)
            )  # ASCII: some names are no UTF-8
        elif not self._file:  # there the progress is shown
            print(_line(row), flush=True)
        self._count += 1

    def __exit__(self, *failed: object) -> None:
        if self._file:
            self._file.close()
        if self._asked.json:
            sys.stdout.write("\n]}\n")


def _line(row: Row) -> str:
    at = "" if row["seconds"] is None else f" {row['seconds']:8.2f} s"
    name = printable(str(row["source"]))
    condition = "" if row["condition"] in (None, BARE) else f" under {row['condition']}"
    face = "" if row["face"] is None else f": face {row['face']}"
    where = f"{name}{at}{face}" + (f" (track {row['track']})" if "track" in row else "") + condition
    if row["expression"] is None:
        return f"{where}: {printable(row['note'])}"
    likely = sorted(row["probabilities"].items(), key=lambda item: -item[1])[:3]
    said = ", ".join(f"{expression} {value:.0%}" for expression, value in likely)
    share = f" ({row['covered_share']:.0%} covered)" if condition else ""
    return f"{where}{share}: {row['expression']} ({said}) {row['note']}".rstrip()


def _stem(number: int, shot: Shot) -> str:
    """How the names of a picture's own pictures begin."""
    return f"{number:05d}_{Path(shot.source).stem}" + ("" if shot.frame is None else f"_{shot.frame:06d}")
