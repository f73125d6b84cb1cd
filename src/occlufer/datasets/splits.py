"""Who is in which split: carving and quick looks. Seeded; nothing here decodes an image."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from occlufer.datasets.manifest import Manifest, named
from occlufer.types import EXPRESSIONS, SPLITS, DatasetError, IntArray, override, seeded_rng

_FOLDS = 20  # a share by subjects is rounded to this many folds


def carve_validation(manifest: Manifest, *, share: float, seed: int) -> Manifest:
    """Move a stratified share of the training faces to validation; see `carve`."""
    return carve(manifest, target="validation", share=share, seed=seed)


def assign_splits(manifest: Manifest, *, validation_share: float, test_share: float, seed: int) -> Manifest:
    """Split faces that all stand in train: first the test part, then validation out of what is left.

    Both shares are of all faces. See `carve`.
    """
    if validation_share + test_share >= 1:
        raise DatasetError(
            f"{manifest.name}: validation_share {validation_share} and test_share {test_share} leave "
            "nothing to train on. Together they must stay below 1."
        )
    manifest = carve(manifest, target="test", share=test_share, seed=seed)
    return carve_validation(manifest, share=validation_share / (1 - test_share), seed=seed)


def carve(manifest: Manifest, *, target: str, share: float, seed: int) -> Manifest:
    """Move a stratified share of the training faces to the split `target`.

    Where subjects are known, all faces of a subject move together, and the share is met as nearly as whole
    subjects allow; faces without a subject count as subjects of their own. Otherwise each class gives
    `round(share * faces)`, at least one, and keeps at least one. Which faces go depends on the keys and the
    seed, not on the order of rows.

    Args:
        manifest: faces in "train" are drawn from, the others stay as they are.
        target: "validation" or "test".
        share: over 0 and below 1.
        seed: non-negative; the same seed carves the same faces.

    Raises:
        DatasetError: a share out of range, too few faces or subjects to carve from, a class left without
            faces.
    """
    if not 0 < share < 1:
        raise DatasetError(
            f"{manifest.name}: a share of {share} cannot be carved out for {target}; wanted: over 0, below 1."
        )
    train = manifest.indices("train")
    train = train[np.argsort(manifest.keys[train].astype(str), kind="stable")]
    subjects = manifest.frame["subject"].to_numpy()[train]
    known = np.array([subject is not None for subject in subjects])
    if known.any():
        owners = np.where(known, subjects, manifest.keys[train]).astype(str)
        chosen = _whole_subjects(manifest, train, owners, share, seed)
    else:
        chosen = _by_class(manifest, train, share, seed)
    frame = manifest.frame
    frame.loc[chosen, "split"] = target
    return Manifest.from_frame(frame, name=manifest.name, classes=manifest.classes)


def _by_class(manifest: Manifest, train: IntArray, share: float, seed: int) -> IntArray:
    chosen = []
    for label in np.unique(manifest.labels[train]):
        faces = train[manifest.labels[train] == label]
        if len(faces) < 2:
            raise DatasetError(
                f"{manifest.name}: {EXPRESSIONS[label]} has only 1 face left in train, and a part is still to be "
                "carved out: where validation and test are carved, each expression needs at least 3 faces. Add "
                "faces; in dataset=image_folder and dataset=table "
                f"{override('dataset.classes', [f'{EXPRESSIONS[label]}: null'])} leaves out what is called "
                f"{EXPRESSIONS[label]} there."
            )
        count = min(max(round(share * len(faces)), 1), len(faces) - 1)
        chosen.append(seeded_rng(seed, int(label)).permutation(faces)[:count])
    return np.concatenate(chosen) if chosen else np.empty(0, np.int64)


def _whole_subjects(
    manifest: Manifest, train: IntArray, owners: NDArray[np.str_], share: float, seed: int
) -> IntArray:
    from sklearn.model_selection import StratifiedGroupKFold  # a second to import, and seldom needed

    labels = manifest.labels[train]
    folds = min(_FOLDS, len(set(owners)), int(np.bincount(labels).max()))
    if folds < 2:
        raise DatasetError(
            f"{manifest.name}: train holds too few subjects ({named(sorted(set(owners)))}) to carve "
            "some out. Bring a folder for each split, or set dataset.subject_pattern=null to split by faces."
        )
    fold_of = np.empty(len(train), np.int64)
    with warnings.catch_warnings():  # about classes rarer than folds; an empty class is found by the manifest
        warnings.simplefilter("ignore", UserWarning)
        splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
        for number, (_, members) in enumerate(splitter.split(train, labels, owners)):
            fold_of[members] = number
    return train[np.isin(fold_of, _folds_near(np.bincount(fold_of, minlength=folds), share))]


def _folds_near(sizes: IntArray, share: float) -> list[int]:
    """Folds that together come nearest to a share when taken in order: at least one, never all."""
    wanted = share * int(sizes.sum())
    chosen = [0]
    for fold in range(1, len(sizes) - 1):
        total = int(sizes[chosen].sum())
        if abs(total + sizes[fold] - wanted) < abs(total - wanted):
            chosen.append(fold)
    return chosen


def limit_faces(manifest: Manifest, *, limit: int, seed: int) -> Manifest:
    """At most `limit` faces a split, stratified and seeded, for a quick look; the order of rows is kept.

    Classes keep their proportions, rounded so that each has at least one face.

    Raises:
        DatasetError: a limit below one face a class.
    """
    if limit < len(manifest.classes):
        raise DatasetError(
            f"{manifest.name}: dataset.limit={limit} is below one face for each of the "
            f"{len(manifest.classes)} classes. Raise it, or set it to null for all faces."
        )
    kept: list[IntArray] = []
    for number, split in enumerate(SPLITS):
        rows = manifest.indices(split)
        rows = rows[np.argsort(manifest.keys[rows].astype(str), kind="stable")]
        if len(rows) <= limit:
            kept.append(rows)
            continue
        for label, quota in _quotas(manifest.labels[rows], limit).items():
            faces = rows[manifest.labels[rows] == label]
            kept.append(seeded_rng(seed, number, label).permutation(faces)[:quota])
    return manifest.select(np.sort(np.concatenate(kept)))


def _quotas(labels: IntArray, limit: int) -> dict[int, int]:
    """Faces for each label, in proportion, at least one each, `limit` (below len(labels)) together."""
    present, sizes = np.unique(labels, return_counts=True)
    # One face each first; what is left is shared by largest remainders among what is left of each class.
    exact = (sizes - 1) * (limit - len(present)) / max(int(sizes.sum()) - len(present), 1)
    quota = 1 + np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - np.floor(exact)), kind="stable")
    quota[order[: limit - int(quota.sum())]] += 1
    return dict(zip(present.tolist(), quota.tolist(), strict=True))
