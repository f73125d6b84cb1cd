"""The page of `occlufer demo`, served until Ctrl-C."""

from __future__ import annotations

import webbrowser
from collections.abc import Mapping, Sequence
from typing import Any

from occlufer.console import say
from occlufer.inference.predictor import Predictor
from occlufer.page.answers import Answers, Attribute, sample
from occlufer.page.server import PageServer


def serve(
    source: str | None,
    nodes: Mapping[str, Mapping[str, Any]],
    *,
    port: int,
    show: bool,
    trusted: Sequence[str],
) -> None:
    """Serve the page.

    Args:
        source: the network, see `occlufer.inference.predictor.open_network`.
        nodes: configuration of each occluder, by name; those without a dial are left out.
        port: of 127.0.0.1; 0: any that is free.
        show: open it in the browser.
        trusted: packages of the user's own that a run may build from.

    Raises:
        ConfigError: the port is taken.
        RunError: the network cannot be read.
    """
    dials = {name: node for name, node in nodes.items() if "severity_range" in node}
    answers = Answers(
        Predictor(source, trusted=trusted), dials, network=source or "the one that comes with occlufer",
        attribution=lambda: _attribution(source, trusted),
    )  # fmt: skip
    with PageServer(answers, port) as server:
        try:
            answers.faces(sample(0))  # what is made once is made before anybody waits for it
            print(f"Open {server.url} in a browser on this machine. Ctrl-C ends it.", flush=True)
            if show:
                webbrowser.open(server.url)
            server.serve_forever()
        except KeyboardInterrupt:
            say("\nEnded.")


def _attribution(source: str | None, trusted: Sequence[str]) -> Attribute:
    from occlufer.inference.attribution import Attribution, explainable  # with torch, and for this alone

    return Attribution(explainable(source, trusted=trusted))
