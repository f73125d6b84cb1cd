"""Fixtures that several rooms share."""

from __future__ import annotations

import importlib
import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from occlufer.settings import conf_folder

# A suite that was started in the background inherits an ignored Ctrl-C, and so would the commands that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What a developer has set up for real runs must not reach the tests.
for _name in [name for name in os.environ if name.startswith("WANDB_")]:
    del os.environ[_name]

RunCommand = Callable[..., Any]


@pytest.fixture
def run_command() -> Iterator[RunCommand]:
    """`run_command("train", [overrides])`: a command in this process, as Hydra would call it."""

    def run(name: str, overrides: list[str]) -> Any:
        main = importlib.import_module(f"occlufer.commands.{name}").main
        GlobalHydra.instance().clear()
        with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
            config = hydra.compose(name, overrides, return_hydra_config=True)
            HydraConfig.instance().set_config(config)
            with open_dict(config):
                del config["hydra"]
            return inspect.unwrap(main)(config)

    yield run
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None


@pytest.fixture
def undrawn_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of a report's words and tables: see `fakes.figures`; others render every figure."""
    from fakes.figures import undrawn  # brings matplotlib along

    undrawn(monkeypatch)


@pytest.fixture
def occlufer() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`occlufer("train", ...)`: the real command in its own process; never fails by itself."""

    def run(*arguments: str, cwd: Path, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "occlufer.cli", *arguments],
            cwd=cwd, capture_output=True, text=True, timeout=timeout, env=os.environ | {"COLUMNS": "200"},
        )  # fmt: skip

    return run
