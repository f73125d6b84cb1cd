"""Sweeps of jobs that train nothing: `fake_train.py` takes the place of `occlufer train`."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import hydra
import pytest
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.errors import CompactHydraException
from hydra.types import HydraContext, RunMode

from occlufer.launchers import base
from occlufer.runs import RunSummary
from occlufer.settings import conf_folder

FAKE = Path(__file__).with_name("fake_train.py")
SUMMARY = RunSummary(
    name="", study="s", condition="none", dataset="synthetic", model="resnet10t", seed=0, fold=None,
    config_hash="12345678", conditions=("none",), best_epoch=0, best_score=0.5, epochs=1, seconds=1.0,
    finished="2026-01-01T00:00:00+00:00", counts={"train": 7}, parameters=10,
)  # fmt: skip


class Sweeps:
    """Launches sweeps into the study `s` of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.study = folder, folder / "s"
        self.study.mkdir(parents=True)
        (self.study / "summary.json").write_text(json.dumps(dataclasses.asdict(SUMMARY)))
        self.ask({})

    def ask(self, what: Mapping[str, str]) -> None:
        """What the fake training of each seed does: `{"seed3": "fail"}`; the others finish."""
        (self.study / "asked.json").write_text(json.dumps(dict(what)))

    def launch(self, launcher: str, seeds: int, *words: str) -> list[JobReturn]:
        """Sweep over seeds, as `occlufer train -m hydra/launcher=LAUNCHER seed=0,1,... WORDS` does."""
        shared = [word for word in words if not word.startswith("hydra")]
        own = [word for word in words if word.startswith("hydra")]
        jobs = [[f"seed={seed}", *shared] for seed in range(seeds)]
        GlobalHydra.instance().clear()
        with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder()), job_name="train"):
            app = GlobalHydra.instance().hydra
            assert app is not None
            overrides = [
                f"hydra/launcher={launcher}",
                "study=s",
                f"paths.outputs={self.folder}",
                *own,
                *shared,
            ]
            config = app.compose_config(
                "train", overrides, run_mode=RunMode.MULTIRUN, with_log_configuration=False
            )
            HydraConfig.instance().set_config(config)
            context = HydraContext(config_loader=app.config_loader, callbacks=Callbacks())
            made = Plugins.instance().instantiate_launcher(
                hydra_context=context, task_function=print, config=config
            )
            task = ["study=s", f"paths.outputs={self.folder}"]
            return list(made.launch([[*job, *task] for job in jobs], 0))

    def run(self, seed: int) -> Path:
        """The run folder of a seed."""
        (folder,) = self.study.glob(f"none_*_seed{seed}_*")
        return folder

    def attempts(self) -> dict[int, int]:
        """How often each seed's training was started."""
        return {
            int(path.parent.name.split("_")[-2].removeprefix("seed")): len(path.read_text())
            for path in self.study.glob("*/attempts")
        }


@contextmanager
def fake_sweeps(folder: Path) -> Iterator[Sweeps]:
    """Sweeps whose jobs run `fake_train.py`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            base,
            "train_command",
            lambda job, words, folders: [sys.executable, str(FAKE), str(job.folder.folder)],
        )
        yield Sweeps(folder)
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None


def message(returns: list[JobReturn], job: int) -> str:
    """The error that a failed job raises in Hydra's sweeper."""
    with pytest.raises(CompactHydraException) as raised:
        _ = returns[job].return_value
    return str(raised.value)
