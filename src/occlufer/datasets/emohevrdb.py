"""EmoHeVRDB-SI (Ortmann, Wang, Putzar, "EmojiHeroVR", ACII 2024): faces under real headsets, seen from outside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import final

import pandas as pd
from PIL import Image

from occlufer.datasets.assembly import Assembly, StoredFaces, existing_root
from occlufer.datasets.counts import check_counts
from occlufer.datasets.fakes import FakeImages, texture
from occlufer.datasets.filenames import NamedFile, known_names, named_files, odd_names
from occlufer.datasets.layouts import wrong_layout
from occlufer.datasets.manifest import COLUMNS, named
from occlufer.datasets.stores import FileStore
from occlufer.types import EXPRESSIONS, DatasetError, unknown_name

EMOTIONS: tuple[str, ...] = ("Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise")
"""Class folders; a name's place here is the emotion's number in file names."""

SETS: dict[str, str] = {"training_set": "train", "validation_set": "validation", "test_set": "test"}
"""Set folder -> split; a name's place here is the set's number in file names."""

CAMERAS: tuple[str, ...] = ("central", "side")
"""A name's place here is the camera's number in file names; the side view is taken at 45 degrees."""

USES = ("test", "all", "all_as_test")

_NAME = r"(\d+)-([012])-(\d+)-(\d+)-(\d+)-([0-6])-([01])"
_LIKE = "<timestamp>-<set>-<person>-<level>-<emoji>-<emotion>-<camera>.jpg"
_WANTED = (
    "EmoHeVRDB-SI unpacked: the folder emoji-hero-vr-db-si with training_set/, validation_set/ and test_set/, each "
    f"with the class folders {', '.join(EMOTIONS)}, and images named {_LIKE}"
)
# Both cameras together; from the notebook of the published baseline.
_PUBLISHED = {
    "train": {
        "anger": 150,
        "disgust": 212,
        "fear": 220,
        "happiness": 400,
        "neutral": 414,
        "sadness": 274,
        "surprise": 360,
    },
    "validation": dict.fromkeys(EXPRESSIONS, 110),
    "test": dict.fromkeys(EXPRESSIONS, 108),
}


@final
class EmoHeVRDB(StoredFaces):
    """EmoHeVRDB-SI: 3,556 photographs of 37 people who wear a headset, 224x224 pixels, from two cameras.

    The eyes are covered already (`covered`): no landmarks are looked for, and no occluder is placed.

    The expression comes from the class folder; the number of the emotion in the file name must agree. The person in
    the file name is the subject: the published sets share none.

    Keys are file names without their ending.

    Args:
        root: the folder `emoji-hero-vr-db-si` or the one above it; None raises with the way to give one.
        name: short name for caches and run folders.
        use: "test": the published test set alone, as the split test; "all": the three published sets, each as its
            split; "all_as_test": every image in the split test, for networks that have been trained elsewhere.
        cameras: the views to use, of central and side.
        validation_share, test_share, split_seed, duplicates, unreadable, limit: see
            `occlufer.datasets.assembly.Assembly`; the shares only count where a published set is missing.

    Raises:
        DatasetError: a missing root, another layout, a folder that says another expression or set than the file
            name, an unknown use or camera, leaks under `duplicates=error`, unreadable files under
            `unreadable=error`.
    """

    covered = True

    def __init__(
        self,
        *,
        root: str | Path | None,
        name: str = "emohevrdb",
        use: str = "test",
        cameras: Sequence[str] = CAMERAS,
        validation_share: float = 0.2,
        test_share: float = 0.2,
        split_seed: int = 0,
        duplicates: str = "drop",
        unreadable: str = "skip",
        limit: int | None = None,
    ) -> None:
        assembly = Assembly(
            validation_share=validation_share,
            test_share=test_share,
            split_seed=split_seed,
            duplicates=duplicates,
            unreadable=unreadable,
            limit=limit,
        )
        if use not in USES:
            raise DatasetError(f"dataset.use: {unknown_name('use', use, USES)}")
        chosen = known_names("camera", cameras, CAMERAS)
        self.name = name
        self.root = existing_root(root, name=name, wanted=_WANTED)
        files, odd = named_files(self.root, _NAME, like=_LIKE) if self.root.is_dir() else ([], ())
        frame, loose = _frame(files, name)
        if frame.empty:
            raise wrong_layout(self.root, name=name, title="EmoHeVRDB-SI", option="emohevrdb", wanted=_WANTED)
        if use == "test":
            frame = frame[frame["split"] == "test"]
        there = {split: classes for split, classes in _PUBLISHED.items() if split in set(frame["split"])}
        counts = check_counts(frame, there, name=name, title="EmoHeVRDB-SI")
        frame = frame[frame["camera"].isin(chosen)]
        if frame.empty:
            raise DatasetError(
                f"{name}: no image is left of dataset.use={use} and dataset.cameras={list(chosen)}. Is test_set/ "
                "unpacked? Say dataset.use=all_as_test to test on what there is."
            )
        if use == "all_as_test":
            frame = frame.assign(split="test")
        self._assemble(assembly, frame, FileStore(self.root), notes=(*odd, *loose, *counts))


def _frame(files: list[NamedFile], name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The columns of a manifest and `camera`; a sentence about images that lie in no class folder."""
    set_names = list(SETS)
    rows, loose, contradictions = [], [], []
    for file in files:
        _, set_number, person, _, _, emotion_number, camera = file.parts
        folder = file.folders[-1].capitalize() if file.folders else ""
        if folder not in EMOTIONS:
            loose.append(file.path)
            continue
        set_name = set_names[int(set_number)]
        around = [part.lower() for part in file.folders if part.lower() in SETS]
        if EMOTIONS[int(emotion_number)] != folder or (around and around[-1] != set_name):
            contradictions.append(file.path)
        label = EXPRESSIONS.index(folder.lower())
        rows.append((file.key, file.path, label, SETS[set_name], f"{int(person):02d}", CAMERAS[int(camera)]))
    if contradictions:
        raise DatasetError(
            f"{name}: folder and file name contradict each other in {named(contradictions)}. In {_LIKE} the sets are "
            f"{_numbered(set_names)} and the emotions {_numbered(EMOTIONS)}. Unpack the dataset again."
        )
    frame = pd.DataFrame(rows, columns=[*COLUMNS, "camera"], dtype=object)
    return frame, odd_names(loose, f"test_set/Anger/{_LIKE}")


def _numbered(names: Sequence[str]) -> str:
    return ", ".join(f"{number} {name}" for number, name in enumerate(names))


def make_fake(root: Path, *, per_class: int = 1, people: int = 2, images: FakeImages = texture) -> Path:
    """Write a tiny EmoHeVRDB-SI for tests and return what to give as `root`.

    Args:
        root: a folder, made if it is not there.
        per_class: moments of each expression of each person; both cameras see each.
        people: people in each set.
        images: (label, running number) -> uint8 (H, W) or (H, W, 3); the number is different for every image.
    """
    number = 0
    for set_number, set_name in enumerate(SETS):
        for emotion_number, emotion in enumerate(EMOTIONS):
            folder = root / "emoji-hero-vr-db-si" / set_name / emotion
            folder.mkdir(parents=True, exist_ok=True)
            for moment in range(per_class * people):
                person = 1 + people * set_number + moment % people
                for camera in range(len(CAMERAS)):
                    image = Image.fromarray(images(EXPRESSIONS.index(emotion.lower()), number))
                    stamp = 1_695_000_000_000 + number
                    file_name = f"{stamp}-{set_number}-{person}-1-{moment}-{emotion_number}-{camera}.jpg"
                    image.save(folder / file_name, quality=95)
                    number += 1
    return root
