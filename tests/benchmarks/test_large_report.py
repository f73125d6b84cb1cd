"""The large study of the benchmark, small: every section has something to say, and its cost grows with its runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import large_report
from occlufer.analysis.core.core import Core
from occlufer.analysis.core.study import load_study
from occlufer.analysis.report import write_report
from occlufer.analysis.sections import make_sections, tables_of


def made(folder: Path, *, networks: int, seeds: int, faces: int = 140) -> Path:
    large_report.write_study(folder, networks=networks, seeds=seeds, faces=faces)
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("outputs") / "small", networks=1, seeds=2)


def calls(folder: Path) -> int:
    """How many functions are called to read a study and to make all of its tables."""
    count = 0

    def see(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(see)
    try:
        tables_of(make_sections(Core(load_study(folder), resamples=20)))
    finally:
        sys.setprofile(None)
    return count


def test_the_report_has_what_such_a_study_has(small: Path, tmp_path: Path) -> None:
    page = write_report(small, output=tmp_path).path.read_text(encoding="utf-8")
    for words in ("What wins it back", "On other faces", "Where networks look", "a box that covers as much",
                  "By skin type", "near-duplicates of training", "A temperature fitted on bare"):  # fmt: skip
        assert words in page, words


def test_twice_the_runs_cost_about_twice_as_much(small: Path, tmp_path: Path) -> None:
    calls(small)  # what is read or built once a process
    once = calls(small)
    assert calls(made(tmp_path / "seeds", networks=1, seeds=4)) < 2.2 * once
    # A second network brings the section that compares networks, where each of Tukey's p values is an integral.
    assert calls(made(tmp_path / "networks", networks=2, seeds=2)) < 2.6 * once


def test_ten_times_the_faces_call_hardly_more(small: Path, tmp_path: Path) -> None:
    calls(small)
    assert calls(made(tmp_path / "faces", networks=1, seeds=2, faces=1400)) < 1.5 * calls(small)
