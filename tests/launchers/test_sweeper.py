"""What is composed and checked before the first job of a sweep starts, and what mistakes are told with."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest
from hydra.errors import HydraException

from hydra_plugins.occlufer_launchers import LocalLauncher
from occlufer.launchers import grid

LAUNCHER = LocalLauncher(gpus=None, gpus_per_job=None, cpus=None, cpus_per_job=1, grace=1)


def composed(batch: list[list[str]], *, refused: str = "") -> list[list[str]]:
    """The jobs that are composed; a word `refused` cannot be."""
    seen: list[list[str]] = []

    def load(*, master_config: object, sweep_overrides: list[str]) -> None:
        seen.append(sweep_overrides)
        if refused in sweep_overrides:
            raise HydraException(refused)

    options = {"model": ["a", "b"], "occlusion": ["none"]}
    # Hydra makes its sweeper anew when it looks for plugins, as other tests have it do; ours derives from the last.
    sweeper = importlib.reload(grid).GridSweeper(max_batch_size=None)
    sweeper.config, sweeper.launcher = {}, LAUNCHER
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


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("optimizer.lrr=1,2", "Unknown setting 'optimizer.lrr'. Did you mean 'optimizer.lr'?"),
        ("occlusion=mask,maks", "Unknown option of occlusion 'maks'. Did you mean 'mask'?"),
        ("seed=0,x", "job 1 (seed=x): seed must be a whole number"),
        ("optimizer.lr=a,b", "job 0 (optimizer.lr=a): optimizer.lr must be a number"),
    ],
)
def test_a_mistake_in_what_is_swept_is_told_alone_and_before_the_first_job(occlufer, tmp_path, word, told):
    answer = occlufer("train", "-m", f"paths.outputs={tmp_path / 'out'}", word, cwd=tmp_path)
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"Error: {told}")
    assert "Hydra" not in answer.stderr
    assert "Error executing" not in answer.stderr
    assert [path.name for path in tmp_path.glob("out/*")] in ([], ["multirun.yaml"])
    assert answer.stdout == ""
