"""EmoHeVRDB-SI (Ortmann, Wang, Putzar, "EmojiHeroVR", ACII 2024): faces under real headsets, seen from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import pandas as pd

from occlufer.datasets.assembly import Listing, StoredFaces, left_by, one_of
from occlufer.datasets.base import Layout
from occlufer.datasets.filenames import NamedFile, known_names, named_files, odd_names
from occlufer.datasets.manifest import COLUMNS, named
from occlufer.datasets.stores import FileStore
from occlufer.types import EXPRESSIONS, DatasetError

EMOTIONS: tuple[str, ...] = ("Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise")
"""Class folders; a name's place here is the emotion's number in file names."""

SETS: dict[str, str] = {"training_set": "train", "validation_set": "validation", "test_set": "test"}
"""Set folder -> split; a name's place here is the set's number in file names."""

CAMERAS: tuple[str, ...] = ("central", "side")
"""A name's place here is the camera's number in file names; the side view is taken at 45 degrees."""

USES = ("test", "all", "all_as_test")

_NAME = r"(\d+)-([012])-(\d+)-(\d+)-(\d+)-([0-6])-([01])"
_LIKE = "<timestamp>-<set>-<person>-<level>-<emoji>-<emotion>-<camera>.jpg"
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
@dataclass(kw_only=True, eq=False, repr=False)
class EmoHeVRDB(StoredFaces):
    """EmoHeVRDB-SI: 3,556 photographs of 37 people who wear a headset, 224x224 pixels, from two cameras.

    The eyes are covered already (`covered`): no landmarks are looked for, and no occluder is placed.

    The expression comes from the class folder; the number of the emotion in the file name must agree. The person in
    the file name is the subject: the published sets share none.

    Keys are file names without their ending.

    Args:
        use: "test": the published test set alone, as the split test; "all": the three published sets, each as its
            split; "all_as_test": every image in the split test, for networks that have been trained elsewhere.
        cameras: the views to use, of central and side.

    The shares only count where a published set is missing. A folder that says another expression or set than the file
    name is a `DatasetError`.
    """

    name: str = "emohevrdb"
    use: str = "test"
    cameras: Sequence[str] = CAMERAS
    validation_share: float = 0.2
    test_share: float = 0.2
    covered = True
    title = "EmoHeVRDB-SI"
    option = "emohevrdb"
    wanted = (
        "EmoHeVRDB-SI unpacked: the folder emoji-hero-vr-db-si with training_set/, validation_set/ and test_set/, each "
        f"with the class folders {', '.join(EMOTIONS)}, and images named {_LIKE}"
    )
    layouts = (
        Layout(title, option, ("emoji-hero-vr-db-si/*_set",)),
        Layout(title, option, ("training_set/Anger", "test_set/Anger")),
    )

    def check(self) -> None:
        """Refuse unknown uses and cameras too."""
        super().check()
        one_of("use", self.use, USES)
        known_names("camera", self.cameras, CAMERAS)

    def locate(self, root: Path) -> Path | None:
        """The set folders may lie in any folders."""
        return root if root.is_dir() else None

    def list_faces(self, root: Path) -> Listing:
        """The files with names of EmoHeVRDB-SI, of the wanted sets and cameras."""
        files, odd = named_files(root, _NAME, like=_LIKE)
        frame, loose = _frame(files, self.name)
        if frame.empty:
            raise self.not_found(root)
        found = len(frame)
        if self.use == "test":
            frame = frame[frame["split"] == "test"]
        others = left_by("use", found, len(frame))
        used = len(frame)
        counts = self.count_notes(frame, _PUBLISHED)
        frame = frame[frame["camera"].isin(list(self.cameras))]
        others = (*others, *left_by("cameras", used, len(frame)))
        if frame.empty:
            raise DatasetError(
                f"{self.name}: no image is left of dataset.use={self.use} and dataset.cameras={list(self.cameras)}. Is "
                "test_set/ unpacked? Say dataset.use=all_as_test to test on what there is."
            )
        if self.use == "all_as_test":
            frame = frame.assign(split="test")
        return Listing(frame, FileStore(root), (*odd, *loose, *counts, *others))


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
