"""A run folder that anybody may have written: nothing in it may stop, fill or steer the reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

import fakes_runs
from fakes.figures import undrawn
from occlufer.analysis.core.study import Study, load_study
from occlufer.analysis.report import write_report
from occlufer.reading import MOST_BYTES, printable, read_json, read_yaml
from occlufer.runs import Run
from occlufer.sweeps import study_status
from occlufer.types import RunError

_BOMB = "a0: &a0 [1, 2]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
_BRACKETS = "[" * 200_000


def _grow(path: Path) -> None:
    """A sparse file larger than any record, which costs no disk."""
    with path.open("wb") as handle:
        handle.truncate(1_000_000_000)


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


# File -> (what a stranger put there, what the reason must say).
_BAD = {
    "a bomb of aliases": ("config.yaml", lambda path: path.write_text(_BOMB), None),
    "an alias of itself": ("config.yaml", lambda path: path.write_text("a: &a [*a]\n"), None),
    "brackets in yaml": ("config.yaml", lambda path: path.write_text(_BRACKETS), None),
    "brackets in run.json": ("run.json", lambda path: path.write_text(_BRACKETS), "cannot be read"),
    "brackets in environment.json": ("environment.json", lambda path: path.write_text(_BRACKETS), None),
    "a huge number": (
        "run.json",
        lambda path: _replace(path, '"parameters": ', f'"parameters": 1{"0" * 400}'),
        "more than 64 bits",
    ),
    "a gigabyte": ("run.json", _grow, "1,000,000,000 bytes"),
    "junk history": ("history.csv", lambda path: path.write_bytes(b"\x00\xff junk"), "history.csv cannot be read"),
    "words for numbers": ("history.csv", lambda path: path.write_text("epoch,val_f1_macro\n0,high\n"), "val_f1_macro"),
    "junk coverage": ("coverage.csv", lambda path: path.write_text("a,b\n1,2\n"), "coverage.csv cannot be read"),
    "counts that are words": (
        "coverage.csv",
        lambda path: path.write_text("split,expression,faces,used,dropped\ntest,fear,many,1,1\n"),
        "faces",
    ),
}  # fmt: skip

_MODELS = {what: f"network{number}" for number, what in enumerate(_BAD)}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A whole run on bare faces and one under masks, and beside them one of each kind in `_BAD`; it has a report."""
    folder = fakes_runs.make_study(tmp_path_factory.mktemp("outputs"), conditions=("none", "mask"), n=30)
    for model, (name, damage, _) in zip(_MODELS.values(), _BAD.values(), strict=True):
        run = fakes_runs.make_run(folder, condition="mask", model=model, n=30, tests=("none", "mask"))
        damage(run.folder / name)
    assert len(study_status(folder)) == 2 + len(_BAD)
    with pytest.MonkeyPatch.context() as patch:
        undrawn(patch)
        assert write_report(folder).path.is_file()
    return load_study(folder)


@pytest.mark.parametrize("what", _BAD)
def test_bad_runs_are_left_out_and_the_report_is_made(study: Study, what: str) -> None:
    mark, reason = f"_{_MODELS[what]}_", _BAD[what][2]
    used = [run.run.name for run in study.runs if mark in run.run.name]
    left_out = [item.reason for item in study.left_out if mark in item.name]
    assert len(used) + len(left_out) == 1
    if reason is not None:  # otherwise no number depends on that file
        assert reason in left_out[0]


@pytest.mark.usefixtures("undrawn_figures")
def test_brackets_in_a_name_are_shown_as_they_are(tmp_path: Path) -> None:
    folder = fakes_runs.make_study(tmp_path, conditions=("none", "mask"), n=30)
    for path in folder.iterdir():
        _replace(path / "run.json", '"model": "small_cnn"', '"model": "[/]small[bold]"')
    report = write_report(folder)
    console = Console(width=200)
    with console.capture() as shown:
        console.print(report.matrix)
    assert "[/]small[bold]" in shown.get()


def test_a_failure_cannot_steer_the_terminal(tmp_path: Path) -> None:
    folder = fakes_runs.make_study(tmp_path, conditions=("none",), n=30, break_one="failed")
    failed = next(Run(path.parent) for path in folder.glob("*/failure.json"))
    failed.write_json("failure.json", {"message": "\x1b]0;owned\x07\x1b[2J gone"})
    assert failed.failure is not None
    assert "\x1b" not in failed.failure
    assert "gone" in failed.failure
    assert all("\x1b" not in row.reason for row in study_status(folder))


def test_a_condition_of_control_characters_is_refused(tmp_path: Path) -> None:
    run = fakes_runs.make_run(tmp_path / "s", n=20)
    run.write_predictions(run.predictions().assign(condition="no\x1b[31mne"))
    with pytest.raises(RunError, match="control characters"):
        run.predictions()


def test_aliases_that_are_few_are_read_and_shared_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a: &a [1, 2]\nb: *a\n")
    content = read_yaml(path)
    assert content == {"a": [1, 2], "b": [1, 2]}
    assert content["a"] is not content["b"]


@pytest.mark.parametrize("text", ['{"a": 1', "[1e400, 99999999999999999999]", "[" * 100 + "]" * 100, ""])
def test_json_that_cannot_be_a_record_is_refused(tmp_path: Path, text: str) -> None:
    (path := tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match=r"run\.json cannot be read"):
        read_json(path)


def test_a_file_at_the_limit_is_read_and_one_beyond_is_not(tmp_path: Path) -> None:
    (path := tmp_path / "run.json").write_text("[" + " " * (MOST_BYTES[".json"] - 2) + "]")
    assert read_json(path) == []
    path.write_text(path.read_text() + " ")
    with pytest.raises(RunError, match="16,000,001 bytes"):
        read_json(path)


def test_words_in_other_scripts_are_printable() -> None:
    assert printable("Überraschung 惊讶 – é\ttab\nline") == "Überraschung 惊讶 – é\ttab\nline"
    assert printable("a\x9bb\u202ec") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"


def test_other_numbers_of_threads_in_one_study_are_told(tmp_path: Path) -> None:
    folder = fakes_runs.make_study(tmp_path, conditions=("none", "mask"), n=30)
    for count, path in enumerate(sorted(folder.iterdir()), start=1):
        run = Run(path)
        content = read_json(path / "environment.json")
        run.write_json(
            "environment.json", content | {"threads": [{"num_threads": 1}, {"num_threads": count}, "?"]}
        )
    assert any("different numbers of threads (1, 2)" in text for text in load_study(folder).warnings)
