import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import image_folder as fake_image_folder
from fakes import marked, marked_label
from fakes.affectnet import make_fake
from occlufer.datasets.affectnet import AffectNet
from occlufer.types import EXPRESSIONS, DatasetError


def test_labels_mean_what_the_pictures_show(tmp_path: Path):
    dataset = AffectNet(root=make_fake(tmp_path, images=marked))
    assert len(dataset) == 2 * 7 * 4
    for sample in dataset:
        assert marked_label(sample.image_HWC) == sample.label


def test_codes_are_the_ones_of_the_set(tmp_path: Path):
    """Written by hand, so that reader and writer cannot be wrong together: 4 fear, 5 disgust, 6 anger."""
    codes = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger"]
    for name in ("images", "annotations"):
        (tmp_path / "val_set" / name).mkdir(parents=True)
    for code in range(7):
        Image.fromarray(marked(code, 0)).save(tmp_path / "val_set" / "images" / f"{code}.jpg")
        np.save(tmp_path / "val_set" / "annotations" / f"{code}_exp.npy", np.array(str(code)))
        np.save(tmp_path / "val_set" / "annotations" / f"{code}_val.npy", np.array("0.5"))
    found = AffectNet(root=tmp_path).manifest
    assert [EXPRESSIONS[label] for label in found.labels] == codes
    assert list(found.keys) == [f"val_set/{code}" for code in range(7)]


def test_val_set_is_the_test_part(tmp_path: Path):
    dataset = AffectNet(root=make_fake(tmp_path, per_class=10), validation_share=0.2)
    frame = dataset.manifest.frame
    assert frame.groupby("split").size().to_dict() == {"train": 56, "validation": 14, "test": 70}
    assert (frame["key"].str.startswith("val_set") == (frame["split"] == "test")).all()
    assert "none of the seven expressions: contempt 20." in dataset.notes[0]
    assert "train 70 for 283,901; test 70 for 3,500" in dataset.notes[1]


def test_one_set_alone(tmp_path: Path):
    test = AffectNet(root=make_fake(tmp_path / "a", sets=("val_set",)))
    assert set(test.manifest.splits) == {"test"}
    assert not any("train" in note for note in test.notes)
    train = AffectNet(root=make_fake(tmp_path / "b", sets=("train_set",)))
    assert set(train.manifest.splits) == {"train", "validation", "test"}
    assert any("cannot be compared with published" in note for note in train.notes)


def test_a_pickle_is_never_opened(tmp_path: Path):
    root = make_fake(tmp_path)
    path = root / "val_set" / "annotations" / "40_exp.npy"
    assert path.is_file()
    np.save(path, np.array({"a": 1}, dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match=r"40_exp.npy cannot be read as an array .*allow_pickle=False"):
        AffectNet(root=root, unreadable="error")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00\x02\x00{("])
def test_damaged_annotations_are_named(tmp_path: Path, content: bytes):
    """Empty, taken for an archive, and with a header that is no Python: numpy raises something else for each."""
    root = make_fake(tmp_path)
    (root / "train_set" / "annotations" / "3_exp.npy").write_bytes(content)
    with pytest.raises(DatasetError, match=r"3_exp.npy cannot be read as an array"):
        AffectNet(root=root, unreadable="error")
    assert "train_set/3" not in AffectNet(root=root).manifest.keys


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.array("11"), "holds '11'. Wanted: one of 0 neutral, 1 happiness"),
        (np.array("happy"), "holds 'happy'"),
        (np.array(["1", "2"]), "cannot be read as an array of text or numbers"),
        (np.array(1.5), "holds '1.5'"),
    ],
)
def test_annotations_that_say_nothing(tmp_path: Path, content, message: str):
    root = make_fake(tmp_path)
    np.save(root / "train_set" / "annotations" / "3_exp.npy", content)
    with pytest.raises(DatasetError, match=message):
        AffectNet(root=root, unreadable="error")


def test_other_notations_and_what_is_left_out(tmp_path: Path):
    root = make_fake(tmp_path)
    folder = root / "train_set" / "annotations"
    np.save(folder / "0_exp.npy", np.array(8))
    np.save(folder / "1_exp.npy", np.array([" 10 "]))
    (folder / "4_exp.npy").unlink()
    Image.fromarray(marked(0, 0)).save(root / "train_set" / "images" / "face.jpg")
    notes = AffectNet(root=root).notes
    assert notes[0] == "Images left out because their names are not like 0.jpg: 'train_set/images/face.jpg'."
    assert notes[1] == "Left out, since there is no annotation: 'train_set/images/4.jpg'."
    assert (
        notes[2] == "Left out, since they show none of the seven expressions: contempt 8, none 1, no face 1."
    )


def test_roots_one_may_give(tmp_path: Path):
    root = make_fake(tmp_path / "AffectNet")
    keys = set(AffectNet(root=root).manifest.keys)
    assert "train_set/0" in keys
    assert set(AffectNet(root=tmp_path).manifest.keys) == keys
    with pytest.raises(DatasetError, match=rf"Did you mean dataset.root={root}\?"):
        AffectNet(root=root / "train_set")


def test_roots_that_hold_no_affectnet(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"Wanted: AffectNet .*annotations/0_exp.npy.*in different orders"):
        AffectNet(root=tmp_path)
    fake_image_folder.make_fake(tmp_path)
    with pytest.raises(
        DatasetError, match="looks like a tree of split and class folders: say dataset=image_folder"
    ):
        AffectNet(root=tmp_path)
    root = make_fake(tmp_path / "a")
    shutil.rmtree(root / "train_set" / "annotations")
    shutil.rmtree(root / "val_set" / "annotations")
    with pytest.raises(DatasetError, match=r"holds no AffectNet. .*Found: train_set/, val_set/"):
        AffectNet(root=root)


def test_what_has_no_partner_or_is_damaged_is_left_out_and_counted(tmp_path: Path):
    root = make_fake(tmp_path)
    annotations = root / "train_set" / "annotations"
    number = sorted(annotations.glob("*_exp.npy"))[0].name.removesuffix("_exp.npy")
    (annotations / f"{number}_exp.npy").write_bytes(b"\x93NUMPY")
    (annotations / "999999_exp.npy").write_bytes((annotations / "1_exp.npy").read_bytes())
    (root / "test_set" / "images").mkdir(parents=True)
    (root / "train_set" / "images" / "readme.txt").touch()
    faces = AffectNet(root=root)
    assert f"train_set/{number}" not in faces.manifest.keys
    notes = "\n".join(faces.notes)
    assert f"the annotation is damaged: 'affectnet: {annotations / number}_exp.npy cannot be read" in notes
    assert "Annotations left out, since there is no image: '999999_exp.npy'." in notes
    assert "Folders left out, as they are none of train_set, val_set: 'test_set'." in notes
    assert (
        "Files left out because their names are not those of images: 'train_set/images/readme.txt'." in notes
    )
    with pytest.raises(DatasetError, match="cannot be read as an array"):
        AffectNet(root=root, unreadable="error")
