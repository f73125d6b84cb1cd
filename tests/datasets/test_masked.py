from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import marked
from fakes.masked_faces import make_fake
from occlufer.datasets import masked_faces
from occlufer.datasets.masked_faces import MaskedFaces
from occlufer.types import EXPRESSIONS, DatasetError, UInt8Array

BOTH = pytest.mark.parametrize("collection", ["M-FER2013", "M-CK+"])


def read(root: Path, collection: str = "M-CK+", **options: object) -> MaskedFaces:
    return MaskedFaces(root=root, collection=collection, name="masked", **options)  # type: ignore[arg-type]


def shown(image_HWC: UInt8Array) -> int:
    """The label of a `marked` picture, also where it was made a strip of half its height."""
    return round(int(image_HWC[4, 10, 1]) / 30)


@BOTH
@pytest.mark.parametrize("cropped", [True, False])
def test_labels_mean_what_the_pictures_show(tmp_path: Path, collection: str, cropped: bool):
    root = make_fake(tmp_path, collection=collection, cropped=cropped, images=marked)
    dataset = read(root, collection, cropped=cropped)
    assert len(dataset) == 56
    for sample in dataset:
        assert sample.image_HWC.shape == ((24, 48, 3) if cropped else (48, 48, 3))
        assert shown(sample.image_HWC) == sample.label
    assert dataset.covered


def test_folder_names_decide_and_not_their_order(tmp_path: Path):
    root = make_fake(tmp_path, collection="M-FER2013", images=marked)
    meant = {"angry": "anger", "disgust": "disgust", "fear": "fear", "happy": "happiness", "neutral": "neutral",
             "sad": "sadness", "surprise": "surprise"}  # fmt: skip
    manifest = read(root, "M-FER2013").manifest
    for index in range(len(manifest)):
        row = manifest.row(index)
        assert EXPRESSIONS[row.label] == meant[row.key.split("/")[1]]


@BOTH
def test_folders_by_number_are_refused(tmp_path: Path, collection: str):
    """Any order may be meant by a number."""
    root = make_fake(tmp_path, collection=collection)
    for split in ("train", "test"):
        folder = root / f"{collection}_cropped" / split
        for number, below in enumerate(sorted(folder.iterdir())):
            below.rename(folder / str(number))
    with pytest.raises(DatasetError, match="unknown class folders '0'"):
        read(root, collection)


def test_swapped_folders_show_by_sizes_that_fer2013_does_not_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Surprise has fewer faces than sadness: more than it can have are another class's."""
    sizes = {expression: 3 if expression == "surprise" else 4 for expression in EXPRESSIONS}
    monkeypatch.setattr(masked_faces, "_FER2013", {"train": sizes, "test": sizes})
    root = make_fake(tmp_path, collection="M-FER2013")
    for split in ("train", "test"):
        next((root / "M-FER2013_cropped" / split / "surprise").iterdir()).unlink()
    assert not any("More faces" in note for note in read(root, "M-FER2013").notes)
    for split in ("train", "test"):
        folder = root / "M-FER2013_cropped" / split
        for old, new in (("sad", "x"), ("surprise", "sad"), ("x", "surprise")):
            (folder / old).rename(folder / new)
    assert read(root, "M-FER2013").notes[0] == (
        "More faces than FER2013 has, from which they were made: surprise in train 4 for 3, surprise in test 4 for 3. "
        "Do the class folders hold what their names say?"
    )


def test_bounds_are_those_of_fer2013():
    assert sum(masked_faces._FER2013["train"].values()) == 28_709
    assert sum(masked_faces._FER2013["test"].values()) == 7_178


def test_subjects_of_ck_come_from_file_names_and_stay_together(tmp_path: Path):
    dataset = read(make_fake(tmp_path, collection="M-CK+", per_class=10), validation_share=0.2)
    frame = dataset.manifest.frame
    assert (frame["subject"] == frame["key"].str.extract(r"/(S\d+)_")[0]).all()
    assert frame["subject"].nunique() == 20
    assert (frame.groupby("subject")["split"].nunique() == 1).all()
    assert frame.loc[frame["split"] == "validation", "key"].str.startswith("train/").all()
    assert any("validation faces were carved out of train, by subject" in note for note in dataset.notes)
    fer = read(make_fake(tmp_path, collection="M-FER2013"), "M-FER2013").manifest.frame
    assert fer["subject"].isna().all()


def test_subjects_in_both_published_parts_are_noted_and_resplit_mends_it(tmp_path: Path):
    root = make_fake(tmp_path, collection="M-CK+", per_class=10)
    for path in (root / "M-CK+_cropped/test").rglob("*.png"):  # the same people as in train
        path.rename(path.with_name(f"S{int(path.name[1:4]) - 490:03d}{path.name[4:]}"))
    assert "Subjects with faces in more than one split" in read(root).notes[-1]
    dataset = read(root, resplit=True)
    frame = dataset.manifest.frame
    assert (frame.groupby("subject")["split"].nunique() == 1).all()
    assert set(frame["split"]) == {"train", "validation", "test"}
    assert "split anew (dataset.resplit)" in dataset.notes[0]
    assert "by subject" in dataset.notes[1]


def test_names_without_a_subject_are_refused(tmp_path: Path):
    root = make_fake(tmp_path, collection="M-CK+")
    path = next((root / "M-CK+_cropped/train/sad").iterdir())
    path.rename(path.with_name("face.png"))
    with pytest.raises(DatasetError, match=r"no subject in the names of 'train/sad/face.png'.*S010_004"):
        read(root)


@BOTH
def test_roots_one_may_give(tmp_path: Path, collection: str):
    make_fake(tmp_path / "a", collection=collection)
    for root in (tmp_path / "a", tmp_path / "a" / f"{collection}_cropped"):
        assert len(read(root, collection)) == 56
    with pytest.raises(DatasetError, match=rf"Did you mean dataset.root={tmp_path / 'a'}\?"):
        read(tmp_path, collection)
    with pytest.raises(DatasetError, match=rf"Did you mean dataset.root={tmp_path / 'a'}\?"):
        read(tmp_path / "a" / f"{collection}_cropped" / "train", collection)


def test_the_other_version_and_the_other_collection(tmp_path: Path):
    root = make_fake(tmp_path, collection="M-CK+", cropped=False)
    with pytest.raises(
        DatasetError, match=r"holds M-CK\+, the whole faces, and no M-CK\+_cropped. Say dataset.cropped=false"
    ):
        read(root)
    with pytest.raises(DatasetError, match=r"looks like MaskedCK\+: say dataset=masked_ckplus"):
        read(root, "M-FER2013")
    make_fake(root, collection="M-CK+", cropped=True)
    assert read(root).root.name == "M-CK+_cropped"
    assert read(root, cropped=False).root.name == "M-CK+"
    with pytest.raises(DatasetError, match=r"Unknown dataset.collection 'M-CK'. Did you mean 'M-CK\+'"):
        read(root, "M-CK")


def test_images_of_another_shape_are_noted(tmp_path: Path):
    root = make_fake(tmp_path, collection="M-CK+", cropped=False)
    (root / "M-CK+").rename(root / "M-CK+_cropped")
    assert (
        "The images are not strips of 48x24 pixels: test/angry/S500_000_00000028.png has 48x48 pixels."
        in read(root).notes
    )


def test_a_set_without_parts_is_split_in_three(tmp_path: Path):
    """As the program that cropped them walks folders, the whole faces may come as class folders alone."""
    for number, folder in enumerate(("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")):
        (tmp_path / "M-FER2013" / folder).mkdir(parents=True)
        for i in range(10):
            image = np.full((48, 48), 30 * number + i, np.uint8)
            Image.fromarray(image).save(tmp_path / "M-FER2013" / folder / f"Training_{i}.png")
    counts = read(tmp_path, "M-FER2013", cropped=False).manifest.counts()
    assert counts.loc[["train", "validation", "test"]].to_numpy().tolist() == [[7] * 7, [1] * 7, [2] * 7]


def test_unknown_class_folders(tmp_path: Path):
    root = make_fake(tmp_path, collection="M-CK+")
    (root / "M-CK+_cropped/train/boredom").mkdir()
    with pytest.raises(DatasetError, match="unknown class folder 'boredom'"):
        read(root)
