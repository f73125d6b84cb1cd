"""The command line's front: help, versions, and what the commands share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue
from rich.console import Console

from occlufer import __version__, cli, console
from occlufer.building import build, plain
from occlufer.commands.app import study_folder
from occlufer.commands.options import COMMANDS, group_options
from occlufer.settings import conf_folder
from occlufer.types import ConfigError

HEAVY = ["torch", "hydra", "omegaconf", "pytorch_lightning", "timm", "mediapipe", "cv2", "pandas", "wandb"]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["occlufer", *arguments])
    cli.main()


@pytest.mark.parametrize("words", [[], ["-h"], ["--help"], ["help"]])
def test_help_lists_every_command(monkeypatch, capsys, words):
    run(monkeypatch, *words)
    shown = capsys.readouterr().out
    for name, info in COMMANDS.items():
        assert f"  {name} " in shown
        assert info.purpose in shown


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_each_command_has_its_help(monkeypatch, capsys, command, flag):
    run(monkeypatch, command, "seed=1", flag)
    shown = capsys.readouterr().out
    assert COMMANDS[command].purpose in shown
    assert COMMANDS[command].example in shown
    for setting, meaning in COMMANDS[command].settings:
        assert setting in shown
        assert meaning in shown
    assert COMMANDS[command].ends in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_module_and_its_configuration(command):
    assert (Path(cli.__file__).parent / "commands" / f"{command}.py").is_file()
    assert COMMANDS[command].example.startswith(f"occlufer {command}")


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_version(monkeypatch, capsys, flag):
    run(monkeypatch, flag)
    assert capsys.readouterr().out == f"occlufer {__version__}\n"


def test_an_unknown_command_names_the_nearest(monkeypatch, capsys):
    with pytest.raises(SystemExit) as exit_:
        run(monkeypatch, "trian", "seed=1")
    assert exit_.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Unknown command 'trian'. Did you mean 'train'?" in said.err
    assert "occlufer --help" in said.err


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["--version"], ["nonsense"]])
def test_help_loads_nothing_heavy(words):
    code = (
        "import json, sys\nfrom occlufer.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print('\\n' + json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    result = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60)
    assert json.loads(result.stdout.splitlines()[-1]) == [], result.stderr


def test_a_request_is_checked_before_anything_heavy_is_imported():
    modules = [f"occlufer.commands.{name}" for name in COMMANDS]
    heavy = [name for name in HEAVY if name not in ("hydra", "omegaconf")]
    code = (
        f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout.split("\n")[-2] == "[]", result.stdout + result.stderr


def test_options_are_the_files_of_the_group():
    assert group_options("occlusion") == sorted(path.stem for path in (conf_folder() / "occlusion").iterdir())
    assert group_options("nothing") == []


# --- commands.app


def test_plain_resolves_and_copies():
    config = OmegaConf.create({"a": 1, "b": "${a}", "c": {"d": [1, "${a}"]}})
    assert plain(config) == {"a": 1, "b": 1, "c": {"d": [1, 1]}}
    assert type(plain(config.c)) is dict
    assert plain("text") == "text"


def test_plain_names_a_value_that_must_be_given():
    with pytest.raises(MissingMandatoryValue, match="root"):
        plain(OmegaConf.create({"root": "???"}))


def test_build_raises_our_errors_as_they_are():
    node = {"_target_": "occlufer.data.view.FaceCrop", "margin": -1}
    with pytest.raises(ConfigError, match=r"^view\.margin must be 0 or more, found -1\.$"):
        build(node)


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ({"_target_": "occlufer.data.view.FaceCrop", "margins": 1}, "margins"),
        ({"_target_": "occlufer.data.view.FaceCorp"}, "FaceCorp"),
        ({"_target_": "occlufer.nowhere.Thing"}, "occlufer.nowhere"),
    ],
)
def test_build_names_what_cannot_be_built(node, told):
    with pytest.raises(ConfigError, match=told):
        build(node)


def test_build_hands_over_plain_values():
    node = OmegaConf.create(
        {"_target_": "occlufer.data.transforms.Augmentation", "rotation_range": [-1.0, 1.0]}
    )
    made = build(node, flip=1.0)
    assert len(made._steps) == 2


def test_a_study_is_a_path_that_exists_or_a_name(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    config = OmegaConf.create(
        {"study": str(tmp_path / "elsewhere"), "paths": {"outputs": str(tmp_path / "out")}}
    )
    assert study_folder(config) == tmp_path / "elsewhere"
    config.study = "first"
    assert study_folder(config) == tmp_path / "out" / "first"


def test_a_study_is_found_beside_a_folder_of_its_name(tmp_path, monkeypatch):
    """As with `--config-dir mine study=mine`, or `dataset.root=faces study=faces`."""
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    Path("outputs/mine").mkdir(parents=True)
    config = OmegaConf.create({"study": "mine", "paths": {"outputs": "outputs"}})
    assert study_folder(config) == Path("outputs/mine")
    config.study = "outputs/mine"
    assert study_folder(config) == Path("outputs/mine")


# --- console


def test_help_that_nobody_reads_to_its_end_leaves_no_traceback():
    command = f"{sys.executable} -c 'from occlufer.cli import main; main()' --help"
    for reader in ("head -1", "true"):
        ended = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command} | {reader}"], capture_output=True, text=True
        )
        assert ended.stderr == ""
        assert ended.returncode == 0


def test_threads_sleep_between_operations_unless_told_otherwise(monkeypatch):
    """Set before the command's module, and torch with it, is imported."""
    seen: dict[str, str | None] = {}
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    monkeypatch.setattr(os, "environ", os.environ.copy())
    os.environ.pop("OMP_WAIT_POLICY", None)
    monkeypatch.setattr("runpy.run_module", lambda *args, **kwargs: seen.update(os.environ))
    run(monkeypatch, "train")
    assert (seen["OMP_WAIT_POLICY"], seen["GOMP_SPINCOUNT"]) == ("PASSIVE", "5")


def test_only_the_first_process_says_something(monkeypatch, capsys):
    console.say("[bold]one[/bold] of 3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    console.say("two")
    shown = capsys.readouterr()
    assert shown.err == "[bold]one[/bold] of 3\n"
    assert shown.out == ""


@pytest.mark.parametrize(("total", "most"), [(1000, 12), (3, 4), (1, 2)])
def test_progress_without_a_terminal_is_a_few_lines_and_ends_whole(monkeypatch, total, most):
    lines: list[str] = []
    monkeypatch.setattr("occlufer.progress.say", lines.append)
    monkeypatch.setattr("occlufer.progress.err", SimpleNamespace(is_terminal=False))
    with console.progress("Working") as update:
        for done in range(total + 1):
            update(done, total)
    assert len(lines) <= most
    assert lines[-1] == f"Working: {total:,} of {total:,}"
    assert len(set(lines)) == len(lines)


def test_no_work_is_no_progress(monkeypatch):
    lines: list[str] = []
    monkeypatch.setattr("occlufer.progress.say", lines.append)
    monkeypatch.setattr("occlufer.progress.err", SimpleNamespace(is_terminal=False))
    with console.progress("Working") as update:
        update(0, 0)
    assert lines == []


def test_progress_on_a_terminal_shows_how_much(monkeypatch):
    terminal = Console(force_terminal=True, width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    monkeypatch.setattr("occlufer.progress.err", terminal)
    with console.progress("Working") as update:
        update(40, 41)
    text = terminal.export_text()
    terminal.file.close()
    assert "Working" in text
    assert "40/41" in text


def test_a_table_shows_every_value_with_thousands_marked():
    frame = pd.DataFrame({"split": ["train", "[test]"], "faces": [28709, 7], "share": [0.5, 0.25]})
    canvas = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    canvas.print(console.table(frame, "Faces"))
    text = canvas.export_text()
    canvas.file.close()
    for part in ("Faces", "train", "28,709", "0.25", "[test]"):
        assert part in text


def test_an_opencv_that_wants_a_display_is_told_with_its_cure(monkeypatch, capsys):
    def fail(*words, **options):
        raise ImportError("libGL.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(cli.runpy, "run_module", fail)
    with pytest.raises(SystemExit, match="1"):
        run(monkeypatch, "prepare")
    assert f"{sys.executable} -m pip install --force-reinstall" in capsys.readouterr().err


def test_it_is_told_by_hydras_commands_too(tmp_path):
    """Hydra would print the failed import as a traceback."""
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    told = subprocess.run(
        [sys.executable, "-P", "-m", "occlufer", "preview", "dataset.size=21"], capture_output=True, text=True,
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)}, timeout=120,
    )  # fmt: skip
    assert told.returncode == 1
    assert told.stderr.startswith("Error: OpenCV cannot be loaded")
    assert "Traceback" not in told.stderr
    assert "--force-reinstall --no-deps opencv-python-headless" in told.stderr


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "occlufer", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"occlufer {__version__}\n"
