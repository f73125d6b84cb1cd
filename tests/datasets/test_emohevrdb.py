import shutil
from pathlib import Path

import pytest
from PIL import Image

from fakes import kdef as fake_kdef
from fakes import marked, marked_label
from fakes.emohevrdb import make_fake
from occlufer.datasets.emohevrdb import EmoHeVRDB
from occlufer.types import EXPRESSIONS, DatasetError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_fake(tmp_path, images=marked)


def test_labels_mean_what_the_pictures_show(root: Path):
    dataset = EmoHeVRDB(root=root, use="all")
    assert len(dataset) == 3 * 7 * 2 * 2
    for sample in dataset:
        assert marked_label(sample.image_HWC) == sample.label


def test_numbers_of_the_file_names_are_the_ones_of_the_set(tmp_path: Path):
    """Written by hand, so that reader and writer cannot be wrong together."""
    emotions = ("Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise")
    for number, emotion in enumerate(emotions):
        (tmp_path / "test_set" / emotion).mkdir(parents=True)
        path = tmp_path / "test_set" / emotion / f"1695000000000-2-27-4-20-{number}-1.jpg"
        Image.fromarray(marked(number, 0)).save(path)
    dataset = EmoHeVRDB(root=tmp_path)
    assert [emotions[marked_label(sample.image_HWC)].lower() for sample in dataset] == [
        EXPRESSIONS[sample.label] for sample in dataset
    ]
    frame = dataset.manifest.frame
    assert set(frame["subject"]) == {"27"}
    assert set(frame["camera"]) == {"side"}


def test_folder_names_decide(root: Path):
    dataset = EmoHeVRDB(root=root, use="all").manifest
    for index in range(len(dataset)):
        row = dataset.row(index)
        assert str(row.source).split("/")[-2].lower() == EXPRESSIONS[row.label]


def test_the_faces_are_covered(root: Path):
    assert EmoHeVRDB.covered
    assert EmoHeVRDB(root=root).covered


def test_uses(root: Path):
    test = EmoHeVRDB(root=root).manifest
    assert set(test.splits) == {"test"}
    assert all("/test_set/" in str(source) for source in test.frame["source"])
    splits = EmoHeVRDB(root=root, use="all").manifest.frame
    folders = splits["source"].str.split("/").str[-3]
    sets = {"training_set": "train", "validation_set": "validation", "test_set": "test"}
    assert (folders.map(sets) == splits["split"]).all()
    everything = EmoHeVRDB(root=root, use="all_as_test").manifest
    assert set(everything.splits) == {"test"}
    assert len(everything) == len(splits)
    with pytest.raises(DatasetError, match=r"Unknown dataset\.use 'train'"):
        EmoHeVRDB(root=root, use="train")


def test_people_of_the_sets_are_disjoint(root: Path):
    frame = EmoHeVRDB(root=root, use="all").manifest.frame
    assert frame.groupby("split")["subject"].unique().map(sorted).to_dict() == {
        "train": ["01", "02"],
        "validation": ["03", "04"],
        "test": ["05", "06"],
    }


def test_cameras(root: Path):
    side = EmoHeVRDB(root=root, cameras=["side"]).manifest
    assert len(side) == 14
    assert all(key.endswith("-1") for key in side.keys)
    with pytest.raises(DatasetError, match=r"Unknown camera 'centre'. Did you mean 'central'"):
        EmoHeVRDB(root=root, cameras=["centre"])
    with pytest.raises(DatasetError, match="wanted a list of cameras"):
        EmoHeVRDB(root=root, cameras=[])


def test_swapped_class_folders_are_refused(root: Path):
    folder = root / "emoji-hero-vr-db-si" / "training_set"
    (folder / "Anger").rename(folder / "kept")
    (folder / "Fear").rename(folder / "Anger")
    (folder / "kept").rename(folder / "Fear")
    with pytest.raises(
        DatasetError, match=r"contradict each other in '.*training_set/Anger/.*0 Anger, 1 Disgust"
    ):
        EmoHeVRDB(root=root)


def test_an_image_in_the_wrong_set_is_refused(root: Path):
    folder = root / "emoji-hero-vr-db-si"
    shutil.move(next((folder / "test_set" / "Fear").glob("*-0.jpg")), folder / "training_set" / "Fear" / ".")
    with pytest.raises(DatasetError, match="contradict each other"):
        EmoHeVRDB(root=root)


def test_a_test_set_alone_and_what_is_left_out(root: Path):
    folder = root / "emoji-hero-vr-db-si"
    shutil.rmtree(folder / "training_set")
    shutil.rmtree(folder / "validation_set")
    shutil.move(next((folder / "test_set" / "Fear").glob("*-0.jpg")), folder / "test_set" / ".")
    shutil.move(next((folder / "test_set" / "Fear").glob("*-0.jpg")), folder / "test_set" / "Fear" / "x.jpg")
    dataset = EmoHeVRDB(root=folder)
    assert set(dataset.manifest.splits) == {"test"}
    assert "names are not like <timestamp>-<set>" in dataset.notes[0]
    assert "not like test_set/Anger/<timestamp>" in dataset.notes[1]
    assert "test 26 for 756" in dataset.notes[2]
    assert "train" not in dataset.notes[2]
    (folder / "test_set").rename(root / "away")
    with pytest.raises(DatasetError, match="holds no EmoHeVRDB-SI"):
        EmoHeVRDB(root=folder)


def test_no_test_set(root: Path):
    shutil.rmtree(root / "emoji-hero-vr-db-si" / "test_set")
    with pytest.raises(DatasetError, match=r"no image is left of dataset.use=test .*all_as_test"):
        EmoHeVRDB(root=root)
    assert len(EmoHeVRDB(root=root, use="all_as_test")) == 56


def test_the_sequences_of_the_dynamic_set_are_another_layout(root: Path):
    for path in list(root.rglob("*.jpg")):
        (path.parent / path.stem).mkdir()
        path.rename(path.parent / path.stem / path.name)
    with pytest.raises(DatasetError, match=r"holds no EmoHeVRDB-SI. Wanted: .*training_set/"):
        EmoHeVRDB(root=root)


def test_roots_that_hold_no_emohevrdb(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"Wanted: EmoHeVRDB-SI unpacked: .*training_set/.*Found: nothing"):
        EmoHeVRDB(root=tmp_path)
    fake_kdef.make_fake(tmp_path)
    with pytest.raises(DatasetError, match="looks like KDEF: say dataset=kdef"):
        EmoHeVRDB(root=tmp_path)
