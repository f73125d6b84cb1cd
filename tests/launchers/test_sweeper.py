"""What is composed before the first job of a sweep starts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hydra.errors import HydraException

from hydra_plugins.occlufer_launchers import GridSweeper


def composed(batch: list[list[str]], *, refused: str = "") -> list[list[str]]:
    """The jobs that are composed; a word `refused` cannot be."""
    seen: list[list[str]] = []

    def load(*, master_config: object, sweep_overrides: list[str]) -> None:
        seen.append(sweep_overrides)
        if refused in sweep_overrides:
            raise HydraException(refused)

    options = {"model": ["a", "b"], "occlusion": ["none"]}
    # Hydra, when it looks for plugins, runs the module of the class below ours once more, and its constructor then
    # speaks of another class.
    sweeper = object.__new__(GridSweeper)
    sweeper.config = {}
    sweeper.hydra_context = SimpleNamespace(
        config_loader=SimpleNamespace(
            get_group_options=lambda name: options.get(name, []), load_sweep_config=load
        )
    )
    sweeper.validate_batch_is_legal(batch)
    return seen


def test_one_job_stands_for_each_choice_of_groups():
    """5,000 seeds were 5,000 compositions, 45 s in silence."""
    batch = [[f"model={model}", f"seed={seed}", "occlusion=none"] for model in "ab" for seed in range(2500)]
    assert sorted(words[0] for words in composed(batch)) == ["model=a", "model=b"]
    assert composed([]) == []


def test_a_choice_that_cannot_be_composed_is_refused_before_the_first_job():
    with pytest.raises(HydraException, match="model=b"):
        composed([["model=a", "seed=0"], ["model=b", "seed=0"]], refused="model=b")
