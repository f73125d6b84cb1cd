import gzip
from collections.abc import Mapping
from pathlib import Path

import pytest

from occlufer.datasets.csv_rows import BadRow, read_rows
from occlufer.types import DatasetError

TEXT = "name,label\na.png,1\nb.png,2\nMüller.png,3\n"
ROWS = [("a.png", 1), ("b.png", 2), ("Müller.png", 3)]


def parse(cells: Mapping[str, str], where: str) -> tuple[str, int]:
    if not cells["label"].isdecimal():
        raise BadRow(f"label {cells['label']!r}")
    if cells["label"] == "99":
        raise DatasetError(f"{where}: 99 is another set's")
    return cells["name"], int(cells["label"])


def rows_of(path: Path, content: bytes, policy: str = "skip"):
    path.write_bytes(content)
    return read_rows(path, parse, wanted=("Name", "label"), policy=policy)


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        ("\ufeff" + TEXT).encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
        TEXT.replace("name", '"\ufeffname"').encode(),
        TEXT.replace("name", '\ufeff"name"').encode(),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").encode(),
        TEXT.replace(",", " | ").encode(),
        ("sep=;\n" + TEXT.replace(",", ";")).encode(),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.replace("\n", ",\n").encode(),
        TEXT.replace("\n", "\n\n").encode(),
        TEXT.replace("name,label", " Name , LABEL ").encode(),
        TEXT.replace("a.png", '"a.png"').encode(),
        b"name,label,note;more\na.png,1,x\nb.png,2,\n" + "Müller.png,3,y;z".encode(),
    ],
)  # fmt: skip
def test_whatever_a_table_was_saved_as(tmp_path: Path, content: bytes):
    assert rows_of(tmp_path / "list.csv", content) == (ROWS, ())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("b.pn", "1 cells, 2 column names. Was the file cut off?"),
        ("b.png,2,x", "3 cells"),
        ("b.png,x", "label 'x'"),
        ('"b.png,2', "unexpected end of data"),
        (b"M\xfcller.png,2", "no text in UTF-8"),
    ],
)
def test_a_bad_row_is_left_out_and_named(tmp_path: Path, line: str | bytes, reason: str):
    text = line if isinstance(line, bytes) else line.encode()
    content = TEXT.encode().replace(b"b.png,2", text)
    rows, (note,) = rows_of(tmp_path / "list.csv", content)
    assert rows == [ROWS[0], None, ROWS[2]]
    assert note.startswith("Rows of list.csv left out as unreadable: ")
    assert f"line 3: {reason}"[:7] in note
    assert reason in note
    with pytest.raises(DatasetError, match=r"list\.csv, line 3: .*say dataset.unreadable=skip"):
        rows_of(tmp_path / "list.csv", content, policy="error")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lacks the columns Name, label. .*an empty file"),
        (b"name,label\n", "column names but no rows"),
        (b"name;class\na;1\n", "lacks the column label. Wanted: Name, label; found: name, class"),
        (b"name,label,label\na,1,2\n", "more than one column label"),
        (b"name,label\na\nb\nc,1\n", "2 of its 3 rows cannot be read: 'line 2: .*line 3"),
        (b"name,label\na,99\n", "line 2: 99 is another set's"),
        (b"PK\x03\x04" + bytes(20), "a zip archive or an Excel workbook"),
        (gzip.compress(TEXT.encode(), mtime=0), "a gzip archive"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\x89PNG\r\n\x1a\n", "an image"),
    ],
)
def test_what_is_no_such_table_is_refused(tmp_path: Path, content: bytes, message: str):
    with pytest.raises(DatasetError, match=message):
        rows_of(tmp_path / "list.csv", content)
    with pytest.raises(DatasetError, match=r"gone\.csv cannot be read"):
        read_rows(tmp_path / "gone.csv", parse, wanted=("name",))
