import shutil
from pathlib import Path

import pytest
from PIL import Image

from fakes import fer2013 as fake_fer2013
from fakes import image_folder as fake_image_folder
from fakes import marked, marked_label
from fakes.ckplus import make_fake
from occlufer.datasets.ckplus import CKPlus
from occlufer.types import EXPRESSIONS, DatasetError

LAYOUTS = ("official", "CK+48", "ckextended.csv")
SEQUENCES = {
    "anger": 45,
    "contempt": 18,
    "disgust": 59,
    "fear": 25,
    "happy": 69,
    "sadness": 28,
    "surprise": 83,
}
"""The published number of labelled sequences."""
PNG = b"\x89PNG\r\n\x1a\n"
"""The beginning of an image: what lists a set reads no further."""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_labels_mean_what_the_pictures_show(tmp_path: Path, layout: str):
    dataset = CKPlus(root=make_fake(tmp_path, layout=layout, images=marked))
    assert len(dataset) == {"official": 6 * (6 * 3 + 8), "CK+48": 6 * 6 * 3, "ckextended.csv": 6 * 7}[layout]
    for sample in dataset:
        assert marked_label(sample.image_HWC) == sample.label


def test_codes_of_the_label_files_are_the_ones_of_the_set(tmp_path: Path):
    """Written by hand, so that reader and writer cannot be wrong together: contempt is 2, which shifts the rest."""
    codes = {1: "anger", 3: "disgust", 4: "fear", 5: "happiness", 6: "sadness", 7: "surprise"}
    for person in (10, 11, 12):
        for code in (*codes, 2):
            below = f"S{person:03d}/{code:03d}"
            stem = f"{below.replace('/', '_')}_00000012"
            (tmp_path / "cohn-kanade-images" / below).mkdir(parents=True)
            Image.fromarray(marked(code, person)).save(
                tmp_path / "cohn-kanade-images" / below / f"{stem}.png"
            )
            (tmp_path / "Emotion" / below).mkdir(parents=True)
            (tmp_path / "Emotion" / below / f"{stem}_emotion.txt").write_text(f"   {code}.0000000e+00\n")
    dataset = CKPlus(root=tmp_path, neutral_frames=0)
    assert {marked_label(sample.image_HWC): EXPRESSIONS[sample.label] for sample in dataset} == codes
    assert "neutral" not in dataset.manifest.classes
    assert dataset.notes[0] == "Contempt is none of the seven expressions: 3 sequences left out."


def test_codes_of_the_csv_file_are_the_ones_of_the_set(tmp_path: Path):
    """Those of FER2013 with 7 for contempt, which are not those of the label files."""
    codes = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    lines = [
        f"{code}," + " ".join([str(30 * code)] * 2303 + [str(number)]) + f",{usage}"
        for number, usage in enumerate(("Training", "PublicTest", "PrivateTest"))
        for code in range(8)
    ]
    (tmp_path / "ckextended.csv").write_text("\n".join(["emotion,pixels,Usage", *lines]))
    dataset = CKPlus(root=tmp_path)
    found = {(marked_label(sample.image_HWC), EXPRESSIONS[sample.label]) for sample in dataset}
    assert found == set(enumerate(codes))
    assert len(dataset) == 21
    assert "names no subjects" in dataset.notes[0]
    assert "3 rows left out" in dataset.notes[1]
    assert dataset.manifest.frame.groupby("split").size().to_dict() == {
        "train": 7,
        "validation": 7,
        "test": 7,
    }


def test_first_frames_are_neutral_and_last_frames_the_expression(tmp_path: Path):
    root = make_fake(tmp_path, images=marked)
    frame = CKPlus(root=root, neutral_frames=2, apex_frames=1).manifest.frame
    number = frame["key"].str[-1].astype(int)
    neutral = frame["label"] == EXPRESSIONS.index("neutral")
    assert set(number[neutral]) == {1, 2}
    assert set(number[~neutral]) == {6}
    assert neutral.sum() == 6 * 8 * 2  # contempt and sequences without a label begin neutral, too
    assert (~neutral).sum() == 6 * 6
    dataset = CKPlus(root=root, neutral_frames=9, apex_frames=4)
    assert not dataset.manifest.frame["key"].duplicated().any()
    apex = dataset.manifest.frame[dataset.manifest.frame["key"].str.startswith("S010_001")]
    assert dict(zip(apex["key"].str[-1].astype(int), apex["label"].map(EXPRESSIONS.__getitem__), strict=True)) == {
        1: "neutral", 2: "neutral", 3: "anger", 4: "anger", 5: "anger", 6: "anger"}  # fmt: skip


def test_ck48_has_no_neutral_faces(tmp_path: Path):
    dataset = CKPlus(root=make_fake(tmp_path, layout="CK+48"))
    assert dataset.manifest.classes == tuple(name for name in EXPRESSIONS if name != "neutral")
    assert dataset.notes[:2] == (
        "CK+48 has no neutral faces: six expressions are left.",
        "Contempt is none of the seven expressions: 6 sequences left out.",
    )
    last = CKPlus(root=tmp_path, apex_frames=1).manifest
    assert len(last) == 36
    assert all(key.endswith("_00000012") for key in last.keys)


@pytest.mark.parametrize("layout", ["official", "CK+48"])
def test_a_person_stands_in_one_split(tmp_path: Path, layout: str):
    frame = CKPlus(root=make_fake(tmp_path, layout=layout)).manifest.frame
    assert (frame["subject"] == frame["key"].str[:4]).all()
    assert frame.groupby("split")["subject"].nunique().to_dict() == {"train": 4, "validation": 1, "test": 1}
    assert (frame.groupby("subject")["split"].nunique() == 1).all()


@pytest.mark.parametrize("layout", ["official", "CK+48"])
def test_one_face_of_each_subject_and_expression(tmp_path: Path, layout: str):
    root = make_fake(tmp_path, layout=layout)
    dataset = CKPlus(root=root, one_per_subject_and_class=True)
    frame = dataset.manifest.frame
    assert (frame.groupby(["subject", "label"]).size() == 1).all()
    assert len(frame) == 6 * (7 if layout == "official" else 6)
    assert any(f"{len(frame)} of " in note and "kept" in note for note in dataset.notes)
    again = CKPlus(root=root, one_per_subject_and_class=True)
    assert again.manifest.digest() == dataset.manifest.digest()
    other = CKPlus(root=root, one_per_subject_and_class=True, split_seed=1)
    assert set(other.manifest.keys) != set(dataset.manifest.keys)
    shutil.rmtree(next(root.glob("cohn*/S015"), tmp_path / "none"), ignore_errors=True)
    for path in root.glob("CK+48/*/S015*"):
        path.unlink()
    fewer = CKPlus(root=root, one_per_subject_and_class=True, duplicates="keep").manifest
    assert set(fewer.keys) == {key for key in dataset.manifest.keys if not key.startswith("S015")}


def test_one_face_of_each_subject_needs_subjects(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"needs subjects, and ckextended.csv names none"):
        CKPlus(root=make_fake(tmp_path, layout="ckextended.csv"), one_per_subject_and_class=True)


def test_the_whole_set_has_the_published_numbers(tmp_path: Path):
    root = tmp_path / "CK+48"
    subject = 10
    for folder, count in SEQUENCES.items():
        (root / folder).mkdir(parents=True)
        for number in range(3 * count):
            subject += number % 3 == 0
            name = f"S{subject % 118:03d}_{number // 3:03d}_{20 + number % 3:08d}.png"
            (root / folder / name).write_bytes(PNG)
    assert sum(1 for _ in root.rglob("*.png")) == 981
    for changes in ({}, {"apex_frames": 1}):
        dataset = CKPlus(root=root, duplicates="keep", **changes)
        assert not [note for note in dataset.notes if "published" in note]
    next((root / "fear").iterdir()).unlink()
    assert "fear 74 for 75" in " ".join(CKPlus(root=root, duplicates="keep").notes)


def test_mixed_up_class_folders_of_the_whole_set_are_refused(tmp_path: Path):
    wrong = {
        "anger": 83,
        "contempt": 18,
        "disgust": 45,
        "fear": 59,
        "happy": 25,
        "sadness": 69,
        "surprise": 28,
    }
    for folder, count in wrong.items():
        (tmp_path / folder).mkdir()
        for number in range(3 * count):
            name = f"S{number:03d}_{len(folder) + count:03d}_{20 + number % 3:08d}.png"
            (tmp_path / folder / name).write_bytes(PNG)
    with pytest.raises(DatasetError, match="published sizes of CK\\+ in another order"):
        CKPlus(root=tmp_path, duplicates="keep")


def test_both_trees_have_the_same_keys(tmp_path: Path):
    official = CKPlus(root=make_fake(tmp_path)).manifest
    assert "S010_001_00000006" in set(official.keys)
    assert "S010_001_00000012" in set(CKPlus(root=make_fake(tmp_path / "a", layout="CK+48")).manifest.keys)


def test_odd_files_of_the_official_tree(tmp_path: Path):
    root = make_fake(tmp_path)
    Image.fromarray(marked(0, 0)).save(root / "cohn-kanade-images" / "S010" / "face.png")
    shutil.rmtree(root / "cohn-kanade-images" / "S011" / "007")
    (root / "Emotion").rename(root / "Emotion_labels")
    notes = CKPlus(root=root).notes
    assert "names are not like S005_001_00000011.png: 'cohn-kanade-images/S010/face.png'" in notes[0]
    assert notes[1] == "Labels of sequences whose images are not there: 'S011_007'."
    assert notes[2] == "6 sequences have no label: only their first, neutral frames are used."
    assert notes[3] == "Contempt is none of the seven expressions: 5 sequences left out."


@pytest.mark.parametrize("content", ["", "happy", "8.0000000e+00", "1.5", "-1", "nan", "3 4"])
def test_bad_label_files(tmp_path: Path, content: str):
    root = make_fake(tmp_path)
    next((root / "Emotion" / "S010" / "003").iterdir()).write_text(content)
    with pytest.raises(
        DatasetError, match=r"S010_003_00000006_emotion.txt holds .*0 neutral, 1 anger, 2 contempt"
    ):
        CKPlus(root=root)


def test_trees_that_cannot_be(tmp_path: Path):
    root = make_fake(tmp_path / "a")
    shutil.rmtree(root / "Emotion")
    with pytest.raises(
        DatasetError, match=r"holds cohn-kanade-images/ but no labels. Unzip Emotion_labels.zip"
    ):
        CKPlus(root=root)
    (root / "Emotion").mkdir()
    with pytest.raises(DatasetError, match="no label file in"):
        CKPlus(root=root)
    root = make_fake(tmp_path / "b", layout="CK+48") / "CK+48"
    shutil.copy(root / "anger" / "S010_001_00000010.png", root / "fear" / "S010_001_00000013.png")
    with pytest.raises(DatasetError, match=r"sequence S010_001 lies in anger/ and in fear/"):
        CKPlus(root=root)
    (root / "fear" / "S010_001_00000013.png").unlink()
    (root / "neutral").mkdir()
    with pytest.raises(DatasetError, match="unknown class folder 'neutral'"):
        CKPlus(root=root)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"neutral_frames": -1}, "neutral_frames=-1"), ({"apex_frames": 0}, "wanted a whole number, 1 or more"),
     ({"apex_frames": 1.5}, "apex_frames=1.5")],
)  # fmt: skip
def test_values_that_cannot_be(tmp_path: Path, arguments: dict[str, int], message: str):
    with pytest.raises(DatasetError, match=message):
        CKPlus(root=make_fake(tmp_path), **arguments)


def test_bad_rows_of_the_csv_file_name_the_line(tmp_path: Path):
    root = make_fake(tmp_path, layout="ckextended.csv")
    path = root / "ckextended.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], "8" + lines[3][1:], *lines[4:]]))
    with pytest.raises(DatasetError, match=r"line 4: emotion '8' .*7 left out"):
        CKPlus(root=path)


def test_roots_one_may_give(tmp_path: Path):
    for layout in LAYOUTS:
        root = make_fake(tmp_path / layout / "CK+", layout=layout)
        assert len(CKPlus(root=root)) == len(
            CKPlus(root=root.parent if layout != "CK+48" else root / "CK+48")
        )
    with pytest.raises(DatasetError, match=rf"Did you mean dataset.root={tmp_path / 'official' / 'CK.'}\?"):
        CKPlus(root=tmp_path / "official" / "CK+" / "Emotion")


def test_roots_that_hold_no_ckplus(tmp_path: Path):
    with pytest.raises(
        DatasetError, match=r"holds no CK\+. Wanted: .*cohn-kanade-images/ and Emotion/.*Found: nothing"
    ):
        CKPlus(root=tmp_path)
    (tmp_path / "faces.txt").write_text("x")
    with pytest.raises(DatasetError, match=r"Found: faces.txt"):
        CKPlus(root=tmp_path / "faces.txt")
    fake_image_folder.make_fake(tmp_path / "tree", splits=())
    for root in (tmp_path, tmp_path / "tree"):
        with pytest.raises(
            DatasetError, match="looks like a tree of class folders: say dataset=image_folder"
        ):
            CKPlus(root=root)
    fake_fer2013.make_fake(tmp_path / "fer")
    with pytest.raises(DatasetError, match="looks like FER2013's folders: say dataset=fer2013"):
        CKPlus(root=tmp_path / "fer")
    with pytest.raises(DatasetError, match="Unknown layout of CK"):
        make_fake(tmp_path, layout="ck48")
