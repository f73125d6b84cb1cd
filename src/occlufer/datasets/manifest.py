"""The manifest: the validated table of a dataset's faces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from occlufer.types import EXPRESSIONS, SPLITS, BoolArray, DatasetError, IntArray, unknown_name

COLUMNS: tuple[str, ...] = ("key", "source", "label", "split", "subject")
"""The columns that every manifest has, in this order; more may follow."""

_SHOWN = 5  # offenders named in an error, the rest are counted


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One face of a manifest.

    Attributes:
        key: stable and unique in its dataset.
        source: path below the dataset's root as POSIX text, or an index into the dataset's array.
        label: index into `occlufer.types.EXPRESSIONS`.
        split: one of `occlufer.types.SPLITS`.
        subject: who is shown, or None where the data do not say.
    """

    key: str
    source: str | int
    label: int
    split: str
    subject: str | None


class Manifest:
    """A table of faces in a fixed order; made by `Manifest.from_frame`, never changed.

    Attributes:
        name: the dataset's name.
        classes: the expressions that the dataset declares, in the order of `EXPRESSIONS`.
        keys: object array (N,) of str.
        sources: object array (N,), see `ManifestRow.source`.
        labels: int64 (N,), indices into `EXPRESSIONS`.
        splits: object array (N,) of str.
    """

    name: str
    classes: tuple[str, ...]
    keys: NDArray[np.object_]
    sources: NDArray[np.object_]
    labels: IntArray
    splits: NDArray[np.object_]

    def __init__(self, frame: pd.DataFrame, *, name: str, classes: tuple[str, ...]) -> None:
        """Wrap a frame that has been checked; users call `Manifest.from_frame`."""
        self.name = name
        self.classes = classes
        self._frame = frame
        self.keys = frame["key"].to_numpy(dtype=object)
        self.labels = frame["label"].to_numpy(dtype=np.int64)
        self.splits = frame["split"].to_numpy(dtype=object)
        self.sources = frame["source"].to_numpy(dtype=object)
        self._subjects = frame["subject"].to_numpy(dtype=object)
        for array in (self.keys, self.sources, self.labels, self.splits):
            array.setflags(write=False)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, *, name: str, classes: Sequence[str] = EXPRESSIONS) -> Manifest:
        """Check a table and wrap a copy of it; the order of its rows is kept.

        Args:
            frame: one row a face with the columns `COLUMNS` (`subject` may hold None or NaN); further columns
                are kept.
            name: the dataset's name, for messages.
            classes: the expressions that the dataset is meant to have. Each must have a face in every split
                that has any.

        Raises:
            DatasetError: a missing column, an empty table, duplicate keys, an unknown label or split, or a
                class without faces. The message names up to five offenders and counts the rest.
        """
        _check_columns(frame, name)
        declared = tuple(expression for expression in EXPRESSIONS if expression in set(classes))
        for expression in classes:
            if expression not in EXPRESSIONS:
                raise DatasetError(f"{name}: {unknown_name('expression', expression, EXPRESSIONS)}")
        _check_labels(frame, name, declared)
        _check_splits(frame, name)
        _check_keys(frame, name)
        extra = [column for column in frame.columns if column not in COLUMNS]
        clean = frame[[*COLUMNS, *extra]].reset_index(drop=True)
        # Columns of Python objects: a subject that is not known is None, and a name may hold what is no Unicode.
        known = clean["subject"].notna()
        subject = [str(who) if there else None for who, there in zip(clean["subject"], known, strict=True)]
        clean = clean.assign(
            key=clean["key"].astype(object),
            source=clean["source"].astype(object),
            label=clean["label"].astype(np.int64),
            split=clean["split"].astype(object),
            subject=pd.Series(subject, dtype=object),
        )
        manifest = cls(clean, name=name, classes=declared)
        _check_empty_classes(manifest)
        return manifest

    def __len__(self) -> int:
        return len(self.keys)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{split} {count}" for split in SPLITS if (count := len(self.indices(split))))
        return f"Manifest({self.name}: {sizes or 'no faces'})"

    def row(self, index: int) -> ManifestRow:
        """The face at `index` (negative counts from the end); `IndexError` beyond the table."""
        source = self.sources[index]
        return ManifestRow(
            key=self.keys[index],
            source=source if isinstance(source, str) else int(source),
            label=int(self.labels[index]),
            split=self.splits[index],
            subject=self._subjects[index],
        )

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the table: `COLUMNS`, then whatever the dataset added."""
        return self._frame.copy()

    def indices(self, split: str) -> IntArray:
        """Row numbers of one split, ascending, int64; may be empty. `DatasetError` for an unknown name."""
        if split not in SPLITS:
            raise DatasetError(unknown_name("split", split, SPLITS))
        return np.flatnonzero(self.splits == split).astype(np.int64)

    def select(self, mask_or_indices: BoolArray | IntArray | Sequence[int]) -> Manifest:
        """The manifest of some rows, by a boolean mask (N,) or by row numbers, in the order given.

        Classes may end up without faces: what to make of that is the caller's affair.
        """
        chosen = np.asarray(mask_or_indices)
        if chosen.dtype == np.bool_:
            assert chosen.shape == (len(self),)
            chosen = np.flatnonzero(chosen)
        frame = self._frame.iloc[chosen.astype(np.int64)].reset_index(drop=True)
        return Manifest(frame, name=self.name, classes=self.classes)

    def counts(self) -> pd.DataFrame:
        """Faces by split (rows, only those with faces) and expression (columns, all declared classes)."""
        names = np.asarray(EXPRESSIONS, dtype=object)[self.labels]
        table = pd.crosstab(pd.Series(self.splits, name="split"), pd.Series(names, name="expression"))
        present = [split for split in SPLITS if split in table.index]
        return table.reindex(index=present, columns=list(self.classes), fill_value=0).rename_axis(
            index="split", columns="expression"
        )

    def digest(self) -> str:
        """32 hex digits (BLAKE2b) of keys, sources, labels, splits and subjects, in order.

        Manifests with equal digests send the same faces to the same splits. Further columns do not count, and
        the images' bytes are not read.
        """
        rows = zip(self.keys, self.sources, self.labels.tolist(), self.splits, self._subjects, strict=True)
        text = "\n".join(
            repr((key, str(source), label, split, who)) for key, source, label, split, who in rows
        )
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def named(offenders: Iterable[object]) -> str:
    """A few offenders for a message: `'a', 'b', 'c', 'd', 'e' and 7 more (12 in all)`."""
    everyone = list(offenders)
    plain = (each.item() if isinstance(each, np.generic) else each for each in everyone[:_SHOWN])
    text = ", ".join(map(repr, plain))  # numpy 2 would write np.str_('a')
    rest = len(everyone) - _SHOWN
    return f"{text} and {rest} more ({len(everyone)} in all)" if rest > 0 else text


def _check_columns(frame: pd.DataFrame, name: str) -> None:
    missing = [column for column in COLUMNS if column not in frame.columns]
    if missing:
        raise DatasetError(
            f"{name}: the manifest lacks the columns {', '.join(missing)}. "
            f"Wanted: {', '.join(COLUMNS)}; found: {', '.join(map(str, frame.columns)) or 'none'}."
        )
    if frame.empty:
        raise DatasetError(
            f"{name}: the manifest is empty. Point dataset.root at a folder that holds images."
        )


def _check_labels(frame: pd.DataFrame, name: str, declared: tuple[str, ...]) -> None:
    known = {EXPRESSIONS.index(expression) for expression in declared}
    wrong = [
        not isinstance(label, int | np.integer) or isinstance(label, bool) or int(label) not in known
        for label in frame["label"]
    ]
    if any(wrong):
        values = sorted({repr(label) for label in frame.loc[wrong, "label"]})
        wanted = ", ".join(f"{EXPRESSIONS.index(expression)} {expression}" for expression in declared)
        raise DatasetError(
            f"{name}: unknown labels in {sum(wrong)} rows: {', '.join(values[:_SHOWN])} "
            f"(keys {named(frame.loc[wrong, 'key'])}). Wanted: {wanted}."
        )


def _check_splits(frame: pd.DataFrame, name: str) -> None:
    wrong = ~frame["split"].isin(SPLITS)
    if wrong.any():
        values = sorted({repr(split) for split in frame.loc[wrong, "split"]})
        raise DatasetError(
            f"{name}: unknown splits in {int(wrong.sum())} rows: {', '.join(values[:_SHOWN])} "
            f"(keys {named(frame.loc[wrong, 'key'])}). Wanted: {', '.join(SPLITS)}."
        )


def _check_keys(frame: pd.DataFrame, name: str) -> None:
    odd = [key for key in frame["key"] if not _is_text(key)]
    if odd:
        raise DatasetError(
            f"{name}: keys must be non-empty Unicode text; found {named(odd)}. Rename files whose names are not."
        )
    repeated = frame["key"].duplicated()
    if repeated.any():
        raise DatasetError(
            f"{name}: keys must be unique, but these stand for more than one face: "
            f"{named(frame.loc[repeated, 'key'].unique())}. Remove or rename the copies."
        )


def _is_text(key: object) -> bool:
    """False for file names in an encoding that Python could not read: no table could hold them."""
    if not isinstance(key, str) or not key:
        return False
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_empty_classes(manifest: Manifest) -> None:
    counts = manifest.counts()
    empty = [
        f"{expression} in {split}" for split, row in counts.iterrows() for expression in row.index[row == 0]
    ]
    if empty:
        raise DatasetError(
            f"{manifest.name}: empty class: no face for {named(empty)}. {_owners(manifest, counts)}Add images. Where "
            "the split was carved out, try another dataset.split_seed or a larger share; where the dataset has a class "
            "map, a class that is not meant to be there can be left out of it."
        )


def _owners(manifest: Manifest, counts: pd.DataFrame) -> str:
    """Of classes with an empty split those whose faces are of so few people that they cannot be in every split."""
    frame = manifest.frame
    told = []
    for expression in counts.columns[(counts == 0).any()]:
        people = frame.loc[frame["label"] == EXPRESSIONS.index(expression), "subject"]
        if len(people) and people.notna().all() and people.nunique() < len(counts):
            told.append(f"all {len(people):,} faces of {expression} are of {named(sorted(people.unique()))}")
    if not told:
        return ""
    return f"People are not parted, and {'; '.join(told)}: leave the class out, or give dataset.subject_pattern=null. "
