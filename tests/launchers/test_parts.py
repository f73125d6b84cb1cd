"""The parts of a launcher by themselves: devices, commands, processes, what is shown."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.utils import get_object
from rich.console import Console

from occlufer.launchers.board import Board, summary_table
from occlufer.launchers.devices import Devices, Need, need_of, visible_gpus
from occlufer.launchers.jobs import Job, Phase, list_jobs, train_command
from occlufer.launchers.processes import Process, clean_environment
from occlufer.processes import process_count
from occlufer.runs import Run
from occlufer.settings import conf_folder
from occlufer.types import ConfigError

LAUNCHERS = sorted(path.stem for path in (conf_folder() / "hydra" / "launcher").glob("*.yaml"))


@pytest.mark.parametrize("name", LAUNCHERS)
def test_a_launchers_file_lists_every_key(name):
    node = yaml.safe_load((conf_folder() / "hydra" / "launcher" / f"{name}.yaml").read_text())
    target = get_object(node.pop("_target_"))
    assert target.title == name
    assert set(node) == set(inspect.signature(target).parameters)
    target(**node)


@pytest.mark.parametrize(
    ("name", "odd"),
    [("local", {"cpus_per_job": 0}), ("local", {"gpus_per_job": True}), ("ray", {"cpus_per_job": 0}),
     ("slurm", {"at_once": 0})],
)  # fmt: skip
def test_numbers_that_would_never_start_a_job_are_refused(name, odd):
    node = yaml.safe_load((conf_folder() / "hydra" / "launcher" / f"{name}.yaml").read_text())
    with pytest.raises(ConfigError, match=rf"hydra\.launcher\.{next(iter(odd))} must be a whole number"):
        get_object(node.pop("_target_"))(**node | odd)


def test_launchers_load_nothing_heavy():
    """Hydra imports every launcher whenever any command starts."""
    code = (
        "import sys, hydra_plugins.occlufer_launchers\n"
        "print([name for name in ('ray', 'submitit', 'torch', 'pandas') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.strip() == "[]", result.stderr


def test_devices_are_shared_out_and_taken_back():
    devices = Devices(gpus=["0", "1", "2"], cpus=6, cpus_per_job=4)
    first = devices.take(Need(gpus=2, processes=2))
    assert first is not None
    assert first.environment() == {"CUDA_VISIBLE_DEVICES": "0,1"}
    assert first.threads == 2
    assert devices.take(Need(gpus=2, processes=2)) is None
    cpu = devices.take(Need(gpus=0, processes=2))
    assert cpu is not None
    assert (cpu.threads, cpu.environment()) == (2, {})
    assert devices.take(Need(gpus=0, processes=1)) is None
    devices.give_back(first)
    again = devices.take(Need(gpus=2, processes=2))
    assert again is not None
    assert set(again.gpus) <= {"0", "1", "2"}
    with pytest.raises(ConfigError, match="asks for 4 GPUs, and the launcher has 3"):
        devices.take(Need(gpus=4, processes=4))


@pytest.mark.parametrize(
    ("devices", "accelerator", "count"),
    [(1, "cpu", 1), (3, "cpu", 3), ("auto", "cpu", 1), ("auto", "gpu", 4), (-1, "gpu", 4), ("2", "gpu", 2),
     ("1,3", "gpu", 2), ([0, 2, 5], "gpu", 3), (0, "cpu", 1), (None, "cpu", 1), ([], "gpu", 1)],
)  # fmt: skip
def test_processes_of_a_trainer(devices, accelerator, count):
    trainer = {"devices": devices, "accelerator": accelerator}
    assert process_count(trainer, visible=4) == count
    need = need_of(trainer, gpus_per_job=None, gpus=4)
    assert need == Need(count if accelerator == "gpu" else 0, count)


@pytest.mark.parametrize(
    ("gpus", "gpus_per_job", "need"), [(2, None, Need(2, 2)), (0, None, Need(0, 1)), (0, 3, Need(3, 3))]
)
def test_an_automatic_accelerator_is_a_gpu_where_there_is_one(gpus, gpus_per_job, need):
    trainer = {"devices": "auto", "accelerator": "auto"}
    assert need_of(trainer, gpus_per_job=gpus_per_job, gpus=gpus) == need


def test_single_threaded_jobs_run_side_by_side_and_one_of_two_processes_gets_two_cores():
    devices = Devices(gpus=[], cpus=2, cpus_per_job=1)
    first, second = (devices.take(Need(gpus=0, processes=1)) for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.cpus, first.threads, second.cpus) == (1, 1, 1)
    assert devices.take(Need(gpus=0, processes=1)) is None
    devices.give_back(first)
    assert devices.take(Need(gpus=0, processes=2)) is None
    devices.give_back(second)
    both = devices.take(Need(gpus=0, processes=2))
    assert both is not None
    assert (both.cpus, both.threads) == (2, 1)


@pytest.mark.parametrize(
    ("given", "found"), [("2,3", ["2", "3"]), ("", []), ("-1", []), ("GPU-ab, GPU-cd", ["GPU-ab", "GPU-cd"])]
)
def test_visible_gpus_are_those_left_to_us(monkeypatch, given, found):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert visible_gpus() == found


def test_labels_are_what_tells_jobs_apart():
    jobs = list_jobs([["study=a", "seed=0", "lr=1"], ["study=a", "seed=1", "lr=1"]], 4)
    assert [(job.number, job.label) for job in jobs] == [(4, "seed=0"), (5, "seed=1")]


def test_the_command_of_a_job_is_a_single_run_with_fixed_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd = "it's, a {folder} = [x]"
    job = Job(3, ("seed=1",), settings={"paths": {"outputs": odd, "cache": "c"}})
    words = train_command(
        job,
        ["hydra/launcher=local", "hydra.launcher.cpus=2", "hydra.verbose=true", "hydra.mode=MULTIRUN"],
        [],
    )
    assert words[:4] == [sys.executable, "-m", "occlufer.cli", "train"]
    assert words[4:6] == ["hydra.verbose=true", "seed=1"]
    parsed = {
        found.key_or_group: found.value() for found in OverridesParser.create().parse_overrides(words[4:])
    }
    assert parsed["paths.outputs"] == str(tmp_path / odd)
    assert parsed["paths.cache"] == str(tmp_path / "c")
    assert (parsed["hydra.mode"], parsed["hydra.job.num"], parsed["retry"]) == ("RUN", 3, None)


def test_a_job_ends_when_its_sweep_is_killed(tmp_path):
    """The parent of the process is a Python that is SIGKILLed: nobody is left to end the job."""
    if sys.platform != "linux":
        pytest.skip("Linux tells a process that its parent has died")
    log = tmp_path / "log"
    code = (
        "import os, pathlib, sys\nfrom occlufer.launchers.processes import Process, clean_environment\n"
        "job = [sys.executable, '-c', 'import os, time; print(os.getpid(), flush=True); time.sleep(120)']\n"
        f"Process(job, folder=pathlib.Path('.'), environment=clean_environment(), log=pathlib.Path({str(log)!r}))\n"
        f"while len(pathlib.Path({str(log)!r}).read_text().splitlines()) < 2: pass\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    pid = int(log.read_text().splitlines()[1])
    for _ in range(200):
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} outlived its sweep")


def test_a_process_says_what_it_did(tmp_path):
    words = [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"]
    process = Process(words, folder=tmp_path, environment=clean_environment(), log=tmp_path / "a" / "log")
    while (code := process.poll()) is None:
        time.sleep(0.02)
    assert code == 3
    assert {"out", "err"} < set((tmp_path / "a" / "log").read_text().splitlines())


def test_names_that_look_like_markup_are_shown(tmp_path):
    job = Job(
        0,
        (),
        label="conditions=[none]",
        run=Run(tmp_path / "run"),
        phase=Phase.FAILED,
        reason="[red] herring",
    )
    canvas = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    canvas.print(summary_table([job]))
    text = canvas.export_text()
    canvas.file.close()
    for part in ("conditions=[none]", "[red] herring", "1 job: 1 failed"):
        assert part in text


def test_a_log_says_how_far_the_jobs_are_and_how_long_the_rest_takes(tmp_path, monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr("occlufer.launchers.board.time.monotonic", lambda: clock[0])
    settings = {"trainer": {"max_epochs": 4}}
    jobs = [
        Job(number, (), label=f"seed={number}", run=Run(tmp_path / f"r{number}"), settings=settings)
        for number in range(4)
    ]
    history, log = tmp_path / "r0" / "history.csv", tmp_path / "logs" / "r1.log"
    for path in (history, log):
        path.parent.mkdir()
    log.write_text("--- noon\nDrawing faces: 7 of 21\n")
    board = Board(jobs)
    for job in jobs[:2]:
        job.phase = Phase.RUNNING
        board.told(job)
    board.refresh()
    assert math.isnan(board.seconds_left())
    clock[0] = 40.0
    history.write_text("epoch,val_f1_macro,seconds\n0,0.25,30\n1,0.25,30\n")
    board.refresh()
    said = capsys.readouterr().err
    # 80 s a job: 40 for each of those that run, and 80 for each that waits, two at a time.
    assert "4 jobs: 2 waiting, 2 running, about 0:02:00 left" in said.replace("\n", " ")
    assert "seed=0: epoch 2 of 4; seed=1: Drawing faces: 7 of 21" in said.replace("\n", " ")
    board.refresh()
    assert capsys.readouterr().err == "", "not at every look"
    clock[0], jobs[0].phase = 100.0, Phase.DONE
    board.told(jobs[0])
    assert board.seconds_left() == 200.0, "as long as the one that is done"


def test_a_job_that_goes_on_takes_what_its_other_epochs_take(tmp_path, monkeypatch):
    clock, run = [0.0], Run(tmp_path / "r")
    monkeypatch.setattr("occlufer.launchers.board.time.monotonic", lambda: clock[0])
    run.folder.mkdir()
    rows = [f"{epoch},0.1,{epoch}\n" for epoch in range(8)]
    (run.folder / "history.csv").write_text("epoch,val_f1_macro,seconds\n" + "".join(rows[:5]))
    job = Job(0, (), run=run, settings={"trainer": {"max_epochs": 10}}, phase=Phase.RUNNING)
    board = Board([job])
    board.told(job)
    clock[0] = 30.0
    (run.folder / "history.csv").write_text("epoch,val_f1_macro,seconds\n" + "".join(rows))
    assert board.seconds_left() == pytest.approx(20.0)


def test_the_live_table_shows_how_far_a_running_job_is(tmp_path):
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    (run.folder / "history.csv").write_text("epoch,val_f1_macro,seconds\n0,0.25,10\n1,0.5,20\n")
    settings = {"trainer": {"max_epochs": 8}}
    jobs = [
        Job(0, (), label="seed=0", run=run, settings=settings, phase=Phase.RUNNING),
        Job(1, (), label="seed=1", run=Run(tmp_path / "new"), settings=settings, phase=Phase.RUNNING),
        Job(2, (), label="seed=2"),
    ]
    canvas = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    canvas.print(Board(jobs).table())
    text = canvas.export_text()
    canvas.file.close()
    assert "3 jobs: 1 waiting, 2 running" in text
    (row,) = [line for line in text.splitlines() if "seed=0" in line]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == [
        "0",
        "seed=0",
        "running",
        "2 of 8",
        "0.500",
        "0:01:00",
    ]
    assert "begins" in text
    assert "seed=2" not in text, "what waits is only counted"
