"""Which conditions are compared face by face, and the table of the paired tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import pandas as pd

from occlufer.analysis.core.cells import Counted
from occlufer.analysis.core.conditions import condition_order, mask_and_headset
from occlufer.analysis.core.metrics import accuracy_of
from occlufer.analysis.core.statistics import difference, holm, paired_test
from occlufer.analysis.core.study import Block
from occlufer.analysis.core.trainings import Training, in_order

KINDS: dict[str, str] = {
    "cover": "same network, tested on two conditions",
    "train": "same test condition, networks trained on two conditions",
    "own": "each network tested on the condition that it was trained on",
}


def comparisons_table(counted: dict[Block, list[Counted]]) -> pd.DataFrame:
    """Paired comparisons on the same faces, one row a training: exact McNemar test, interval of the difference.

    `kind` is a key of `KINDS`; difference = accuracy of the second minus the first; `p_holm` is corrected for all rows.
    """
    rows = []
    for block, items in counted.items():
        for kind, first, second in _pairs(items):
            test = paired_test(first.cell.correct_N, second.cell.correct_N)
            change = difference(accuracy_of, [first.cell], [second.cell])
            rows.append(
                asdict(block)
                | {
                    "kind": kind,
                    "seed": first.training.seed,
                    "fold": first.training.fold,
                    "train_first": first.train,
                    "test_first": first.test,
                    "train_second": second.train,
                    "test_second": second.test,
                    "n": len(first.cell.correct_N),
                    "accuracy_first": first.cell.correct_N.mean(),
                    "accuracy_second": second.cell.correct_N.mean(),
                    "difference": float(change.value),
                    "low": float(change.low),
                    "high": float(change.high),
                    "only_first_right": test.only_first,
                    "only_second_right": test.only_second,
                    "p": test.p,
                }
            )
    table = pd.DataFrame(rows, columns=None if rows else [*Block.__slots__, "kind", "seed", "fold", "p"])
    return table.assign(p_holm=holm(table["p"].tolist())).astype({"fold": "Int64"})


def _pairs(items: Sequence[Counted]) -> Iterator[tuple[str, Counted, Counted]]:
    """What is worth comparing: against none, and a mask against the headset of its family (the question of study A)."""
    order = condition_order([*(item.train for item in items), *(item.test for item in items)])
    wanted = [("none", name) for name in order if name != "none"]
    wanted += mask_and_headset(order)
    # Two runs of one design and training (a warning of the study names them): the first by name is compared.
    grid: dict[tuple[Training, str, str], Counted] = {}
    for item in items:
        grid.setdefault((item.training, item.train, item.test), item)
    for training in in_order(training for training, _, _ in grid):
        pairs = [("cover", (train, one), (train, two)) for train in order for one, two in wanted]
        pairs += [
            ("train", (one, test), (two, test)) for test in order for one, two in wanted if one == "none"
        ]
        pairs += [("own", (one, one), (two, two)) for one, two in wanted]
        for kind, one, two in pairs:
            if (first := grid.get((training, *one))) and (second := grid.get((training, *two))):
                yield kind, first, second
