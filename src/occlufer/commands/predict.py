"""`occlufer predict`: the expression of every face in images, folders and videos. No Hydra app, and no torch."""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from occlufer.types import ConfigError, OccluferError

_FLAT = ("source", "face", "frame", "seconds", "found_by", "condition", "expression", "note")
NO_FACE, UNSURE = "no face was found.", "unsure"


def main() -> None:
    """Exit status 0 where at least one face was read, 3 where none, 2 for a wrong call."""
    parser = _parser()
    given = parser.parse_args(sys.argv[1:])
    try:
        read = _run(given)
        sys.stdout.flush()
    except OccluferError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:  # nobody reads on, as in `... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain at its end
        raise SystemExit(0) from None
    raise SystemExit(0 if read else 3)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="occlufer predict", description=__doc__.split("\n")[0], add_help=False
    )
    add = parser.add_argument
    add("paths", nargs="+", metavar="PATH")
    add("--run", metavar="RUN")
    add("--model", metavar="FILE")
    add("--occlude", default="", metavar="NAMES")
    add("--json", action="store_true")
    add("--csv", metavar="FILE")
    add("--annotate", metavar="DIR")
    add("--explain", metavar="DIR")
    add("--min-confidence", type=float, default=0.0, metavar="P")
    add("--every", type=float, default=0.0, metavar="SECONDS")
    add("--no-flip", action="store_true")
    add("--trusted", default="", metavar="PACKAGES")
    return parser


def _run(given: argparse.Namespace) -> int:
    """Read everything and say it; returns the number of faces that were read."""
    from occlufer.inference.predictor import Predictor
    from occlufer.inference.sources import listed

    if given.run and given.model:
        raise ConfigError("--run and --model both name a network. Give one of them.")
    if not 0 <= given.min_confidence <= 1 or not given.every >= 0:
        raise ConfigError("--min-confidence must be in 0..1 and --every 0 or more seconds.")
    files = listed(given.paths)
    occluders = _occluders([name for name in given.occlude.split(",") if name])
    trusted = [name for name in given.trusted.split(",") if name]
    predictor = Predictor(
        given.run or given.model, occluders=occluders, flip=not given.no_flip, trusted=trusted
    )
    explainer = None
    if given.explain:
        from occlufer.inference.explained import Explainer  # with torch

        explainer = Explainer(predictor, given.run or given.model, trusted=trusted)
    with _Output(given, predictor.classes) as say:
        read = 0
        for row in _rows(files, predictor, given, explainer):
            read += row["expression"] is not None and row["condition"] == "none"
            say(row)
    return read


def _occluders(names: list[str]) -> dict[str, Any]:
    if not names:
        return {}
    import hydra

    from occlufer.building import build
    from occlufer.commands.app import condition_configs
    from occlufer.settings import conf_folder

    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        return {name: build(node) for name, node in condition_configs(names).items() if name != "none"}


def _rows(
    files: list[str], predictor: Any, given: argparse.Namespace, explainer: Any
) -> Iterator[dict[str, Any]]:
    """A row a face and condition; a row with a note for whatever has none."""
    from occlufer.inference.sources import shots

    for number, file in enumerate(files):
        for shot in shots(file, every=given.every):
            where = {"source": shot.source, "frame": shot.frame, "seconds": shot.seconds}
            if shot.image_HWC is None:
                yield _empty(where, shot.note)
                continue
            try:
                faces = predictor.find(shot.image_HWC)
                (found,) = predictor.of_faces([shot.image_HWC], [faces])
            except OccluferError as error:
                yield _empty(where, str(error))
                continue
            if given.annotate:
                _annotate(Path(given.annotate), number, shot, found)
            if explainer:
                folder, stem = Path(given.explain).expanduser(), _stem(number, shot)
                explainer.write(folder, stem, shot.image_HWC, faces, found)
            if not found:
                yield _empty(where, NO_FACE)
            for face in found:
                unsure = face.confidence < given.min_confidence
                yield where | {
                    "face": face.face, "box": [round(value, 1) for value in face.box], "found_by": face.found_by,
                    "condition": face.condition, "expression": UNSURE if unsure else face.expression,
                    "probabilities": {name: round(value, 6) for name, value in face.probabilities.items()},
                    "covered_share": None if math.isnan(face.covered_share) else round(face.covered_share, 4),
                    "note": "" if face.found_by == "face mesh" else f"no mesh: by the {face.found_by}.",
                }  # fmt: skip


def _empty(where: dict[str, Any], note: str) -> dict[str, Any]:
    nothing = dict.fromkeys(
        ("face", "box", "found_by", "condition", "expression", "probabilities", "covered_share")
    )
    return where | nothing | {"note": note}


class _Output:
    """Where rows go: a table on the terminal as they come, one JSON object, a csv file."""

    def __init__(self, given: argparse.Namespace, classes: tuple[str, ...]) -> None:
        self._given, self._classes = given, classes

    def __enter__(self) -> Any:
        self._count = 0
        self._file = None
        if self._given.csv:
            try:
                self._file = (
                    Path(self._given.csv)
                    .expanduser()
                    .open(
                        "w",
                        encoding="utf-8",
                        newline="",
                        errors="surrogateescape",  # names that are no UTF-8
                    )
                )
            except OSError as error:
                raise ConfigError(f"--csv {self._given.csv} cannot be written: {error.strerror}.") from error
            self._writer = csv.writer(self._file)
            self._writer.writerow(
                [*_FLAT, "x0", "y0", "x1", "y1", "covered_share", *(f"prob_{c}" for c in self._classes)]
            )
        if self._given.json:
            sys.stdout.write('{"classes": ' + json.dumps(self._classes) + ', "rows": [')
        return self._say

    def _say(self, row: dict[str, Any]) -> None:
        if self._file:
            box, said = row["box"] or [""] * 4, row["probabilities"] or {}
            flat = ["" if row[name] is None else row[name] for name in _FLAT]
            share = "" if row["covered_share"] is None else row["covered_share"]
            self._writer.writerow([*flat, *box, share, *(said.get(name, "") for name in self._classes)])
        if self._given.json:
            sys.stdout.write(
                ("," if self._count else "") + "\n  " + json.dumps(row)
            )  # ASCII: some names are no UTF-8
        else:
            print(_line(row), flush=True)
        self._count += 1

    def __exit__(self, *failed: object) -> None:
        if self._file:
            self._file.close()
        if self._given.json:
            sys.stdout.write("\n]}\n")


def _line(row: dict[str, Any]) -> str:
    from occlufer.reading import printable

    at = "" if row["seconds"] is None else f" {row['seconds']:8.2f} s"
    name = printable(str(row["source"]))
    if row["expression"] is None:
        return f"{name}{at}: {printable(row['note'])}"
    likely = sorted(row["probabilities"].items(), key=lambda item: -item[1])[:3]
    said = ", ".join(f"{expression} {value:.0%}" for expression, value in likely)
    condition = (
        ""
        if row["condition"] == "none"
        else f" under {row['condition']} ({row['covered_share']:.0%} covered)"
    )
    return f"{name}{at}: face {row['face']}{condition}: {row['expression']} ({said}) {row['note']}".rstrip()


def _annotate(folder: Path, number: int, shot: Any, found: list[Any]) -> None:
    """The picture with a box and the answer at each face: FOLDER/NAME[_FRAME].png."""
    from PIL import Image, ImageDraw, ImageFont

    from occlufer.files import atomic_path

    picture = Image.fromarray(shot.image_HWC)
    draw = ImageDraw.Draw(picture)
    size = max(picture.height // 40, 10)
    for face in found:
        if face.condition == "none":
            draw.rectangle(face.box, outline=(255, 210, 0), width=max(size // 8, 1))
            label = f"{face.face}: {face.expression} {face.confidence:.0%}"
            place = (max(face.box[0], 0), max(face.box[1] - size - 2, 0))
            draw.text(place, label, fill=(255, 210, 0), stroke_width=1, stroke_fill=(0, 0, 0),
                      font=ImageFont.load_default(size=size))  # fmt: skip
    with atomic_path(folder.expanduser() / f"{_stem(number, shot)}.png") as temporary:
        picture.save(temporary, format="PNG")


def _stem(number: int, shot: Any) -> str:
    """How the names of a picture's own pictures begin."""
    return f"{number:05d}_{Path(shot.source).stem}" + ("" if shot.frame is None else f"_{shot.frame:06d}")


if __name__ == "__main__":
    main()
