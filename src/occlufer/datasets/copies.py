"""Images that stand more than once, byte for byte: under several labels, in two splits, or twice in one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from occlufer.datasets.base import left_out_table
from occlufer.datasets.manifest import Manifest, named
from occlufer.datasets.stores import ImageStore, Source, in_threads
from occlufer.types import EXPRESSIONS, SPLITS, DatasetError

_STRENGTH = {split: strength for strength, split in enumerate(SPLITS)}  # who keeps a face
_OTHER_LABELS = "copies of it carry other labels"

Group = Sequence[int]
"""Rows of a manifest that hold the same bytes."""


@dataclass(frozen=True, slots=True)
class WithoutCopies:
    """What `without_copies` leaves.

    Attributes:
        manifest: the faces that are kept.
        notes: sentences with the numbers by class; none when no image stands more than once.
        left_out: see `occlufer.datasets.base.left_out_table`.
        digests: those that were computed on the way, by source.
    """

    manifest: Manifest
    notes: tuple[str, ...]
    left_out: pd.DataFrame
    digests: dict[Source, bytes]


def without_copies(
    manifest: Manifest, store: ImageStore, *, duplicates: str = "drop", contradictions: str = "drop"
) -> WithoutCopies:
    """Find images whose stored bytes stand more than once, and take out what would teach or score something wrong.

    First, copies under several labels, of which nobody knows the right one: all of them in train and validation leave.
    Second, copies in two splits: a training face that is also in validation or test, and a validation face that is also
    in test, would be scored as if it had never been seen, and leaves the earlier split. Test never loses a face, so
    that figures stay comparable; copies under one label within a split stay. All are counted. Only files of equal
    length are read.

    Args:
        manifest: the faces.
        store: where their bytes are.
        duplicates: "drop" takes copies in two splits out, "keep" only counts them, "error" refuses any copies.
        contradictions: the same for copies under several labels.

    Raises:
        DatasetError: policy "error" and a copy, or a class left without faces.
    """
    digests = _digests_where_sizes_meet(manifest, store)
    groups = _groups(manifest, digests)
    conflicts = _conflicts(manifest, groups)
    if conflicts and contradictions == "error":
        raise _refused(manifest, conflicts, "under more than one label", "contradictions")
    if groups and duplicates == "error":
        across = [group for group in groups if len({manifest.splits[row] for row in group}) > 1]
        raise _refused(
            manifest, across or groups, "in two splits" if across else "twice in a split", "duplicates"
        )
    gone: dict[int, str] = {}
    if contradictions == "drop":
        gone = {row: _OTHER_LABELS for group in conflicts for row in group if manifest.splits[row] != "test"}
    twins = _twins(manifest, [[row for row in group if row not in gone] for group in groups])
    if duplicates == "drop":
        gone |= {row: f"a copy of it stands in {manifest.splits[twin]}" for row, twin in twins.items()}
    notes = (
        *_conflict_notes(manifest, conflicts, contradictions),
        *_leak_notes(manifest, twins, duplicates),
        *_twice_notes(manifest, [[row for row in group if row not in gone] for group in groups]),
    )
    gone = dict(sorted(gone.items()))
    frame = manifest.frame
    left_out = left_out_table(frame.loc[list(gone)], list(gone.values()))
    if gone:
        manifest = Manifest.from_frame(
            frame.drop(index=list(gone)), name=manifest.name, classes=manifest.classes
        )
    return WithoutCopies(manifest, notes, left_out, digests)


def _digests_where_sizes_meet(manifest: Manifest, store: ImageStore) -> dict[Source, bytes]:
    sources = manifest.sources.tolist()
    sizes = in_threads(store.size, sources)
    alike = Counter(sizes)
    candidates = [source for source, size in zip(sources, sizes, strict=True) if alike[size] > 1]
    return dict(zip(candidates, in_threads(store.digest, candidates), strict=True))


def _groups(manifest: Manifest, digests: Mapping[Source, bytes]) -> list[Group]:
    rows_of: defaultdict[bytes, list[int]] = defaultdict(list)
    for row, source in enumerate(manifest.sources):
        digest = digests.get(source)
        if digest is not None:
            rows_of[digest].append(row)
    return [rows for rows in rows_of.values() if len(rows) > 1]


def _conflicts(manifest: Manifest, groups: Sequence[Group]) -> list[Group]:
    """Groups with several labels; train and validation are one here, as one may be carved of the other."""
    parts = [
        [row for row in group if (manifest.splits[row] == "test") == in_test]
        for group in groups
        for in_test in (False, True)
    ]
    return [part for part in parts if len({manifest.labels[row] for row in part}) > 1]


def _twins(manifest: Manifest, groups: Sequence[Group]) -> dict[int, int]:
    """Row -> the row of its copy in the latest split, for rows of earlier splits."""
    twins: dict[int, int] = {}
    strength = [_STRENGTH[str(split)] for split in manifest.splits]
    for group in groups:
        best = max(group, key=lambda row: (strength[row], -row), default=-1)
        twins |= {row: best for row in group if manifest.splits[row] != manifest.splits[best]}
    return dict(sorted(twins.items()))


def _refused(manifest: Manifest, groups: Sequence[Group], where: str, setting: str) -> DatasetError:
    ordered = [sorted(group, key=lambda row: _STRENGTH[str(manifest.splits[row])]) for group in groups]
    same = [" = ".join(manifest.keys[group][:3]) for group in ordered]
    instead = (
        "to take them out"
        if setting == "contradictions"
        else "to take those in two splits out of the earlier one"
    )
    return DatasetError(
        f"{manifest.name}: the same image stands {where}: {named(same)}. Remove the copies, or say "
        f"dataset.{setting}=drop {instead}."
    )


def _conflict_notes(manifest: Manifest, conflicts: Sequence[Group], policy: str) -> Iterator[str]:
    for in_test in (False, True):
        groups = [group for group in conflicts if (manifest.splits[group[0]] == "test") == in_test]
        if not groups:
            continue
        rows = [row for group in groups for row in group]
        splits = " and ".join(f"{n:,} {split}" for split, n in Counter(manifest.splits[sorted(rows)]).items())
        deed = "dropped" if policy == "drop" else "KEPT (dataset.contradictions=keep)"
        yield (
            f"{splits} images are copies of {len(groups):,} that stand under more than one label "
            f"({_by_class(manifest, rows)}): {'KEPT, as test loses no face' if in_test else deed}."
        )


def _leak_notes(manifest: Manifest, twins: Mapping[int, int], policy: str) -> Iterator[str]:
    splits = manifest.splits
    for split, twin_split in sorted({(splits[row], splits[twin]) for row, twin in twins.items()}):
        rows = [row for row, twin in twins.items() if (splits[row], splits[twin]) == (split, twin_split)]
        other = sum(manifest.labels[row] != manifest.labels[twins[row]] for row in rows)
        deed = f"dropped from {split}" if policy == "drop" else "KEPT (dataset.duplicates=keep)"
        disagree = f"; {other} of them carry another label there" if other else ""
        yield (
            f"{len(rows)} {split} images are byte for byte images of {twin_split} ({_by_class(manifest, rows)})"
            f"{disagree}: {deed}."
        )


def _twice_notes(manifest: Manifest, groups: Sequence[Group]) -> Iterator[str]:
    for split in SPLITS:
        parts = [[row for row in group if manifest.splits[row] == split] for group in groups]
        same = [part for part in parts if len(part) > 1 and len({manifest.labels[row] for row in part}) == 1]
        if same:
            yield (
                f"{sum(map(len, same)):,} {split} images are copies of {len(same):,} in the same split under the same "
                f"label ({', '.join(manifest.keys[same[0][:2]])} and so on): KEPT."
            )


def _by_class(manifest: Manifest, rows: Sequence[int]) -> str:
    labels = Counter(EXPRESSIONS[manifest.labels[row]] for row in rows)
    return ", ".join(f"{name} {labels[name]}" for name in EXPRESSIONS if labels[name])
