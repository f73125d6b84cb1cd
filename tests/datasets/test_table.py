import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from fakes.table import make_fake
from occlufer.datasets.table import Table
from occlufer.types import EXPRESSIONS, DatasetError


def labels_of(table: Table) -> dict[str, str]:
    """Key -> expression."""
    return {
        key: EXPRESSIONS[label] for key, label in zip(table.manifest.keys, table.manifest.labels, strict=True)
    }


def truth(number: int) -> str:
    """What the fake says, by hand: file 003 shows happiness."""
    return ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"][number % 7]


def write(root: Path, text: str, encoding: str = "utf-8", name: str = "labels.csv") -> Path:
    (root / name).write_bytes(text.encode(encoding))
    return root


def test_files_and_labels(tmp_path: Path):
    table = Table(root=make_fake(tmp_path))
    assert labels_of(table) == {f"images/{number:03d}.png": truth(number) for number in range(28)}
    assert table.notes[0] == "Columns of labels.csv: file 'file', label 'label'."
    assert set(table.manifest.splits) == {"train", "validation", "test"}
    assert len(table.left_out) == 0
    assert table.load_image(0).ndim == 3


def test_what_is_missing_doubled_or_contradicts_itself_is_counted_and_listed(tmp_path: Path):
    more = (("images/gone.png", "fear"), ("images/lost.png", "fear"), ("images/003.png", "happiness"),
            ("images/004.png", "anger"), ("images/005.png", "contempt"), ("images/006.png", ""))  # fmt: skip
    table = Table(root=make_fake(tmp_path, more=more), name="mine")
    assert "images/004.png" not in labels_of(table), "nothing says which of two labels is right"
    assert labels_of(table) == {f"images/{n:03d}.png": truth(n) for n in range(28) if n != 4}
    told = " ".join(table.notes)
    assert (
        "2 rows left out, as their file is not there, or stands for several: 'images/gone.png (fear)'" in told
    )
    assert "1 row left out, as they repeat another row: 'images/003.png (happiness)'" in told
    assert "2 rows left out, as their file stands under several labels: 'images/004.png (neutral)'" in told
    assert "left out by dataset.classes: 'images/005.png (contempt)'" in told
    assert "Rows of labels.csv left out as unreadable: 'line 35: no label'" in told
    listed = dict(zip(table.left_out["key"], table.left_out["reason"], strict=True))
    assert set(listed) == {f"images/{name}.png" for name in ("gone", "lost", "003", "004", "005")}
    assert listed["images/gone.png"].endswith("labels.csv, line 30")


@pytest.mark.parametrize(("more", "setting"), [(("images/003.png", "happiness"), "duplicates"),
                                               (("images/003.png", "fear"), "contradictions")])  # fmt: skip
def test_both_are_refused_where_asked_for(tmp_path: Path, more: tuple[str, str], setting: str):
    root = make_fake(tmp_path, more=(more,))
    with pytest.raises(DatasetError, match=r"images/003.png stands in several rows.*Remove all but one"):
        Table(root=root, **{setting: "error"})  # type: ignore[arg-type]


@pytest.mark.parametrize("written", ["{0:03d}.png", "{0:03d}", "IMAGES/{0:03d}.PNG", "/data/old/images/{0:03d}.png",
                                     "images\\{0:03d}.png", "./images/{0:03d}.png"])  # fmt: skip
def test_files_are_found_as_people_name_them(tmp_path: Path, written: str):
    root = make_fake(tmp_path)
    write(root, "Image Path;Emotion\r\n" + "".join(f"{written.format(n)};{truth(n)}\r\n" for n in range(28)))
    assert labels_of(Table(root=root)) == {f"images/{n:03d}.png": truth(n) for n in range(28)}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_labels_in_other_languages_and_encodings(tmp_path: Path, encoding: str):
    german = ["Wut", "Ekel", "Angst", "Freude", "Neutral", "Trauer", "Überraschung"]
    root = make_fake(tmp_path)
    write(root, "datei\tausdruck\n" + "".join(f"{n:03d}.png\t{german[n % 7]}\n" for n in range(28)), encoding)
    with pytest.raises(
        DatasetError, match=r"which column holds the files\? Say dataset.file_column=NAME, of 'datei'"
    ):
        Table(root=root)
    table = Table(root=root, file_column="Datei", label_column="AUSDRUCK")
    assert labels_of(table) == {f"images/{n:03d}.png": truth(n) for n in range(28)}
    with pytest.raises(DatasetError, match="Did you mean 'ausdruck'"):
        Table(root=root, file_column="datei", label_column="ausdruk")


def test_parts_and_people(tmp_path: Path):
    usage = ["Training", "PublicTest", "PrivateTest", "Training"]
    rows = "".join(f"{n:03d}.png,{truth(n)},{usage[n // 7]},person {n}\n" for n in range(28))
    root = write(make_fake(tmp_path), "file,label,Usage,subject\n" + rows)
    table = Table(root=root)
    parts = ["train", "validation", "test", "train"]
    assert [table.manifest.row(n).split for n in range(28)] == [parts[n // 7] for n in range(28)]
    assert table.manifest.row(3).subject == "person 3"
    write(root, "file,label,part\n" + rows.replace(",person ", ";").replace("PublicTest", "mañana (2)"))
    write(root, "file,label,part,x\n" + rows.replace("PublicTest", "mañana (2)"))
    with pytest.raises(DatasetError, match=r"unknown splits 'mañana \(2\)'") as told:
        Table(root=root, split_column="part")
    (line,) = shlex.split(str(told.value).split(" out say ")[1].split("; to use")[0])
    said = OverridesParser.create().parse_override(line)
    assert len(Table(root=root, split_column="part", splits=said.value())) == 21


def test_a_misspelt_label_is_offered_as_what_it_nearly_is(tmp_path: Path):
    root = make_fake(tmp_path)
    write(root, "file,label\n" + "".join(
        f"{n:03d}.png,{['suprise', 'laughing'][n] if n < 2 else truth(n)}\n" for n in range(28)))  # fmt: skip
    with pytest.raises(DatasetError, match="If that is what was meant") as told:
        Table(root=root)
    (line,) = re.findall(r"'dataset\.classes=.*?\]'", str(told.value))
    said = OverridesParser.create().parse_override(shlex.split(line)[0]).value()
    assert sorted(map(str, said)) == ["laughing: null", "suprise: surprise"]
    assert labels_of(Table(root=root, classes=said))["images/000.png"] == "surprise"


@pytest.mark.parametrize("form", ["{0}", "{0}.0"])
def test_numbers_are_read_as_the_user_says(tmp_path: Path, form: str):
    order = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]  # FER2013's, by hand
    root = make_fake(tmp_path)
    write(
        root,
        "file,label\n" + "".join(f"{n:03d}.png,{form.format(order.index(truth(n)))}\n" for n in range(28)),
    )
    with pytest.raises(DatasetError, match=r"labels that are no known expressions.*'0' \(4\)") as told:
        Table(root=root)
    offered = [shlex.split(line, comments=True) for line in str(told.value).splitlines()[1:]]
    assert ["dataset.classes=fer2013"] in offered
    assert labels_of(Table(root=root, classes="fer2013")) == {
        f"images/{n:03d}.png": truth(n) for n in range(28)
    }


def test_labels_that_are_no_expressions_are_left_out_by_the_line_of_the_message(tmp_path: Path):
    odd = "it's (un)clear"
    root = make_fake(tmp_path, more=(("images/000.png", odd), ("images/001.png", "müde")))
    with pytest.raises(DatasetError, match=r"with their rows: .*'müde' \(1\)") as told:
        Table(root=root)
    (line,) = shlex.split(str(told.value).split(" out say ")[1].split("; to use")[0])
    said = OverridesParser.create().parse_override(line)
    assert said.key_or_group == "dataset.classes"
    assert len(Table(root=root, classes=said.value())) == 28


def test_parquet(tmp_path: Path):
    root = make_fake(tmp_path)
    frame = pd.read_csv(root / "labels.csv").assign(label=np.arange(28) % 7)
    frame.to_parquet(root / "labels.parquet")
    with pytest.raises(
        DatasetError, match=r"say which table is meant.*holds 2: 'labels.csv', 'labels.parquet'"
    ):
        Table(root=root)
    table = Table(root=root, table="labels.parquet", classes="alphabetical")
    assert labels_of(table) == {f"images/{n:03d}.png": truth(n) for n in range(28)}


def test_excel_needs_its_reader_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = make_fake(tmp_path)
    (root / "labels.csv").rename(root / "labels.xlsx")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DatasetError, match=r"Save the sheet as CSV .*pip install openpyxl"):
        Table(root=root)


def test_excel(tmp_path: Path):
    pytest.importorskip("openpyxl")
    root = make_fake(tmp_path)
    frame = pd.read_csv(root / "labels.csv")
    frame.to_excel(root / "labels.xlsx", index=False)
    assert labels_of(Table(root=root, table=root / "labels.xlsx")) == labels_of(
        Table(root=root, table="labels.csv")
    )


def test_a_folder_without_the_images(tmp_path: Path):
    make_fake(tmp_path / "there")
    (tmp_path / "other").mkdir()
    with pytest.raises(DatasetError, match=r"of the 28 files .* 28 are not there .*Point dataset.root=DIR"):
        Table(root=tmp_path / "other", table=tmp_path / "there" / "labels.csv")
    with pytest.raises(DatasetError, match=r"Say dataset.table=\S+labels.csv dataset.root=DIR"):
        Table(root=tmp_path / "there" / "labels.csv")
    with pytest.raises(DatasetError, match=r"dataset.table=no.csv does not exist"):
        Table(root=tmp_path / "there", table="no.csv")


def test_a_table_most_of_whose_files_are_not_there_is_refused(tmp_path: Path):
    """A wrong root; rows that are left out anyway do not count, nor does a set of which a part was downloaded."""
    root = make_fake(tmp_path, per_class=8, more=tuple((f"{n}.png", "contempt") for n in range(50)))
    for number in range(28):
        (root / "images" / f"{number:03d}.png").unlink()
    assert len(Table(root=root)) == 28
    (root / "images" / "028.png").unlink()
    with pytest.raises(DatasetError, match=r"of the 56 files .* 29 are not there .*'images/000\.png'"):
        Table(root=root)
