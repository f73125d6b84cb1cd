"""The layouts on disk that some adapter reads, to say of a folder that does not fit which one it is near to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from occlufer.types import DatasetError

_ENTRIES_SEEN = 2000  # of a folder; folders of images may hold hundreds of thousands
_FOLDERS_SEEN = 40  # of those below a folder
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar")


@dataclass(frozen=True, slots=True)
class Layout:
    """How one set lies on disk.

    Attributes:
        title: what to call it.
        option: the adapter's file in conf/dataset/.
        signs: patterns of paths below the folder that is to be given as `dataset.root`; all must be there.
            Matched without regard to case, `*` and `?` within one part of a path.
    """

    title: str
    option: str
    signs: tuple[str, ...]


# The more telling first: of one folder, the first that fits is named.
LAYOUTS: tuple[Layout, ...] = (
    Layout("RAF-DB's official layout", "rafdb", ("basic/EmoLabel/list_pa*tition_label.txt", "basic/Image")),
    Layout("RAF-DB's official layout", "rafdb", ("EmoLabel/list_pa*tition_label.txt", "Image")),
    Layout("RAF-DB's mirror layout", "rafdb", ("DATASET/train/1", "DATASET/train/7")),
    Layout("RAF-DB's mirror layout", "rafdb", ("train/1/train_*.*", "train/7")),
    Layout("FERPlus", "ferplus", ("fer2013new.csv",)),
    Layout("FER2013's csv file", "fer2013", ("fer2013.csv",)),
    Layout("FER2013's csv file", "fer2013", ("icml_face_data.csv",)),
    Layout("FER2013's folders", "fer2013", ("train/angry/Training_*", "test/angry")),
    Layout("MaskedFER2023", "masked_fer2023", ("M-FER2013*",)),
    Layout("MaskedCK+", "masked_ckplus", ("M-CK+*",)),
    Layout("CK+'s official layout", "ckplus", ("cohn-kanade-images/S*", "Emotion/S*")),
    Layout("CK+48's class folders", "ckplus", ("CK+48/anger",)),
    Layout("CK+48's class folders", "ckplus", ("anger/S???_???_*.png", "contempt/S???_???_*.png")),
    Layout("CK+'s csv file", "ckplus", ("ckextended.csv",)),
    Layout("AffectNet", "affectnet", ("train_set/annotations", "train_set/images")),
    Layout("AffectNet", "affectnet", ("val_set/annotations", "val_set/images")),
    Layout("KDEF", "kdef", ("KDEF/?F01",)),
    Layout("KDEF", "kdef", ("?F01/?F01??*.jpg",)),
    Layout("JAFFE", "jaffe", ("??.??*.*.tiff",)),
    Layout("EmoHeVRDB-SI", "emohevrdb", ("emoji-hero-vr-db-si/*_set",)),
    Layout("EmoHeVRDB-SI", "emohevrdb", ("training_set/Anger", "test_set/Anger")),
    Layout("a tree of split and class folders", "image_folder", ("train/hap*",)),
    Layout("a tree of class folders", "image_folder", ("hap*", "surprise*")),
)


def wrong_layout(root: Path, *, name: str, title: str, option: str, wanted: str) -> DatasetError:
    """The error for a root in which an adapter does not find its set, to be raised by the caller.

    Args:
        root: the folder or file that was given; it exists.
        name: the dataset's name, for the message.
        title: what the set is called.
        option: the adapter's file in conf/dataset/.
        wanted: what was looked for, as a noun phrase.

    Returns:
        An error that says what was wanted, what lies there, and, where a known layout is at hand (there, up to
        two folders below, or around it), what to say instead.
    """
    folder = root if root.is_dir() else root.parent
    found = sorted(path.name + "/" * path.is_dir() for path in islice(folder.iterdir(), _ENTRIES_SEEN))
    found = [entry for entry in found if not entry.startswith(".")]
    shown = ", ".join(found[:8]) + f" and {len(found) - 8} more" * (len(found) > 8) or "nothing"
    advice = nearest_layout(folder, option)
    if advice is None:
        archives = [entry for entry in found if entry.lower().endswith(_ARCHIVES)]
        advice = f"Unzip {archives[0]} first." if archives else "Give dataset.root=DIR."
    return DatasetError(f"{name}: {root} holds no {title}. Wanted: {wanted}. Found: {shown}. {advice}")


def nearest_layout(folder: Path, option: str) -> str | None:
    """What to say instead of `folder`, None when no known layout is near; the adapter asked for comes first."""
    near = [
        (place, layout) for place in _around(folder) for layout in LAYOUTS if _fits(layout, place, folder)
    ]
    if any(place == folder and layout.option == option for place, layout in near):
        return None  # it lies where it should: the fault is another
    for place, layout in near:
        if layout.option == option:
            return f"Did you mean dataset.root={place}? That looks like {layout.title}."
    for place, layout in near:
        if layout.option != option:
            elsewhere = f" dataset.root={place}" if place != folder else ""
            return f"{place} looks like {layout.title}: say dataset={layout.option}{elsewhere}."
    return None


def _around(folder: Path) -> Iterator[Path]:
    """The folder, those around it, and those up to two levels below it."""
    yield folder
    yield from folder.parents[:2]
    below = _folders(folder)
    yield from below
    for inner in below:
        yield from _folders(inner)


def _folders(folder: Path) -> list[Path]:
    try:
        entries = list(islice(folder.iterdir(), _ENTRIES_SEEN))
        return sorted(path for path in entries if path.is_dir() and path.name[0] != ".")[:_FOLDERS_SEEN]
    except OSError:
        return []  # a folder that may not be read gives no advice


def _fits(layout: Layout, place: Path, given: Path) -> bool:
    """Whether all signs are there; from a place around the given folder, one of them must lead through it."""
    if place in given.parents:
        inner = given.relative_to(place).parts
        parts = [sign.lower().split("/") for sign in layout.signs]
        if not any(all(map(fnmatchcase, map(str.lower, inner), sign)) for sign in parts):
            return False
    return all(_matches(place, sign.lower().split("/")) for sign in layout.signs)


def _matches(folder: Path, parts: list[str]) -> bool:
    try:
        entries = [path for path in islice(folder.iterdir(), _ENTRIES_SEEN)
                   if fnmatchcase(path.name.lower(), parts[0])]  # fmt: skip
    except OSError:
        return False
    return any(len(parts) == 1 or _matches(entry, parts[1:]) for entry in entries)
