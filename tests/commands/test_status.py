from __future__ import annotations

import json
from pathlib import Path

import pytest

from fakes_runs import make_study
from occlufer.files import held, locked
from occlufer.runs import find_runs
from occlufer.sweeps import State, SweepJob, read_sweep, study_status, write_sweep
from occlufer.types import ConfigError, RunError


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return make_study(tmp_path, seeds=(0, 1), n=21)


def states(study: Path) -> dict[str, State]:
    return {row.name: row.state for row in study_status(study)}


def test_every_state_is_told_apart(study):
    done, running, failed, stopped, *_ = find_runs(study)
    for run in (running, failed, stopped):
        (run.folder / "run.json").unlink()
    failed.write_json("failure.json", {"error": "RunError", "message": "no loss is a number", "when": "now"})
    jobs = [SweepJob(0, ("a=1",), done.name), SweepJob(1, ("a=2",), "never_begun_seed0_12345678"),
            SweepJob(2, ("a=3", "b=4"), None, "no such thing"), SweepJob(3, ("a=5",), None)]  # fmt: skip
    write_sweep(study, "local", jobs)
    assert read_sweep(study) == jobs
    with locked(running.lock):
        found = states(study)
    assert found[done.name] == State.DONE
    assert found[running.name] == State.RUNNING
    assert found[failed.name] == State.FAILED
    assert found[stopped.name] == State.STOPPED
    assert found["never_begun_seed0_12345678"] == State.MISSING
    assert found["a=3 b=4"] == State.FAILED
    assert found["a=5"] == State.MISSING
    reasons = {row.name: row.reason for row in study_status(study)}
    assert reasons[failed.name] == "no loss is a number"
    assert reasons["a=3 b=4"] == "no such thing"
    assert reasons[done.name] == ""
    assert states(study)[running.name] == State.STOPPED, "its process is gone"


def test_asking_for_the_state_writes_nothing(study):
    before = sorted(study.rglob("*"))
    study_status(study)
    assert sorted(study.rglob("*")) == before
    assert not held(study / "no such lock")


def test_a_run_that_still_looks_for_landmarks_is_running(study):
    with locked(study / "new_run" / ".lock"):
        assert states(study)["new_run"] == State.RUNNING
    assert "new_run" not in states(study), "it has left nothing but its lock"
    write_sweep(study, "local", [SweepJob(0, (), "new_run")])
    assert states(study)["new_run"] == State.MISSING


@pytest.mark.parametrize("content", ["{", "[]", '{"format": 2}', '{"format": 1, "jobs": [{"number": 1}]}'])
def test_a_damaged_record_is_named(study, content):
    (study / "sweep.json").write_text(content)
    with pytest.raises(RunError, match=r"sweep\.json cannot be read .* Delete it"):
        study_status(study)


def test_a_study_that_is_not_there(tmp_path):
    with pytest.raises(RunError, match="no study folder"):
        study_status(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="holds no run"):
        study_status(tmp_path / "empty")


def test_the_command_lists_runs_and_counts_them(run_command, study, capsys):
    run = find_runs(study)[0]
    (run.folder / "run.json").unlink()
    (run.folder / "failure.json").write_text(json.dumps({"message": "[bold]odd[/bold]"}))
    run_command("status", [f"study={study}"])
    shown = capsys.readouterr().out
    assert "5 done, 1 failed" in shown
    assert "[bold]odd[/bold]" in shown.replace("\n", "")
    assert "retry=failed" in shown
    with pytest.raises(ConfigError, match="Which study"):
        run_command("status", [])
