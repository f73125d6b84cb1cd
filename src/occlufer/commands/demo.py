"""`occlufer demo`: a page on this machine to try a network with a photo or the camera. No Hydra app, and no torch."""

from __future__ import annotations

import argparse
import sys

from occlufer.types import OccluferError

USUAL = ("mask", "headset")


def main() -> None:
    """Serve the page until Ctrl-C; exit status 2 for a wrong call, or where the port is taken."""
    parser = argparse.ArgumentParser(prog="occlufer demo", add_help=False)
    network = parser.add_mutually_exclusive_group()
    network.add_argument("--run", metavar="RUN")
    network.add_argument("--model", metavar="FILE")
    parser.add_argument("--port", type=int, default=7860, metavar="N")
    parser.add_argument("--open", action="store_true")
    parser.add_argument("--config-dir", metavar="DIR")
    parser.add_argument("--trusted", default="", metavar="PACKAGES")
    given = parser.parse_args(sys.argv[1:])
    from occlufer.commands.app import conditions_alone, with_own
    from occlufer.commands.options import group_options
    from occlufer.tasks.demo import serve

    trusted = [name for name in given.trusted.split(",") if name]
    try:
        folders = with_own(given.config_dir)
        names = sorted(group_options("occlusion", folders), key=lambda name: (name not in USUAL, name))
        serve(
            given.run or given.model,
            conditions_alone(names, folders),
            port=given.port,
            show=given.open,
            trusted=trusted,
        )
    except OccluferError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
