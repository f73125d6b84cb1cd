"""The layouts on disk that some adapter reads, to say of a folder that does not fit which one it is near to."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from occlufer import datasets
from occlufer.datasets.base import FaceDataset, Layout
from occlufer.types import DatasetError, override

_ENTRIES_SEEN = 2000  # of a folder; folders of images may hold hundreds of thousands
_FOLDERS_SEEN = 40  # of those below a folder
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar")


def known_layouts() -> list[Layout]:
    """Those of all adapters here, and of the user's own that are loaded; more signs tell more, and come first."""
    for module in pkgutil.iter_modules(datasets.__path__, f"{datasets.__name__}."):
        importlib.import_module(module.name)
    adapters = FaceDataset.__subclasses__()
    for adapter in adapters:  # grows as it is walked
        adapters += adapter.__subclasses__()
    found = dict.fromkeys(layout for adapter in adapters for layout in adapter.layouts)
    return sorted(found, key=lambda layout: -len(layout.signs))


def existing_root(root: str | Path | None, *, name: str, wanted: str) -> Path:
    """The absolute path of `dataset.root`.

    Raises:
        DatasetError: none was given, nothing is there, or it is an archive. `wanted` says what should be there.
    """
    if root is None or not str(root).strip():
        raise DatasetError(f"{name}: no root was given. Say dataset.root=DIR, where DIR is {wanted}.")
    path = Path(root).expanduser().absolute()
    if not path.exists():
        above = next(parent for parent in path.parents if parent.exists())
        fault = f"does not exist ({above} does). Give"
    elif path.is_file() and path.name.lower().endswith((*_ARCHIVES, ".gz")):
        fault = "is an archive. Unzip it first, then give"
    else:
        return path
    raise DatasetError(f"{name}: dataset.root={root} {fault} dataset.root=DIR, where DIR is {wanted}.")


def no_such_set(root: Path, *, name: str, title: str, option: str, wanted: str) -> DatasetError:
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
        (place, layout)
        for place in _around(folder)
        for layout in known_layouts()
        if _fits(layout, place, folder)
    ]
    if any(place == folder and layout.option == option for place, layout in near):
        return None  # it lies where it should: the fault is another
    for place, layout in near:
        if layout.option == option:
            return f"Did you mean {override('dataset.root', str(place))}? That looks like {layout.title}."
    for place, layout in near:
        if layout.option != option:
            elsewhere = f" {override('dataset.root', str(place))}" if place != folder else ""
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
