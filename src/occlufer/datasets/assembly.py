"""From what an adapter lists to the manifest that is used: settings and steps that all adapters share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pandas as pd

from occlufer.datasets.base import FaceDataset, left_out_table
from occlufer.datasets.copies import without_copies
from occlufer.datasets.counts import Counts, check_counts
from occlufer.datasets.layouts import existing_root, no_such_set
from occlufer.datasets.manifest import Manifest, named
from occlufer.datasets.splits import assign_splits, carve_validation, limit_faces
from occlufer.datasets.stores import ImageStore, Source, in_threads
from occlufer.types import EXPRESSIONS, DatasetError, UInt8Array, unknown_name

_POLICIES = {
    "duplicates": ("drop", "keep", "error"),
    "contradictions": ("drop", "keep", "error"),
    "unreadable": ("skip", "error"),
}


@dataclass(frozen=True, slots=True)
class Listing:
    """What an adapter found on disk.

    Attributes:
        frame: the columns of a manifest; "train" throughout when the data have no splits.
        store: where the images are.
        notes: sentences about what was left out or odd.
        classes: the expressions that must be there.
        left_out: faces that are in no row of the frame, where they are known one by one.
    """

    frame: pd.DataFrame
    store: ImageStore
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = EXPRESSIONS
    left_out: pd.DataFrame | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class StoredFaces(FaceDataset):
    """A manifest over stored images. An adapter says what its set is called, where it lies, and which faces it holds.

    Adapters are dataclasses too: their own settings are further fields, and unknown settings are a `TypeError`.

    Args:
        root: the folder or file that holds the set; None raises with the way to give one.
        name: short name for caches and run folders.
        validation_share: share of the training faces that becomes validation where the data have none, over 0 and
            below 1; of all faces where they have no splits.
        test_share: share of all faces that becomes test where the data have no splits at all; 1: a set to test on only.
        split_seed: seed of both, and of `limit`; non-negative.
        duplicates: "drop" takes images that stand in two splits out of the earlier one (never out of test),
            "keep" only counts them, "error" refuses a dataset in which any image stands twice.
        contradictions: the same for images that stand under more than one label: "drop" takes all their copies out of
            train and validation (never out of test). See `occlufer.datasets.copies.without_copies`.
        unreadable: files that are empty or no image at all, and rows of a table that hold no face, are left out and
            counted ("skip") or refused ("error"). Of files only
            the first bytes are looked at: a file that is damaged further on raises `ImageError` when it
            is loaded, and the landmark preparation counts it as a miss, which takes it out of every condition.
        limit: at most so many faces a split, stratified and seeded, for a quick look; None for all.

    Raises:
        DatasetError: a value out of its range, a missing root, another layout, an empty class, leaks under
            `duplicates=error`, unreadable files under `unreadable=error`.
    """

    root: str | Path | None
    name: str
    validation_share: float = 0.1
    test_share: float = 0.1
    split_seed: int = 0
    duplicates: str = "drop"
    contradictions: str = "drop"
    unreadable: str = "skip"
    limit: int | None = None

    # Not annotated, so that they are no settings.
    title = "faces"  # what the set is called
    option = ""  # the adapter's file in conf/dataset/
    wanted = "a folder"  # what `root` should be, as a noun phrase

    def __post_init__(self) -> None:
        """Find, list and assemble; `root` becomes the absolute path of what was found."""
        self.check()
        given = existing_root(self.root, name=self.name, wanted=self.wanted)
        place = self.locate(given)
        if place is None:
            raise self.not_found(given)
        self.root = place
        listing = self.list_faces(place)
        self._store = listing.store
        if listing.left_out is not None:
            self.left_out = listing.left_out
        self.manifest, more, self._digests = self._assembled(listing)
        self.notes = (*listing.notes, *more)

    def check(self) -> None:
        """Refuse settings that cannot be, before anything is read; raises `DatasetError`."""
        for key, known in _POLICIES.items():
            one_of(key, getattr(self, key), known)
        for key in ("validation_share", "test_share"):
            share = getattr(self, key)
            whole_set = key == "test_share" and share == 1
            if not isinstance(share, int | float) or not (0 < share < 1 or whole_set):
                raise DatasetError(f"dataset.{key}={share}: wanted a number over 0 and below 1.")
        whole("split_seed", self.split_seed, 0)
        if self.limit is not None and not isinstance(self.limit, int):
            raise DatasetError(f"dataset.limit={self.limit}: wanted a whole number, or null for all faces.")

    @abstractmethod
    def locate(self, root: Path) -> Path | None:
        """The folder or file of the set that `root`, which exists, means; None when the set is not there."""

    @abstractmethod
    def list_faces(self, root: Path) -> Listing:
        """All faces below what `locate` found; no image is decoded."""

    @final
    def not_found(self, root: Path) -> DatasetError:
        """The error for a root that does not hold the set, to be raised by the caller."""
        return no_such_set(root, name=self.name, title=self.title, option=self.option, wanted=self.wanted)

    @final
    def count_notes(self, frame: pd.DataFrame, published: Counts) -> tuple[str, ...]:
        """See `occlufer.datasets.counts.check_counts`; splits of which there are no faces are not compared."""
        there = {split: sizes for split, sizes in published.items() if split in set(frame["split"])}
        return check_counts(frame, there, name=self.name, title=self.title)

    def load_image(self, index: int) -> UInt8Array:
        """Read one image, uint8 RGB (H, W, 3); raises `ImageError` when it cannot be decoded."""
        return self._store.load(self.manifest.row(index).source)

    def content_digest(self, index: int) -> bytes:
        """16 bytes (BLAKE2b) of the stored image; computed at the first call, then remembered."""
        source = self.manifest.sources[index]
        digest = self._digests.get(source)
        if digest is None:
            digest = self._digests[source] = self._store.digest(source)
        return digest

    def _assembled(self, listing: Listing) -> tuple[Manifest, tuple[str, ...], dict[Source, bytes]]:
        """Leave out what is no image, carve missing splits, take out copies, limit."""
        readable, skipped = self._leave_out_unreadable(listing.frame, listing.store)
        manifest = Manifest.from_frame(readable, name=self.name, classes=listing.classes)
        manifest, carved = self._bring_splits(manifest)
        kept = without_copies(
            manifest, listing.store, duplicates=self.duplicates, contradictions=self.contradictions
        )
        manifest = kept.manifest
        self.left_out = pd.concat([self.left_out, kept.left_out], ignore_index=True)
        notes = (*skipped, *carved, *kept.notes, *_shared_subjects(manifest))
        if self.limit is not None:
            manifest = limit_faces(manifest, limit=self.limit, seed=self.split_seed)
            notes = (*notes, f"A quick look: at most {self.limit} faces a split (dataset.limit).")
        return manifest, notes, kept.digests

    def _leave_out_unreadable(
        self, frame: pd.DataFrame, store: ImageStore
    ) -> tuple[pd.DataFrame, tuple[str, ...]]:
        problems = in_threads(store.problem, frame["source"].tolist())
        offenders = [f"{key} {what}" for key, what in zip(frame["key"], problems, strict=True) if what]
        if not offenders:
            return frame, ()
        if self.unreadable == "error":
            raise DatasetError(
                f"{self.name}: files that are not images: {named(offenders)}. Remove or replace them, or say "
                "dataset.unreadable=skip to leave them out and count them."
            )
        odd = [what is not None for what in problems]
        unreadable = left_out_table(frame[odd], [what for what in problems if what])
        self.left_out = pd.concat([self.left_out, unreadable], ignore_index=True)
        return frame[[what is None for what in problems]], (f"Left out as unreadable: {named(offenders)}.",)

    def _bring_splits(self, manifest: Manifest) -> tuple[Manifest, tuple[str, ...]]:
        present = set(manifest.splits)
        if "train" not in present or {"validation", "test"} <= present:
            return manifest, ()
        if present == {"train"} and self.test_share == 1:
            frame = manifest.frame.assign(split="test")
            return Manifest.from_frame(frame, name=manifest.name, classes=manifest.classes), (
                "All faces are for testing (dataset.test_share=1).",
            )
        way = "by subject" if manifest.frame["subject"].notna().any() else "stratified by expression"
        if present == {"train"}:
            carved = assign_splits(
                manifest,
                validation_share=self.validation_share,
                test_share=self.test_share,
                seed=self.split_seed,
            )
            sizes = f"{len(carved.indices('validation'))} validation and {len(carved.indices('test'))} test"
        elif "test" in present:
            carved = carve_validation(manifest, share=self.validation_share, seed=self.split_seed)
            sizes = f"{len(carved.indices('validation'))} validation"
        else:
            raise DatasetError(
                f"{manifest.name}: there is a validation part but no test part. Add a test folder, or remove "
                "the split folders (one folder a class) to have all three carved out."
            )
        return carved, (f"{sizes} faces were carved out of train, {way}, split_seed {self.split_seed}.",)


def left_by(setting: str, before: int, after: int) -> tuple[str, ...]:
    """A sentence about images that a setting leaves out; none when there are none."""
    return (f"{before - after:,} images left out by dataset.{setting}.",) if before > after else ()


def one_of(key: str, found: object, known: Iterable[str]) -> None:
    """Refuse a setting `dataset.<key>` that is none of the known words; raises `DatasetError`."""
    if found not in (choices := tuple(known)):
        raise DatasetError(unknown_name(f"dataset.{key}", str(found), choices))


def whole(key: str, found: object, least: int) -> None:
    """Refuse a setting `dataset.<key>` that is no whole number of at least `least`; raises `DatasetError`."""
    if not isinstance(found, int) or found < least:
        raise DatasetError(f"dataset.{key}={found}: wanted a whole number, {least} or more.")


def _shared_subjects(manifest: Manifest) -> Iterable[str]:
    frame = manifest.frame
    splits_of = frame.dropna(subset="subject").groupby("subject")["split"].nunique()
    shared = splits_of.index[splits_of > 1]
    if len(shared):
        return (f"Subjects with faces in more than one split, as the data bring them: {named(shared)}.",)
    return ()
