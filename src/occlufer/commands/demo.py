"""`occlufer demo`: a page on this machine to try a network with a photo or the camera. No Hydra app, and no torch."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from typing import Any

from occlufer.types import OccluferError


def main() -> None:
    """Serve the page until Ctrl-C; exit status 2 for a wrong call, or where the port is taken."""
    parser = argparse.ArgumentParser(prog="occlufer demo", add_help=False)
    network = parser.add_mutually_exclusive_group()
    network.add_argument("--run", metavar="RUN")
    network.add_argument("--model", metavar="FILE")
    parser.add_argument("--port", type=int, default=7860, metavar="N")
    parser.add_argument("--open", action="store_true")
    parser.add_argument("--trusted", default="", metavar="PACKAGES")
    given = parser.parse_args(sys.argv[1:])
    try:
        _serve(given)
    except OccluferError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _serve(given: argparse.Namespace) -> None:
    from occlufer.inference.predictor import Predictor
    from occlufer.page.answers import Answers, sample
    from occlufer.page.server import PageServer

    trusted = [name for name in given.trusted.split(",") if name]
    predictor = Predictor(given.run or given.model, trusted=trusted)
    answers = Answers(
        predictor, _nodes(), network=given.run or given.model or "the one that comes with occlufer"
    )
    with PageServer(answers, given.port) as server:
        try:
            answers.faces(sample(0))  # what is made once is made before anybody waits for it
            print(f"Open {server.url} in a browser on this machine. Ctrl-C ends it.", flush=True)
            if given.open:
                webbrowser.open(server.url)
            server.serve_forever()
        except KeyboardInterrupt:
            print("\nEnded.")


def _nodes() -> dict[str, dict[str, Any]]:
    """Every occluder with a dial, the usual ones first."""
    import hydra

    from occlufer.commands.app import condition_configs
    from occlufer.commands.options import group_options
    from occlufer.settings import conf_folder

    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        nodes = condition_configs(group_options("occlusion"))
    usual = ("mask", "headset")
    return {name: nodes[name] for name in sorted(nodes, key=lambda name: (name not in usual, name))
            if "severity_range" in nodes[name]}  # fmt: skip


if __name__ == "__main__":
    main()
