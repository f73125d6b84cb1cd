"""Tables and lists as people hand them on: any usual encoding and separator; bad rows are left out and counted."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from occlufer.datasets.manifest import named
from occlufer.types import DatasetError

RowT = TypeVar("RowT")
LineT = TypeVar("LineT")

_MARKS = {  # longest first: UTF-32's mark begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig",
}  # fmt: skip
_NO_TEXT = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"<": "a web page",
}
_SEPARATORS = ",;\t|"
_DAMAGED = "\N{REPLACEMENT CHARACTER}"
_MOST_BAD = 0.5


class BadRow(Exception):  # noqa: N818 - a reason, caught by `read_rows` and `usable_rows`
    """Why a row cannot be used, as a phrase."""


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line number from 1 and text of each line that holds any, in UTF-8, UTF-16 or UTF-32; bad bytes become U+FFFD.

    Raises:
        DatasetError: a file that cannot be opened, or that is no text; the message says what it is.
    """
    try:
        with path.open("rb") as handle:
            head = handle.read(4)
        what = next((what for mark, what in _NO_TEXT.items() if head.startswith(mark)), None)
        if what is not None:
            raise DatasetError(f"{path} is {what}, no table of text. Give the file as it was published.")
        with path.open(encoding=_encoding(head), errors="replace") as text:
            for number, line in enumerate(text, start=1):
                if line.strip("\ufeff \r\n"):
                    yield number, line.rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}. Give the file as it was published.") from None


def _encoding(head: bytes) -> str:
    for mark, name in _MARKS.items():
        if head.startswith(mark):
            return name
    if head[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if head[:1] == b"\0" else "utf-8"


def read_rows(
    path: Path,
    parse: Callable[[Mapping[str, str], str], RowT],
    *,
    wanted: Sequence[str],
    policy: str = "skip",
) -> tuple[list[RowT | None], tuple[str, ...]]:
    """What `parse` makes of each row of a table with a line of column names.

    Cells are separated by commas, semicolons, tabs or bars, whichever gives the wanted columns; a row is one line.
    Spaces and byte order marks around names and cells do not matter, nor does the case of names.

    Args:
        path: the file.
        parse: makes something of a row, {lower-case column name: cell}, and of where it stands, for messages. It raises
            `BadRow` where the row cannot be used, or `DatasetError` where the file must be another than was meant.
        wanted: columns that must be there.
        policy: "skip" leaves bad rows out and counts them, "error" refuses the file.

    Returns:
        What was made of each row, None for bad ones, so that numbers of rows stay those of the file; and a sentence
        that counts and names the bad ones, if any.

    Raises:
        DatasetError: a file that is no text, a missing column, no rows, more bad rows than good ones, or, under
            "error", a bad row.
    """
    lines = read_lines(path)
    header, separator = _header(path, lines, wanted)

    def parse_line(line: str, where: str) -> RowT:
        cells = next(csv.reader([line], delimiter=separator, strict=True))
        while len(cells) > len(header) and not cells[-1].strip():  # a separator at the end of the line
            cells.pop()
        if len(cells) != len(header):
            raise BadRow(f"{len(cells)} cells, {len(header)} column names. Was the file cut off?")
        return parse({name: cell.strip() for name, cell in zip(header, cells, strict=True)}, where)

    return usable_rows(path, lines, parse_line, policy=policy)


def usable_rows(
    path: Path, lines: Iterator[tuple[int, LineT]], parse: Callable[[LineT, str], RowT], *, policy: str
) -> tuple[list[RowT | None], tuple[str, ...]]:
    """As `read_rows`, for numbered lines of any form, such as those of `read_lines`."""
    rows: list[RowT | None] = []
    bad = []
    for number, line in lines:
        where = f"{path}, line {number}"
        try:
            if isinstance(line, str) and _DAMAGED in line:
                raise BadRow("bytes that are no text in UTF-8: save the file as UTF-8")
            rows.append(parse(line, where))
        except (BadRow, csv.Error) as reason:
            if policy == "error":
                advice = "Mend the row, or say dataset.unreadable=skip to leave such rows out and count them."
                raise DatasetError(f"{where}: {str(reason).rstrip('.')}. {advice}") from None
            rows.append(None)
            bad.append(f"line {number}: {reason}")
    if not rows:
        raise DatasetError(f"{path} holds column names but no rows. Unpack the dataset again.")
    if len(bad) > _MOST_BAD * len(rows):
        raise DatasetError(
            f"{path}: {len(bad):,} of its {len(rows):,} rows cannot be read: {named(bad)}. Give the file as it was "
            "published."
        )
    return rows, (f"Rows of {path.name} left out as unreadable: {named(bad)}.",) if bad else ()


def _header(path: Path, lines: Iterator[tuple[int, str]], wanted: Sequence[str]) -> tuple[list[str], str]:
    """The column names, and what separates cells: of several, what gives the most wanted columns, then cells."""
    first = next(lines, (0, ""))[1]
    separators = _SEPARATORS
    if first.lower().startswith("sep=") and len(first) == 5:  # as Excel writes it
        first, separators = next(lines, (0, ""))[1], first[4]
    splits = {by: [_name(cell) for cell in next(csv.reader([first], delimiter=by), [])] for by in separators}
    separator = max(splits, key=lambda by: (len({*map(str.lower, wanted)} & {*splits[by]}), len(splits[by])))
    found = splits[separator]
    while found and not found[-1]:
        found.pop()
    missing = [column for column in wanted if column.lower() not in found]
    if missing:
        raise DatasetError(
            f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}. Wanted: {', '.join(wanted)}; "
            f"found: {', '.join(found)[:200] or 'an empty file'}."
        )
    twice = [column for column in wanted if found.count(column.lower()) > 1]
    if twice:
        raise DatasetError(
            f"{path} has more than one column {', '.join(twice)}. Rename or remove one of them."
        )
    return found, separator


def _name(cell: str) -> str:
    # A file that was written twice over has its mark within the quotes of the first name.
    return cell.strip('\ufeff" ').lower()


def words(line: str, count: int, like: str) -> list[str]:
    """The words of a line; raises `BadRow` where there are not `count` of them. `like` is a line as it should be."""
    found = line.split()
    if len(found) != count:
        raise BadRow(f"{len(found)} words, wanted {count}: {like}")
    return found
