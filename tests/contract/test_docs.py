"""Figures that stand in two documents are the same in both."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
README = (_ROOT / "README.md").read_text(encoding="utf-8")


def test_the_shipped_network_scores_in_readme_what_its_card_says():
    card = (_ROOT / "docs/model-card.md").read_text(encoding="utf-8")
    known = dict(re.findall(r"^\| (none|mask|headset) \| yes \| all \| \d+ \| 0(\.\d+) ", card, re.M))
    (said,) = re.findall(r"at (\.\d+) bare, (\.\d+) masked and (\.\d+) under a headset", README)
    assert dict(zip(("none", "mask", "headset"), said, strict=True)) == known


def test_the_matrix_of_readme_is_that_of_the_results():
    results = (_ROOT / "docs/results.md").read_text(encoding="utf-8")
    matrix = {head: row.replace("*", "") for head, row in re.findall(r"^\| (.+?) \|(.+ ± .+)$", README, re.M)}
    assert len(matrix) >= 3
    (table,) = re.findall(r"^\| trained on \| bare \|.+?\n\n", results, re.M | re.S)
    found = {head: row.replace("*", "") for head, row in re.findall(r"^\| (.+?) \|(.+ ± .+)$", table, re.M)}
    for head, row in matrix.items():
        (same,) = (other for name, other in found.items() if name.split(" (`")[0] == head)
        # There each cell has the macro F1 behind its accuracy.
        assert re.findall(r"[\d.]+ ± [\d.]+", same) == re.findall(r"[\d.]+ ± [\d.]+", row), head


def test_what_mixed_training_wins_back_is_the_same_in_both():
    results = (_ROOT / "docs/results.md").read_text(encoding="utf-8")
    (row,) = re.findall(
        r"^\| `mixed` \| (\d+) % \((\d+) to (\d+)\) \| (\d+) % \((\d+) to (\d+)\) \|", results, re.M
    )
    said = re.findall(r"(\d+) % \((?:95 % interval )?(\d+) to (\d+)\) of what", README)
    assert [number for share in said for number in share] == list(row)
