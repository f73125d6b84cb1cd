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


def test_settings_are_columns_and_a_second_sweep_forgets_nothing(run_command, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    study = tmp_path / "s"
    study.mkdir()
    words = [
        (f"model={model}", f"seed={seed}", "study=s") for model in ("vgg16", "resnet18") for seed in (0, 1)
    ]
    first = [SweepJob(at, each, f"run{at}", epochs=7) for at, each in enumerate(words)]
    write_sweep(study, "local", [*first, SweepJob(4, ("seed=-1",), None, "no seed")])
    again = [SweepJob(0, tuple(reversed(words[3])), None), SweepJob(1, words[1], "run1"),
             SweepJob(2, ("model=senet50", "study=s"), "new"),
             SweepJob(3, ("model=senet50", "study=s", "lr=1"), "new")]  # fmt: skip
    write_sweep(study, "ray", again)
    rows = study_status(study)
    assert [row.name for row in rows] == ["study=s seed=1 model=resnet18", "run1", "new", "run0", "run2"]
    assert {row.state for row in rows} == {State.MISSING}
    run_command("status", [f"study={study}"])
    shown = capsys.readouterr().out
    heading = next(line for line in shown.splitlines() if "best macro F1" in line)
    assert [word.strip() for word in heading.strip("┃").split("┃")][:2] == ["seed", "model"]
    assert "study" not in heading
    assert "5 missing" in shown
    assert "sweep.json" in shown


def test_a_stopped_run_says_what_it_said_last_and_how_often_it_was_started(study):
    run = find_runs(study)[0]
    (run.folder / "run.json").unlink()
    write_sweep(study, "slurm", [SweepJob(0, ("seed=0",), run.name, epochs=40)])
    log = study / "logs" / f"{run.name}.log"
    log.parent.mkdir()
    log.write_text("--- noon\nepoch 1\n--- later\nSLURM took the machine back.\n")
    row = study_status(study)[0]
    assert (row.state, row.of, row.settings) == (State.STOPPED, 40, {"seed": "0"})
    assert row.reason == "Started 2 times. SLURM took the machine back."
    with locked(run.lock):
        assert study_status(study)[0].reason == "Started 2 times."
