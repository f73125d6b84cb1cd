"""Near-duplicates are looked for by `prepare`, once, and said by whoever uses the same faces later."""

from pathlib import Path

import pytest

from fakes import tiny_fer2013


def test_prepare_looks_once_and_says_it_again(
    run_command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = [*tiny_fer2013(tmp_path / "in"), f"paths.outputs={tmp_path / 'o'}"]
    run_command("prepare", words)
    first = capsys.readouterr().err
    assert "Comparing images across splits" in first
    assert "near-duplicate" in first
    run_command("prepare", words)
    again = capsys.readouterr().err
    assert "Comparing images across splits" not in again
    assert ("near-duplicates of" in again) == ("near-duplicates of" in first)
