"""The speed table: CPU time of each step from a stored image to the network's input, one thread.

python benchmarks/hot_path.py [--faces DIR] [--count N] [--sides N ...] [--occlusions NAME ...] [--quick]
                              [--json FILE] [--csv FILE]
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from occlufer.commands.options import group_options
from occlufer.types import ConfigError, OccluferError, unknown_name

if TYPE_CHECKING:
    from steps import Row

FORMAT = 1
"""Version of what `--json` writes."""
_OCCLUSIONS = ("mask", "headset", "sunglasses", "box_lower", "blur_lower", "mixed")
_SIDES = (48, 112, 224)
_ROUTES_SIDE = 112


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write what was asked for; exits 1 with a sentence when that cannot be done."""
    options = _parser().parse_args(arguments)
    try:
        result = measure(options)
        _write(result, options)
    except OccluferError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures of one run, as `--json` writes them; prints the tables on the way."""
    _check(options)
    import cv2
    import threadpoolctl

    import steps
    from occlufer.console import say

    cv2.setNumThreads(0)
    count, repeats = (options.count or (6 if options.quick else 40)), (3 if options.quick else 25)
    before = steps.machine()
    with threadpoolctl.threadpool_limits(1), tempfile.TemporaryDirectory(prefix="occlufer-bench-") as scratch:
        pipeline, occluders, settings = _parts(options.occlusions)
        if options.faces == "synthetic":
            faces = steps.drawn_faces(count, Path(scratch))
        else:
            faces = steps.found_faces(Path(options.faces).expanduser(), count, settings)
        rows: list[Row] = []
        routes: list[Row] = []
        for side in options.sides:
            say(f"Measuring at {side} px ...")
            stored = list(steps.scaled_faces(faces, pipeline.view, side))
            rows += steps.step_rows(stored, pipeline, side, repeats=repeats)
            rows += steps.overlay_rows(stored, pipeline, side, occluders, repeats=repeats)
            if side == _routes_side(options.sides):
                first = next(iter(occluders.values()))
                routes = steps.route_rows(
                    stored, pipeline, side, first, settings, Path(scratch), repeats=repeats
                )
    result = {
        "format": FORMAT, "machine": before, "load after": steps.machine()["load"], "faces": options.faces,
        "count": len(faces), "rounds": repeats, "routes with": options.occlusions[0],
        "steps": rows, "shares": steps.share_rows(rows), "routes": routes,
    }  # fmt: skip
    _print(result)
    return result


def _parts(names: Sequence[str]) -> tuple[Any, dict[str, Any], Any]:
    """The pipeline and detector as the conf folder has them by default, and the occluders of these names."""
    import hydra

    from occlufer.building import build
    from occlufer.commands.app import condition_configs
    from occlufer.settings import conf_folder
    from steps import Pipeline

    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        nodes = {
            group: hydra.compose(f"{group}/{name}")[group]
            for group, name in (("view", "face"), ("augmentation", "standard"), ("landmarks", "default"))
        }
        occluders = {name: build(node) for name, node in condition_configs(names).items()}
    made = {group: build(node) for group, node in nodes.items()}
    return Pipeline(made["view"], made["augmentation"]), occluders, made["landmarks"]


def _print(result: dict[str, Any]) -> None:
    import pandas as pd

    from occlufer.console import out, table

    host = result["machine"]
    out.print(
        f"{host['processor']}, {host['cores']} cores, load {host['load']} before and {result['load after']} after; "
        f"Python {host['python']}, numpy {host['numpy']}, OpenCV {host['opencv']}",
        highlight=False,
    )  # fmt: skip
    what = f"{result['count']} faces ({result['faces']}), one thread"
    out.print(table(_by_side(result["steps"]), f"CPU ms a face, median of {result['rounds']} rounds: {what}"))
    out.print(
        table(pd.DataFrame(result["shares"]), "What the overlay (sample and apply) adds to decode + augment")
    )
    title = f"From a stored image to a crop under {result['routes with']}, CPU ms an image"
    out.print(table(pd.DataFrame(result["routes"]), title))


def _by_side(steps: Sequence[Row]) -> Any:
    import pandas as pd

    wide = pd.DataFrame(list(steps)).pivot_table(index="step", columns="side", values="ms", sort=False)
    wide.columns = [f"{side} px" for side in wide.columns]
    return wide.round(3).reset_index()


def _write(result: dict[str, Any], options: argparse.Namespace) -> None:
    """Write the files asked for; raises `StorageError` when that is impossible."""
    from occlufer.files import write_text

    if options.json:
        write_text(Path(options.json).expanduser(), json.dumps(result, indent=2) + "\n")
    if options.csv:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(result["steps"][0]))
        writer.writeheader()
        writer.writerows(result["steps"])
        write_text(Path(options.csv).expanduser(), text.getvalue())


def _check(options: argparse.Namespace) -> None:
    """Refuse what cannot be measured before anything heavy is loaded."""
    known = group_options("occlusion")
    for name in options.occlusions:
        if name not in known:
            raise ConfigError(unknown_name("occlusion", name, known))
    if not all(32 <= side <= 1024 for side in options.sides):
        raise ConfigError(f"--sides must be whole numbers from 32 to 1024 pixels; found {options.sides}.")
    if options.count is not None and not 1 <= options.count <= 5000:
        raise ConfigError(f"--count must be from 1 to 5000 faces; found {options.count}.")


def _routes_side(sides: Sequence[int]) -> int:
    """The size at which the routes are compared: the one nearest to the usual input of a network."""
    return min(sides, key=lambda side: abs(side - _ROUTES_SIDE))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="6 faces, 3 rounds: shows that it runs, measures badly"
    )
    parser.add_argument("--faces", default="synthetic", help="a folder of images (default: drawn faces)")
    parser.add_argument("--count", type=int, help="faces (default 40)")
    parser.add_argument(
        "--sides", type=int, nargs="+", default=list(_SIDES), help="widths of a face's crop, pixels"
    )
    parser.add_argument("--occlusions", nargs="+", default=list(_OCCLUSIONS), help="files of conf/occlusion; routes "
                        "are compared with the first")  # fmt: skip
    parser.add_argument("--json", help="write all figures and what they were measured on")
    parser.add_argument("--csv", help="write the table of steps")
    return parser


if __name__ == "__main__":
    main()
