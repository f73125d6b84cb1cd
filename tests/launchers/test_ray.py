"""A real Ray on this machine's CPUs; the trainings are fakes."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.errors import CompactHydraException

from launchers.sweep_fakes import Sweeps, fake_sweeps, message
from occlufer.runs import Run

ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")

# Ray's own client libraries, on this Python and setuptools.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::Warning:ray.*")]
WORDS = ("hydra.launcher.cpus=2", "hydra.launcher.cpus_per_job=1")


@pytest.fixture
def sweeps(tmp_path: Path) -> Iterator[Sweeps]:
    with fake_sweeps(tmp_path) as made:
        yield made


def test_two_failing_jobs_of_twelve_harm_no_other_and_are_retried_alone(sweeps, capsys):
    sweeps.ask({"seed3": "fail", "seed7": "killed"})
    returns = sweeps.launch("ray", 12, *WORDS)
    scores = [made.return_value for number, made in enumerate(returns) if number not in (3, 7)]
    assert scores == [0.5] * 10
    assert "2 of 12 jobs did not finish: job 3 (seed=3), job 7 (seed=7)" in message(returns, 3)
    assert Run(sweeps.run(3)).failure == "the dog ate it."
    assert "SIGKILL" in str(Run(sweeps.run(7)).failure)
    seen = json.loads((sweeps.run(0) / "environment").read_text())
    assert seen["OMP_NUM_THREADS"] == "1"
    assert "LOCAL_RANK" not in seen

    sweeps.ask({})
    returns = sweeps.launch("ray", 12, "retry=failed", *WORDS)
    assert [made.return_value for made in returns] == [0.5] * 12
    assert sweeps.attempts() == {seed: 2 if seed in (3, 7) else 1 for seed in range(12)}
    # One that no machine of the cluster could ever hold would wait for ever.
    returns = sweeps.launch("ray", 13, "hydra.launcher.cpus=2", "hydra.launcher.cpus_per_job=3")
    assert "1 of 13 jobs did not finish: job 12" in message(returns, 12)
    assert "asks for 3 CPUs, and the whole Ray cluster has 2" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize("by", ["setting", "variable"])
def test_an_address_where_nobody_answers_is_told_at_once(sweeps, monkeypatch, by):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        if by == "variable":
            monkeypatch.setenv("RAY_ADDRESS", address)
        words = [f"hydra.launcher.address='{address}'"] if by == "setting" else []
        began = time.monotonic()
        with pytest.raises(CompactHydraException, match=f"No Ray cluster answers at {address}.*RAY_ADDRESS"):
            sweeps.launch("ray", 1, *words)
        assert time.monotonic() - began < 10
