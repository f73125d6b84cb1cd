"""A table of files and labels, and a folder of images: csv, tsv, Excel or parquet."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import final

import pandas as pd

from occlufer.datasets.assembly import Listing, StoredFaces
from occlufer.datasets.base import NOT_IN_DATASET
from occlufer.datasets.csv_rows import BadRow, read_rows, usable_rows
from occlufer.datasets.images import EXTENSIONS
from occlufer.datasets.manifest import COLUMNS, named
from occlufer.datasets.stores import FileStore
from occlufer.datasets.trees import FolderMap, files_below
from occlufer.datasets.vocabulary import Targets, folded, numbers_advice, unknown_advice
from occlufer.types import EXPRESSIONS, SPLITS, DatasetError, override, unknown_name

ENDINGS = (".csv", ".tsv", ".xlsx", ".parquet")
_USUAL: dict[str, tuple[str, ...]] = {  # folded, without spaces; the first that is there is taken
    "file": ("file", "filename", "filepath", "image", "imagename", "imagepath", "imagefile", "imagefilename", "img",
             "imgname", "imgpath", "path", "photo", "picture", "pic", "imageid", "name", "id"),
    "label": ("label", "emotion", "expression", "class", "emotionlabel", "expressionlabel", "facialexpression",
              "category", "target", "dominantemotion", "labels", "emotions"),
    "split": ("split", "usage", "subset", "partition", "set"),
    "subject": ("subject", "subjectid", "person", "personid", "participant", "participantid", "identity", "actor"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of the table: what its cells say, empty where there is no such column."""

    where: str
    file: str
    label: str
    split: str
    subject: str


@final
@dataclass(kw_only=True, eq=False, repr=False)
class Table(StoredFaces):
    """Faces in files that a table names, with their expressions.

    Keys are the files' paths below the root. A file may be named by its path below the root, with folders above that
    are not there, without its ending, or by its name alone where no other has it. Rows whose file is not there or that
    repeat another, files under several labels, and images in no row are counted and listed; where most files are not
    there, that is a `DatasetError`.

    Args:
        table: the file; None for the only one that lies in the root.
        file_column, label_column: None for a column with a usual name.
        split_column: holds train, validation or test, in usual spellings. None for a usual name; where there is none
            either, parts are carved out.
        subject_column: who is shown; None as before. Parts are then carved out by subject.
        classes: what labels stand for beyond usual names of expressions in many languages, or how numbers are to be
            read; see `occlufer.datasets.image_folder.ImageFolder`.
        splits: the same for the split column.
    """

    name: str = "table"
    table: str | Path | None = None
    file_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    subject_column: str | None = None
    classes: Targets = None
    splits: Targets = None
    title = "images of a table"
    option = "table"
    wanted = "the folder that holds the images, beside dataset.table=FILE"

    def locate(self, root: Path) -> Path | None:
        """The root itself."""
        if not root.is_dir():
            raise DatasetError(
                f"{self.name}: dataset.root={root} is a file. Say {override('dataset.table', str(root))} "
                "dataset.root=DIR, where DIR holds the images."
            )
        return root

    def list_faces(self, root: Path) -> Listing:
        """The rows that name an image below the root and one of the seven expressions."""
        path = self._table_file(root)
        rows, notes = self._read(path)
        labels, splits = self._labels(path, rows), self._splits(path, rows)
        files, sorted_out = _Files(root), _SortedOut()
        faces: dict[str, list[_Row]] = defaultdict(list)
        found = {row.file: files.find(row.file) for row in rows}
        used = {row.file for row in rows if labels[row.label] and splits[row.split]}
        if 2 * len(absent := sorted(file for file in used if found[file] is None)) > len(used):
            raise DatasetError(
                f"{self.name}: of the {len(used):,} files that {path} names, {len(absent):,} are not there under "
                f"{root}, or stand for several: {named(absent)}. Point dataset.root=DIR at the folder that holds "
                "them; to go on without them, take their rows out of the table."
            )
        for row in rows:
            source = found[row.file]
            if source is None:
                sorted_out.add("their file is not there, or stands for several", row)
            elif labels[row.label] is None:
                sorted_out.add(
                    "their label is none of the seven expressions, or left out by dataset.classes", row
                )
            elif splits[row.split] is None:
                sorted_out.add("left out by dataset.splits", row)
            else:
                faces[source].append(row)
        if not faces:
            raise DatasetError(
                f"{self.name}: none of the {len(rows):,} rows of {path} is used: their labels are none of the seven "
                "expressions, or dataset.classes or dataset.splits leaves them out."
            )
        kept = []
        for source, alike in faces.items():
            if (one := self._one_of(alike, labels, splits, sorted_out)) is not None:
                label = EXPRESSIONS.index(str(labels[one.label]))
                kept.append((source, source, label, splits[one.split], one.subject or None))
        unnamed = sorted(files.paths - set(found.values()))
        if unnamed:
            notes = (*notes, f"Images that stand in no row of {path.name}: {named(unnamed)}.")
        frame = pd.DataFrame(kept, columns=list(COLUMNS), dtype=object)
        there = tuple(name for number, name in enumerate(EXPRESSIONS) if number in set(frame["label"]))
        if lacking := [name for name in EXPRESSIONS if name not in there]:
            notes = (*notes, f"There is no face for {', '.join(lacking)}.")
        return Listing(frame, FileStore(root), (*notes, *sorted_out.notes()), there, sorted_out.table())

    def _table_file(self, root: Path) -> Path:
        if self.table is None:
            lying = sorted(
                path for path in root.iterdir() if path.suffix.lower() in ENDINGS and path.is_file()
            )
            if len(lying) == 1:
                return lying[0]
            found = f"{root} holds {len(lying)}" + f": {named(path.name for path in lying)}" * bool(lying)
            raise DatasetError(
                f"{self.name}: say which table is meant by dataset.table=FILE ({', '.join(ENDINGS)}); {found}."
            )
        path = Path(self.table).expanduser().absolute()
        path = path if path.is_file() else root / self.table
        if not path.is_file():
            raise DatasetError(
                f"{self.name}: dataset.table={self.table} does not exist. Give dataset.table=FILE."
            )
        return path

    def _read(self, path: Path) -> tuple[list[_Row], tuple[str, ...]]:
        """The rows with a file and a label; sentences on the columns, and on the rows without."""
        chosen: dict[str, str | None] = {}

        def parse(cells: Mapping[str, str], where: str) -> _Row:
            if not chosen:
                chosen.update(self._columns(path, list(cells)))
            file, label, split, subject = (cells[column] if column else "" for column in chosen.values())
            if not file or not label or (chosen["split"] and not split):
                raise BadRow(f"no {'file' if not file else 'split' if label else 'label'}")
            return _Row(where, file, _whole(label), _whole(split), subject)

        if path.suffix.lower() in (".xlsx", ".parquet"):
            rows, bad = usable_rows(path, enumerate(_cells(path), start=2), parse, policy=self.unreadable)
        else:
            rows, bad = read_rows(path, parse, wanted=(), policy=self.unreadable)
        told = ", ".join(f"{what} {column!r}" for what, column in chosen.items() if column)
        return [row for row in rows if row is not None], (f"Columns of {path.name}: {told}.", *bad)

    def _columns(self, path: Path, there: Sequence[str]) -> dict[str, str | None]:
        bare = {folded(column).replace(" ", ""): column for column in reversed(there)}
        found: dict[str, str | None] = {}
        for what, usual_names in _USUAL.items():
            given = getattr(self, f"{what}_column")
            fitting = [bare[name] for name in usual_names if name in bare]
            if given is not None:
                fitting = [column for column in there if folded(column) == folded(given)]
                if not fitting:
                    raise DatasetError(
                        f"{path}: dataset.{what}_column: {unknown_name('column', given, there)}"
                    )
            found[what] = fitting[0] if fitting else None
        for what in ("file", "label"):
            if found[what] is None:
                raise DatasetError(
                    f"{path}: which column holds the {what}s? Say dataset.{what}_column=NAME, of "
                    f"{', '.join(map(repr, there))}."
                )
        return found

    def _labels(self, path: Path, rows: Iterable[_Row]) -> dict[str, str | None]:
        """Label -> expression, None where it is left out; raises `DatasetError` for what is not known."""
        names = FolderMap.of_setting("class", self.classes)
        counts = Counter(row.label for row in rows)
        found = {label: names.find(label) for label in counts}
        if unknown := [label for label, (known, _) in found.items() if not known]:
            told = ", ".join(f"{label!r} ({counts[label]:,})" for label in unknown[:20])
            advice = (
                numbers_advice(unknown)
                if all(label.isdecimal() for label in unknown)
                else unknown_advice("dataset.classes", unknown, names.given, slips=True)
            )
            raise DatasetError(
                f"{path}: labels that are no known expressions, with their rows: {told}. {advice}"
            )
        return {label: target for label, (_, target) in found.items()}

    def _splits(self, path: Path, rows: Iterable[_Row]) -> dict[str, str | None]:
        names = FolderMap.of_setting("split", self.splits)
        found = {
            split: names.find(split) if split else (True, "train") for split in {row.split for row in rows}
        }
        if unknown := sorted(split for split, (known, _) in found.items() if not known):
            advice = unknown_advice("dataset.splits", unknown, names.given, slips=True)
            raise DatasetError(f"{path}: unknown splits {named(unknown)}. {advice}")
        return {split: target for split, (_, target) in found.items()}

    def _one_of(
        self,
        alike: list[_Row],
        labels: Mapping[str, str | None],
        splits: Mapping[str, str | None],
        sorted_out: _SortedOut,
    ) -> _Row | None:
        """Of rows for one file the one that counts, none where their labels differ: nothing says which is right."""
        if len(alike) == 1:
            return alike[0]
        differ = len({labels[row.label] for row in alike}) > 1
        if (self.contradictions if differ else self.duplicates) == "error":
            told = [f"{row.where}: {row.label}" for row in alike]
            raise DatasetError(
                f"{self.name}: {alike[0].file} stands in several rows: {named(told)}. Remove all but one."
            )
        if differ:
            sorted_out.add("their file stands under several labels", *alike)
            return None
        # As with copies across parts: test never loses a face.
        best = max(alike, key=lambda row: SPLITS.index(str(splits[row.split])))
        sorted_out.add("they repeat another row", *(row for row in alike if row is not best))
        return best


class _Files:
    """The images below the root, and which of them a cell of the table means."""

    def __init__(self, root: Path) -> None:
        self.paths = {path for path in files_below(root) if PurePosixPath(path).suffix.lower() in EXTENSIONS}
        self._alike: dict[str, list[str]] = defaultdict(list)
        for path in sorted(self.paths):
            name = PurePosixPath(path.lower())
            for known_as in {name.name, name.stem}:
                self._alike[known_as].append(path)

    def find(self, cell: str) -> str | None:
        """The path below the root, None where there is none or where several may be meant."""
        parts = cell.replace("\\", "/").split("/")
        for start in range(len(parts)):
            if (path := "/".join(parts[start:])) in self.paths:
                return path
        alike = self._alike.get(parts[-1].lower(), [])
        return alike[0] if len(alike) == 1 else None


class _SortedOut:
    """Rows that are not used, by reason."""

    def __init__(self) -> None:
        self._rows: dict[str, list[_Row]] = defaultdict(list)

    def add(self, reason: str, *rows: _Row) -> None:
        """Note rows."""
        self._rows[reason].extend(rows)

    def notes(self) -> tuple[str, ...]:
        """A sentence a reason."""
        return tuple(
            f"{len(rows):,} row{'s' * (len(rows) > 1)} left out, as {reason}: "
            + named(f"{row.file} ({row.label})" for row in rows) + "."
            for reason, rows in self._rows.items()
        )  # fmt: skip

    def table(self) -> pd.DataFrame:
        """See `occlufer.datasets.base.left_out_table`."""
        told = [
            (row.split, row.label, row.file, f"{NOT_IN_DATASET}{reason}; {row.where}")
            for reason, rows in self._rows.items()
            for row in rows
        ]
        return pd.DataFrame(told, columns=["split", "expression", "key", "reason"], dtype=object)


def _whole(label: str) -> str:
    """A number as spreadsheets write it (`3.0`) as a whole one; other text as it is."""
    number, _, rest = label.partition(".")
    return str(int(number)) if number.isdecimal() and not rest.strip("0") else label


def _cells(path: Path) -> list[dict[str, str]]:
    """The rows of a sheet or a parquet file: {lower-case column name: text of the cell}."""
    try:
        frame = (
            pd.read_parquet(path)
            if path.suffix.lower() == ".parquet"
            else pd.read_excel(path, dtype=str, engine="openpyxl")
        )
    except ImportError:
        raise DatasetError(
            f"{path}: Excel's files are read by openpyxl, which is not installed. Save the sheet as CSV (UTF-8), or "
            "`python -m pip install openpyxl`."
        ) from None
    except Exception as error:  # readers of damaged files raise whatever they like
        raise DatasetError(
            f"{path} cannot be read: {' '.join(str(error).split())}. Save it as CSV."
        ) from None
    text = frame.astype(object).where(frame.notna(), "")
    names = [str(column).strip().lower() for column in frame.columns]
    return [
        dict(zip(names, (str(cell).strip() for cell in row), strict=True))
        for row in text.itertuples(index=False)
    ]
