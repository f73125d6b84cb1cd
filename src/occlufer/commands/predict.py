"""`occlufer predict`: the expression of every face in images, folders and videos. No Hydra app, and no torch."""

from __future__ import annotations

import argparse
import os
import sys

from occlufer.types import ConfigError, OccluferError


def main() -> None:
    """Exit status 0 where at least one face was read, 3 where none, 2 for a wrong call."""
    given = _parser().parse_args(sys.argv[1:])
    try:
        read = _checked(given)
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
    add("--config-dir", metavar="DIR")
    add("--json", action="store_true")
    add("--csv", metavar="FILE")
    add("--annotate", metavar="DIR")
    add("--explain", metavar="DIR")
    add("--min-confidence", type=float, default=0.0, metavar="P")
    add("--every", type=float, default=0.0, metavar="SECONDS")
    add("--smooth", type=float, default=0.0, metavar="SECONDS")
    add("--no-flip", action="store_true")
    add("--trusted", default="", metavar="PACKAGES")
    return parser


def _checked(given: argparse.Namespace) -> int:
    """Do what was asked, if it can be; returns the number of faces that were read."""
    if given.run and given.model:
        raise ConfigError("--run and --model both name a network. Give one of them.")
    if not 0 <= given.min_confidence <= 1 or not given.every >= 0 or not given.smooth >= 0:
        raise ConfigError("--min-confidence must be in 0..1, --every and --smooth 0 or more seconds.")
    names = [name for name in given.occlude.split(",") if name]
    nodes = {}
    if names or given.config_dir:
        from occlufer.commands.app import conditions_alone, with_own

        folders = with_own(given.config_dir)
        nodes = conditions_alone(names, folders) if names else {}
    from occlufer.tasks.predict import Request, predict

    trusted = [name for name in given.trusted.split(",") if name]
    request = Request(
        given.paths, network=given.run or given.model, trusted=trusted, json=given.json, csv=given.csv,
        annotate=given.annotate, explain=given.explain, min_confidence=given.min_confidence, every=given.every,
        smooth=given.smooth, flip=not given.no_flip,
    )  # fmt: skip
    return predict(request, nodes)


if __name__ == "__main__":
    main()
