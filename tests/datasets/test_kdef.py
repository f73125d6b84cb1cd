import shutil
from pathlib import Path

import pytest
from PIL import Image

from fakes import jaffe as fake_jaffe
from fakes import marked, marked_label
from fakes.kdef import make_fake
from occlufer.datasets.kdef import KDEF
from occlufer.types import EXPRESSIONS, DatasetError


def test_labels_mean_what_the_pictures_show(tmp_path: Path):
    dataset = KDEF(root=make_fake(tmp_path, images=marked))
    assert len(dataset) == 4 * 2 * 7 * 2
    for sample in dataset:
        assert marked_label(sample.image_HWC) == sample.label


def test_codes_are_the_ones_of_the_set(tmp_path: Path):
    """Written by hand, so that reader and writer cannot be wrong together: AF is afraid, AN is angry."""
    codes = {"AF": "fear", "AN": "anger", "DI": "disgust", "HA": "happiness", "NE": "neutral", "SA": "sadness",
             "SU": "surprise"}  # fmt: skip
    for person in ("AF01", "AF02", "AM01"):
        for number, code in enumerate(codes):
            Image.fromarray(marked(number, 0)).save(tmp_path / f"{person}{code}S.JPG")
    found = KDEF(root=tmp_path, duplicates="keep").manifest
    for key, label in zip(found.keys, found.labels, strict=True):
        assert EXPRESSIONS[label] == codes[key[4:6]]


def test_both_sessions_of_a_person_stay_together(tmp_path: Path):
    frame = KDEF(root=make_fake(tmp_path, people=8), test_share=0.25, validation_share=0.25).manifest.frame
    assert set(frame["subject"]) == {f"{sex}{number:02d}" for sex in "FM" for number in range(1, 5)}
    assert (frame.groupby("subject")["split"].nunique() == 1).all()
    assert (frame.groupby("subject").size() == 28).all()
    assert (frame["key"].str[1:4] == frame["subject"]).all()
    assert frame.groupby("split")["subject"].nunique().to_dict() == {"train": 4, "validation": 2, "test": 2}


def test_angles(tmp_path: Path):
    root = make_fake(tmp_path, angles=("S", "HL", "HR", "FL", "FR"))
    assert set(KDEF(root=root).manifest.frame["angle"]) == {"S", "HL", "HR"}
    profiles = KDEF(root=root, angles=["FL", "FR"]).manifest
    assert all(key.endswith(("FL", "FR")) for key in profiles.keys)
    assert len(profiles) == 4 * 2 * 7 * 2
    for angles, message in (
        (["L"], "Unknown angle 'L'"),
        ([], "wanted a list of angles of S, HL"),
        ("S", "wanted a list"),
    ):
        with pytest.raises(DatasetError, match=message):
            KDEF(root=root, angles=angles)
    with pytest.raises(DatasetError, match=r"none of the 112 images of KDEF shows an angle .*'FR'"):
        KDEF(root=make_fake(tmp_path / "straight"), angles=["FR"])


def test_odd_names_copies_and_numbers(tmp_path: Path):
    root = make_fake(tmp_path)
    folder = root / "KDEF" / "AF01"
    shutil.copy(folder / "AF01ANS.JPG", folder / "AF31V.JPG")
    (root / "KDEF" / "readme.txt").write_text("x")
    shutil.copytree(folder, root / "again")
    dataset = KDEF(root=root)
    assert len(dataset) == 112
    assert dataset.notes[0] == (
        "Images left out because their names are not like AF01ANS.JPG: 'KDEF/AF01/AF31V.JPG', 'again/AF31V.JPG'."
    )
    assert "another has the same name: 'again/AF01AFHL.JPG'" in dataset.notes[1]
    assert (
        dataset.notes[2] == "Files left out because their names are not those of images: 'KDEF/readme.txt'."
    )
    assert "112 for 4,900" in dataset.notes[3]


def test_the_whole_set_has_the_published_numbers(tmp_path: Path):
    root = make_fake(tmp_path / "small", people=2, angles=("S", "HL", "HR", "FL", "FR"))
    for number in range(2, 36):
        for file in (root / "KDEF").glob("*/*.JPG"):
            if file.name[2:4] == "01":
                name = f"{file.name[:2]}{number:02d}{file.name[4:]}"
                (tmp_path / name).symlink_to(file)
    assert not [note for note in KDEF(root=tmp_path, duplicates="keep").notes if "published" in note]


def test_keys_do_not_depend_on_the_folder(tmp_path: Path):
    root = make_fake(tmp_path)
    assert "AF01ANS" in set(KDEF(root=root).manifest.keys)
    assert set(KDEF(root=root / "KDEF").manifest.keys) == set(KDEF(root=root).manifest.keys)


def test_roots_that_hold_no_kdef(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"holds no KDEF. Wanted: .*AF01ANS.JPG.*Found: nothing"):
        KDEF(root=tmp_path)
    fake_jaffe.make_fake(tmp_path / "faces")
    with pytest.raises(DatasetError, match=r"looks like JAFFE: say dataset=jaffe dataset.root="):
        KDEF(root=tmp_path)
    (tmp_path / "kdef.zip").write_bytes(b"PK")
    with pytest.raises(DatasetError, match="Unzip it first"):
        KDEF(root=tmp_path / "kdef.zip")
    with pytest.raises(DatasetError, match="holds no KDEF"):
        KDEF(root=next((tmp_path / "faces").glob("*.tiff")))


def test_other_angles_are_counted(tmp_path: Path):
    root = make_fake(tmp_path)
    whole, straight = KDEF(root=root, angles=("S", "HL", "HR", "FL", "FR")), KDEF(root=root, angles=("S",))
    assert f"{len(whole) - len(straight)} images left out by dataset.angles." in straight.notes
    assert not any("dataset.angles" in note for note in whole.notes)
