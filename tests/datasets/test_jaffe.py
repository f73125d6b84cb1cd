from pathlib import Path

import pytest
from PIL import Image

from fakes import kdef as fake_kdef
from fakes import marked, marked_label
from fakes.jaffe import make_fake
from occlufer.datasets.jaffe import JAFFE
from occlufer.types import EXPRESSIONS, DatasetError

PUBLISHED = {"AN": 30, "DI": 29, "FE": 32, "HA": 31, "NE": 30, "SA": 31, "SU": 30}


def test_labels_mean_what_the_pictures_show(tmp_path: Path):
    dataset = JAFFE(root=make_fake(tmp_path, images=marked))
    assert len(dataset) == 70
    for sample in dataset:
        assert marked_label(sample.image_HWC) == sample.label


def test_codes_are_the_ones_of_the_set(tmp_path: Path):
    """Written by hand, so that reader and writer cannot be wrong together."""
    codes = {"AN": "anger", "DI": "disgust", "FE": "fear", "HA": "happiness", "NE": "neutral", "SA": "sadness",
             "SU": "surprise"}  # fmt: skip
    for person in ("KA", "KL", "NA"):
        for number, code in enumerate(codes):
            Image.fromarray(marked(number, 0)).save(tmp_path / f"{person}.{code}1.{number}.tiff")
    found = JAFFE(root=tmp_path, duplicates="keep", contradictions="keep").manifest
    for key, label in zip(found.keys, found.labels, strict=True):
        assert EXPRESSIONS[label] == codes[key[3:5]]


def test_a_person_stands_in_one_split(tmp_path: Path):
    frame = JAFFE(root=make_fake(tmp_path, per_class=2)).manifest.frame
    assert (frame["subject"] == frame["key"].str[:2]).all()
    assert frame.groupby("split")["subject"].nunique().to_dict() == {"train": 6, "validation": 2, "test": 2}
    assert (frame.groupby("subject")["split"].nunique() == 1).all()


def test_the_whole_set_has_the_published_numbers(tmp_path: Path):
    people = ("KA", "KL", "KM", "KR", "MK", "NA", "NM", "TM", "UY", "YM")
    for code, count in PUBLISHED.items():
        for number in range(count):
            image = Image.fromarray(marked(0, number))
            image.save(tmp_path / f"{people[number % 10]}.{code}{number // 10 + 1}.{number}.tiff")
    assert len(JAFFE(root=tmp_path, duplicates="keep", contradictions="keep").manifest) == 213
    assert not [
        note
        for note in JAFFE(root=tmp_path, duplicates="keep", contradictions="keep").notes
        if "published" in note
    ]
    (tmp_path / "KA.FE1.0.tiff").unlink()
    assert "fear 31 for 32" in JAFFE(root=tmp_path, duplicates="keep", contradictions="keep").notes[0]


def test_odd_names_are_left_out(tmp_path: Path):
    root = make_fake(tmp_path)
    Image.fromarray(marked(0, 0)).save(root / "mean_face.tiff")
    dataset = JAFFE(root=root)
    assert len(dataset) == 70
    assert dataset.notes[0].endswith("names are not like KA.AN1.39.tiff: 'mean_face.tiff'.")


def test_roots_that_hold_no_jaffe(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"holds no JAFFE. Wanted: .*KA.AN1.39.tiff.*Found: nothing"):
        JAFFE(root=tmp_path)
    fake_kdef.make_fake(tmp_path)
    with pytest.raises(DatasetError, match="looks like KDEF: say dataset=kdef"):
        JAFFE(root=tmp_path)
