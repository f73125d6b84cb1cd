from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchers.sweep_fakes import Sweeps, fake_sweeps, message
from occlufer.runs import Run
from occlufer.signals import Terminated
from occlufer.sweeps import State, read_sweep, study_status


@pytest.fixture
def sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sweeps]:
    monkeypatch.setattr("occlufer.launchers.processes._LAST", 0.2)
    with fake_sweeps(tmp_path) as made:
        yield made


TWO_AT_A_TIME = ("hydra.launcher.cpus=2", "hydra.launcher.cpus_per_job=1")


def gone(pid: int) -> bool:
    """Whether a process has ended, or does within seconds: SIGKILL takes a moment. A zombie has ended."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_two_failing_jobs_of_twelve_harm_no_other_and_are_retried_alone(sweeps, capsys):
    sweeps.ask({"seed3": "fail", "seed7": "killed"})
    returns = sweeps.launch("local", 12, *TWO_AT_A_TIME)
    scores = [made.return_value for number, made in enumerate(returns) if number not in (3, 7)]
    assert scores == [0.5] * 10
    told = message(returns, 3)
    assert told == message(returns, 7)
    assert "2 of 12 jobs did not finish: job 3 (seed=3), job 7 (seed=7)" in told
    shown = capsys.readouterr().err
    assert "12 jobs: 10 done, 2 failed" in shown
    assert "the dog ate it" in shown
    assert Run(sweeps.run(3)).failure == "the dog ate it."
    assert "SIGKILL" in str(Run(sweeps.run(7)).failure)

    # The relaunch runs the two, and no other.
    sweeps.ask({"seed3": "fail"})
    returns = sweeps.launch("local", 12, *TWO_AT_A_TIME)
    assert "1 of 12 jobs did not finish: job 3 (seed=3)" in message(returns, 3)
    assert "12 jobs: 1 done, 10 skipped, 1 failed" in capsys.readouterr().err
    assert sweeps.attempts() == {seed: 2 if seed in (3, 7) else 1 for seed in range(12)}

    sweeps.ask({})
    assert [made.return_value for made in sweeps.launch("local", 12, "retry=failed", *TWO_AT_A_TIME)] == [
        0.5
    ] * 12
    assert Run(sweeps.run(3)).failure is None


def test_retry_failed_leaves_out_what_did_not_fail(sweeps):
    sweeps.ask({"seed0": "fail"})
    message(sweeps.launch("local", 1, *TWO_AT_A_TIME), 0)
    sweeps.ask({})
    returns = sweeps.launch("local", 3, "retry=failed", *TWO_AT_A_TIME)
    assert returns[0].return_value == 0.5
    assert returns[1].return_value != returns[1].return_value  # NaN: it was not asked for
    assert sweeps.attempts() == {0: 2}
    states = {row.name.split("_")[-2]: row.state for row in study_status(sweeps.study)}
    assert states == {"seed0": State.DONE, "seed1": State.MISSING, "seed2": State.MISSING}


def test_a_job_whose_words_cannot_be_run_fails_alone(sweeps):
    sweeps.launch("local", 1, *TWO_AT_A_TIME)
    returns = sweeps.launch("local", 2, "conditions=[none,maks]", *TWO_AT_A_TIME)
    assert "2 of 2" in message(returns, 0)
    assert all(made.status.name == "FAILED" for made in returns)
    assert sweeps.attempts() == {0: 1}


def test_jobs_see_no_rank_of_another_training_and_their_share_of_the_cores(sweeps, monkeypatch):
    for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE", "MASTER_PORT", "PL_GLOBAL_SEED", "SLURM_NTASKS"):
        monkeypatch.setenv(name, "1")
    sweeps.launch("local", 1, "hydra.launcher.cpus=4", "hydra.launcher.cpus_per_job=4", "trainer=ddp_cpu")
    seen = json.loads((sweeps.run(0) / "environment").read_text())
    assert not {"LOCAL_RANK", "RANK", "WORLD_SIZE", "MASTER_PORT", "PL_GLOBAL_SEED", "SLURM_NTASKS"} & set(
        seen
    )
    assert seen["OMP_NUM_THREADS"] == "2", "two processes share four cores"
    assert "hello from none_" in next(sweeps.study.glob("logs/*.log")).read_text()


def test_gpu_jobs_get_gpus_of_their_own(sweeps):
    words = ["trainer=ddp", "hydra.launcher.gpus=[4,5,6]", "trainer.devices=2", "hydra.launcher.cpus=8"]
    sweeps.launch("local", 2, *words)
    seen = [
        json.loads((sweeps.run(seed) / "environment").read_text())["CUDA_VISIBLE_DEVICES"] for seed in (0, 1)
    ]
    assert all(len(set(names.split(","))) == 2 and set(names.split(",")) <= {"4", "5", "6"} for names in seen)
    told = message(sweeps.launch("local", 4, *words, "trainer.devices=4"), 3)
    assert "4 of 4" in told
    assert "asks for 4 GPUs, and the launcher has 3" in str(Run(newest(sweeps, 3)).failure)


def newest(sweeps: Sweeps, seed: int) -> Path:
    return max(sweeps.study.glob(f"none_*_seed{seed}_*"), key=lambda path: path.stat().st_mtime)


def test_a_ddp_job_that_loses_its_first_process_ends_with_all_its_ranks(sweeps):
    sweeps.ask({"seed0": "rank"})
    returns = sweeps.launch("local", 2, *TWO_AT_A_TIME)
    assert returns[1].return_value == 0.5
    assert "job 0" in message(returns, 0)
    assert gone(int((sweeps.run(0) / "child").read_text()))


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_stopped_sweep_leaves_no_process_and_can_go_on(sweeps, number, expected, capsys):
    sweeps.ask({"seed0": "sleep", "seed1": "sleep"})

    def stop_when_both_run() -> None:
        while len(list(sweeps.study.glob("*/pid"))) < 2:
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=stop_when_both_run, daemon=True)
    thread.start()
    with pytest.raises(expected):
        sweeps.launch("local", 3, *TWO_AT_A_TIME)
    thread.join()
    assert "3 jobs: 1 waiting, 2 stopped" in capsys.readouterr().err
    for seed in (0, 1):
        for name in ("pid", "child"):
            assert gone(int((sweeps.run(seed) / name).read_text()))
        assert Run(sweeps.run(seed)).failure is None, "stopped is not failed"
    sweeps.ask({})
    assert [made.return_value for made in sweeps.launch("local", 3, *TWO_AT_A_TIME)] == [0.5] * 3


def test_the_sweep_is_recorded_before_its_first_job(sweeps):
    sweeps.launch("local", 2, *TWO_AT_A_TIME)
    jobs = read_sweep(sweeps.study)
    assert [job.number for job in jobs] == [0, 1]
    assert [job.run for job in jobs] == [sweeps.run(0).name, sweeps.run(1).name]
    assert "seed=1" in jobs[1].overrides
