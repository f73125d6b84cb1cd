"""Studies of fake runs, made once for the whole room."""

from __future__ import annotations

from pathlib import Path

import pytest

import fakes_runs


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three conditions, two seeds and an unfinished run."""
    return fakes_runs.make_study(
        tmp_path_factory.mktemp("outputs"), seeds=(0, 1), n=140, break_one="unfinished"
    )
