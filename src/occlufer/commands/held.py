"""Standard error that waits until Hydra has understood a command's words: a mistake in them is told by us alone."""

from __future__ import annotations

import io
import sys
from typing import Any, TextIO

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

_real: TextIO | None = None  # while its place is taken


def hold() -> None:
    """Keep what is written to `sys.stderr` from here on."""
    global _real
    _real, sys.stderr = sys.stderr, io.StringIO()


def let_go(*, drop: bool = False) -> None:
    """Give `sys.stderr` back, with what was kept unless that is to be dropped; nothing where it was given back."""
    global _real
    if _real is None:
        return
    kept, sys.stderr, _real = sys.stderr, _real, None
    if isinstance(kept, io.StringIO) and not drop:
        sys.stderr.write(kept.getvalue())


class Understood(Callback):  # type: ignore[misc]  # mypy does not follow Hydra's types
    """Named by conf/quiet.yaml: Hydra tells it that a configuration was made of the words."""

    def on_run_start(self, *args: Any, **more: Any) -> None:
        """Of a single run."""
        let_go()

    def on_multirun_start(self, config: DictConfig, **more: Any) -> None:
        """Of a sweep, before its jobs are composed; our sweeper lets go when they are."""
        if not str(config.hydra.sweeper._target_).endswith("GridSweeper"):
            let_go()
