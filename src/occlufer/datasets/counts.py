"""The published sizes of a set against what was found: what is missing, and labels that changed places."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from occlufer.types import EXPRESSIONS, DatasetError, IntArray

Counts = Mapping[str, Mapping[str, int]]
"""Split -> expression -> faces."""

_FAR, _NEAR = 0.05, 0.02  # shares of all faces by which counts of classes differ
_WHOLE = 0.5  # share of all faces from which the whole set seems to be meant


def check_counts(frame: pd.DataFrame, published: Counts, *, name: str, title: str) -> tuple[str, ...]:
    """Compare the listed faces with the published counts, split by split.

    Args:
        frame: the columns of a manifest as listed, before anything is carved, dropped or limited.
        published: the counts by split and expression; splits that it does not name are not looked at.
        name: the dataset's name, for messages.
        title: what the set is called.

    Returns:
        One sentence with the differences, by class where the whole set seems to be meant; none when there are
        none.

    Raises:
        DatasetError: the counts of a split are the published ones, but of other classes: a label order has been
            swapped. Sizes of classes differ by more than a twentieth of the split, and in another order they
            fit within a fiftieth.
    """
    differences = []
    for split, classes in published.items():
        wanted = np.array([classes.get(expression, 0) for expression in EXPRESSIONS], np.int64)
        labels = frame.loc[frame["split"] == split, "label"].to_numpy(dtype=np.int64)
        found = np.bincount(labels, minlength=len(EXPRESSIONS)).astype(np.int64)
        _refuse_swapped(found, wanted, f"{name}: {split}", title)
        if (found != wanted).any():
            differences.append(f"{split} {found.sum():,} for {wanted.sum():,}{_by_class(found, wanted)}")
    if not differences:
        return ()
    return (f"Not the published numbers of faces of {title}; found for published: {'; '.join(differences)}.",)


def _by_class(found: IntArray, wanted: IntArray) -> str:
    if found.sum() < _WHOLE * wanted.sum():
        return ""
    unlike = [
        f"{expression} {here:,} for {there:,}"
        for expression, here, there in zip(EXPRESSIONS, found, wanted, strict=True)
        if here != there
    ]
    return f" ({', '.join(unlike)})"


def _refuse_swapped(found: IntArray, wanted: IntArray, where: str, title: str) -> None:
    total = wanted.sum()
    as_named = np.abs(found - wanted).sum()
    in_best_order = np.abs(np.sort(found) - np.sort(wanted)).sum()  # sorting gives the least difference
    if as_named <= _FAR * total or in_best_order > _NEAR * total:
        return
    like = dict(zip(np.argsort(found).tolist(), np.argsort(wanted).tolist(), strict=True))
    moved = [
        f"{EXPRESSIONS[here]} has the size of {EXPRESSIONS[there]} ({wanted[there]:,})"
        for here, there in sorted(like.items())
        if here != there
    ]
    raise DatasetError(
        f"{where}: the classes have the published sizes of {title} in another order: {', '.join(moved)}. The "
        "labels were written in the order of another dataset: take them from the original files."
    )
