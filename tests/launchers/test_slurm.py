"""submitit's local executor stands for SLURM, the trainings are fakes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchers.sweep_fakes import Sweeps, fake_sweeps, message
from occlufer.launchers.slurm import SlurmLauncher, SlurmTask
from occlufer.sweeps import last_words
from occlufer.types import ConfigError

pytest.importorskip("submitit", reason="the extra [slurm] is not installed")
pytestmark = pytest.mark.slow
WORDS = ("hydra.launcher.cluster=local", "hydra.launcher.cpus_per_task=1")


@pytest.fixture
def sweeps(tmp_path: Path) -> Iterator[Sweeps]:
    with fake_sweeps(tmp_path) as made:
        yield made


def test_a_failing_job_harms_no_other(sweeps):
    sweeps.ask({"seed1": "fail"})
    returns = sweeps.launch("slurm", 3, *WORDS)
    assert returns[0].return_value == returns[2].return_value == 0.5
    assert "1 of 3 jobs did not finish: job 1 (seed=1)" in message(returns, 1)
    sweeps.ask({})
    assert [made.return_value for made in sweeps.launch("slurm", 3, "retry=failed", *WORDS)] == [0.5] * 3
    assert sweeps.attempts() == {0: 1, 1: 2, 2: 1}


def test_a_ddp_job_has_a_task_for_each_process(sweeps):
    sweeps.launch("slurm", 1, "trainer=ddp_cpu", *WORDS)
    assert sweeps.attempts() == {0: 2}
    seen = json.loads((sweeps.run(0) / "environment").read_text())
    assert (seen["WORLD_SIZE"], seen["NODE_RANK"]) == ("2", "0")
    assert {"RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"} <= set(seen)
    assert {path.suffixes[-2] for path in sweeps.study.glob("logs/*.rank1.log")} == {".rank1"}


SETTINGS = {
    "cluster": "slurm", "partition": None, "account": None, "qos": None, "constraint": None, "timeout_min": 10,
    "gpus_per_job": None, "cpus_per_task": 1, "mem_gb": None, "at_once": None, "requeues": 1, "extra": {}, "grace": 1,
}  # fmt: skip


def test_an_unknown_cluster_names_the_known():
    with pytest.raises(ConfigError, match="Did you mean 'slurm'"):
        SlurmLauncher(**SETTINGS | {"cluster": "slrum"})


def test_a_job_that_is_taken_back_says_so(tmp_path):
    log = tmp_path / "logs" / "run.log"
    log.parent.mkdir()
    log.write_text("--- noon\nepoch 1\n")
    again = SlurmTask([], str(tmp_path), {}, str(log), 1.0).checkpoint()
    assert isinstance(again.function, SlurmTask)
    assert "SLURM took the machine back" in last_words(log)
    before = log.read_text()
    SlurmTask([], str(tmp_path), {}, str(log), 1.0, leads=False).checkpoint()
    assert log.read_text() == before, "one rank speaks for all"
