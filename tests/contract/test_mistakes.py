"""Mistakes on the command line fail before any work, and say what would have worked."""

from __future__ import annotations

import pytest

from occlufer.commands.options import group_options

DATASET = group_options("dataset")[0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["train", "occlusion=maks"], ["maks", *group_options("occlusion")]),
        (["train", "trainer.max_epoch=3"], ["max_epoch"]),
        (["train", "conditions=[none,maks]", "paths.outputs=out"], ["'maks'", "Did you mean 'mask'?"]),
    ],
    ids=["option", "key", "condition"],
)  # fmt: skip
def test_a_mistake_fails_before_any_work(occlufer, tmp_path, words, told):
    result = occlufer(*words, f"dataset={DATASET}", cwd=tmp_path)
    said = result.stdout + result.stderr
    assert result.returncode != 0, said
    for part in told:
        assert part in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
