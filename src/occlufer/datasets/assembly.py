"""From a table of listed faces to the manifest that is used: the steps that every adapter shares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from occlufer.datasets.base import FaceDataset
from occlufer.datasets.manifest import Manifest, named
from occlufer.datasets.splits import (
    DUPLICATE_POLICIES,
    assign_splits,
    carve_validation,
    drop_leaks,
    limit_faces,
)
from occlufer.datasets.stores import ImageStore, Source, in_threads
from occlufer.types import EXPRESSIONS, DatasetError, UInt8Array, unknown_name

UNREADABLE_POLICIES = ("skip", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """How listed faces become a manifest; raises `DatasetError` for values that cannot be.

    Attributes:
        validation_share: share of the training faces that becomes validation where the data have none, 0..1.
        test_share: share of all faces that becomes test where the data have no splits at all, 0..1.
        split_seed: seed of both, and of `limit`; non-negative.
        duplicates: "drop" takes images that stand in two splits out of the earlier one (never out of test),
            "keep" only counts them, "error" refuses the dataset.
        unreadable: files that are empty or no image at all are left out and counted ("skip") or refused
            ("error"). Only first bytes are looked at. A file that is damaged further on raises `ImageError`
            when it is
            loaded: the landmark preparation counts it as a miss, which takes it out of every condition.
        limit: at most so many faces a split, stratified and seeded, for a quick look; None for all.
    """

    validation_share: float
    test_share: float
    split_seed: int
    duplicates: str
    unreadable: str
    limit: int | None

    def __post_init__(self) -> None:
        if self.duplicates not in DUPLICATE_POLICIES:
            raise DatasetError(unknown_name("dataset.duplicates", str(self.duplicates), DUPLICATE_POLICIES))
        if self.unreadable not in UNREADABLE_POLICIES:
            raise DatasetError(unknown_name("dataset.unreadable", str(self.unreadable), UNREADABLE_POLICIES))
        for name, share in (("validation_share", self.validation_share), ("test_share", self.test_share)):
            if not isinstance(share, int | float) or not 0 < share < 1:
                raise DatasetError(f"dataset.{name}={share}: wanted a number over 0 and below 1.")
        if not isinstance(self.split_seed, int) or self.split_seed < 0:
            raise DatasetError(f"dataset.split_seed={self.split_seed}: wanted a whole number, 0 or more.")
        if self.limit is not None and not isinstance(self.limit, int):
            raise DatasetError(f"dataset.limit={self.limit}: wanted a whole number, or null for all faces.")

    def assemble(
        self, frame: pd.DataFrame, store: ImageStore, *, name: str, classes: tuple[str, ...]
    ) -> tuple[Manifest, tuple[str, ...], dict[Source, bytes]]:
        """Leave out what is no image, carve missing splits, take out leaks, limit.

        Args:
            frame: the columns of a manifest; "train" throughout when there are no splits yet.
            store: where the images are.
            name: the dataset's name.
            classes: the expressions that must be there.

        Returns:
            The manifest, sentences for the dataset's notes, and digests computed on the way, by source.
        """
        readable, skipped = self._leave_out_unreadable(frame, store, name)
        manifest = Manifest.from_frame(readable, name=name, classes=classes)
        manifest, carved = self._bring_splits(manifest)
        manifest, leaks, digests = drop_leaks(manifest, store, policy=self.duplicates)
        notes = (*skipped, *carved, *leaks, *_shared_subjects(manifest))
        if self.limit is not None:
            manifest = limit_faces(manifest, limit=self.limit, seed=self.split_seed)
            notes = (*notes, f"A quick look: at most {self.limit} faces a split (dataset.limit).")
        return manifest, notes, digests

    def _leave_out_unreadable(
        self, frame: pd.DataFrame, store: ImageStore, name: str
    ) -> tuple[pd.DataFrame, tuple[str, ...]]:
        problems = in_threads(store.problem, frame["source"].tolist())
        offenders = [f"{key} {what}" for key, what in zip(frame["key"], problems, strict=True) if what]
        if not offenders:
            return frame, ()
        if self.unreadable == "error":
            raise DatasetError(
                f"{name}: files that are not images: {named(offenders)}. Remove or replace them, or say "
                "dataset.unreadable=skip to leave them out and count them."
            )
        return frame[[not what for what in problems]], (f"Left out as unreadable: {named(offenders)}.",)

    def _bring_splits(self, manifest: Manifest) -> tuple[Manifest, tuple[str, ...]]:
        present = set(manifest.splits)
        if "train" not in present or {"validation", "test"} <= present:
            return manifest, ()
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


class StoredFaces(FaceDataset):
    """A manifest over an image store: what all adapters of stored images have in common."""

    _store: ImageStore
    _digests: dict[Source, bytes]

    def _assemble(
        self,
        assembly: Assembly,
        frame: pd.DataFrame,
        store: ImageStore,
        *,
        classes: tuple[str, ...] = EXPRESSIONS,
        notes: Iterable[str] = (),
    ) -> None:
        """End a constructor: the listed faces become the manifest; `notes` come before those of the assembly."""
        self._store = store
        self.manifest, more, self._digests = assembly.assemble(frame, store, name=self.name, classes=classes)
        self.notes = (*notes, *more)

    def load_image(self, index: int) -> UInt8Array:
        """Read one image, uint8 RGB (H, W, 3); raises `ImageError` when it cannot be decoded."""
        return self._store.load(self.manifest.row(index).source)

    def content_digest(self, index: int) -> bytes:
        """16 bytes (BLAKE2b) of the stored image; computed at the first call, then remembered."""
        source = self.manifest.row(index).source
        digest = self._digests.get(source)
        if digest is None:
            digest = self._digests[source] = self._store.digest(source)
        return digest


def existing_root(root: str | Path | None, *, name: str, wanted: str) -> Path:
    """The absolute path of `dataset.root`.

    Raises:
        DatasetError: none was given, nothing is there, or it is an archive. `wanted` says what should be
            there.
    """
    if root is None or not str(root).strip():
        raise DatasetError(f"{name}: no root was given. Say dataset.root=DIR, where DIR is {wanted}.")
    path = Path(root).expanduser().absolute()
    if not path.exists():
        above = next(parent for parent in path.parents if parent.exists())
        raise DatasetError(
            f"{name}: dataset.root={root} does not exist ({above} does). Give dataset.root=DIR, "
            f"where DIR is {wanted}."
        )
    if path.is_file() and path.suffix.lower() in {".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"}:
        raise DatasetError(
            f"{name}: dataset.root={root} is an archive. Unzip it first, then give "
            f"dataset.root=DIR, where DIR is {wanted}."
        )
    return path


def _shared_subjects(manifest: Manifest) -> Iterable[str]:
    frame = manifest.frame
    splits_of = frame.dropna(subset="subject").groupby("subject")["split"].nunique()
    shared = splits_of.index[splits_of > 1]
    if len(shared):
        return (f"Subjects with faces in more than one split, as the data bring them: {named(shared)}.",)
    return ()
