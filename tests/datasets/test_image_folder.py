import hashlib
import pickle
import re
import shlex
import shutil
import unicodedata
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from PIL import Image

from fakes.image_folder import make_fake
from fakes.textures import texture
from occlufer.datasets.image_folder import ImageFolder
from occlufer.datasets.jaffe import JAFFE
from occlufer.datasets.trees import FolderMap
from occlufer.datasets.vocabulary import _CONTEMPT, _EXPRESSIONS, folded, reading
from occlufer.types import EXPRESSIONS, DatasetError, ImageError, UInt8Array


def coloured(label: int, number: int) -> UInt8Array:
    """The label can be read from the red channel, the number from the green one."""
    image = np.zeros((20, 24, 3), np.uint8)
    image[:, :, 0], image[:, :, 1] = label * 30, number
    return image


def test_split_class_tree(tmp_path: Path):
    dataset = ImageFolder(root=str(make_fake(tmp_path, images=coloured)), name="toy")
    assert len(dataset) == 3 * 7 * 4
    assert (dataset.manifest.counts() == 4).all().all()
    assert dataset.notes == ()
    assert "train/anger/anger_0000.png" in set(dataset.manifest.keys)
    for sample in dataset:
        assert sample.image_HWC.shape == (20, 24, 3)
        assert sample.image_HWC[0, 0, 0] == sample.label * 30
        assert EXPRESSIONS[sample.label] in sample.key


@pytest.mark.parametrize(
    ("spelling", "expression"),
    [("Angry", "anger"), ("HAPPY", "happiness"), ("sad", "sadness"), ("Fearful", "fear"),
     ("disgusted", "disgust"), ("Surprised", "surprise"), ("Neutral", "neutral")],
)  # fmt: skip
def test_usual_spellings_are_known(tmp_path: Path, spelling: str, expression: str):
    root = make_fake(tmp_path, images=coloured)
    for split in ("train", "validation", "test"):
        (root / split / expression).rename(root / split / spelling)
    dataset = ImageFolder(root=root)
    label = EXPRESSIONS.index(expression)
    for index in np.flatnonzero(dataset.manifest.labels == label):
        assert dataset[int(index)].image_HWC[0, 0, 0] == label * 30
        assert spelling in dataset.manifest.row(int(index)).key


@pytest.mark.parametrize(("folder", "split"), [("val", "validation"), ("Valid", "validation"), ("TEST", "test"),
                                               ("training", "train")])  # fmt: skip
def test_split_folders_have_usual_spellings(tmp_path: Path, folder: str, split: str):
    root = make_fake(tmp_path)
    (root / split).rename(root / folder)
    assert (ImageFolder(root=root).manifest.counts() == 4).all().all()


def test_numbered_folders_by_a_class_map(tmp_path: Path):
    """RAF-DB's order: the map decides, not the sorting of names."""
    raf = {1: "surprise", 2: "fear", 3: "disgust", 4: "happiness", 5: "sadness", 6: "anger", 7: "neutral"}
    root = make_fake(tmp_path, images=coloured)
    for split in ("train", "validation", "test"):
        for number, expression in raf.items():
            (root / split / expression).rename(root / split / str(number))
    dataset = ImageFolder(root=root, classes=raf)  # type: ignore[arg-type]
    for sample in dataset:
        assert sample.image_HWC[0, 0, 0] == sample.label * 30


def test_class_tree_is_split_in_three(tmp_path: Path):
    root = make_fake(tmp_path, per_class=20, splits=())
    dataset = ImageFolder(root=root, validation_share=0.1, test_share=0.2)
    counts = dataset.manifest.counts()
    assert counts.loc["train"].tolist() == [14] * 7
    assert counts.loc["validation"].tolist() == [2] * 7
    assert counts.loc["test"].tolist() == [4] * 7
    assert "14 validation and 28 test faces were carved out" in dataset.notes[0]
    again = ImageFolder(root=root, validation_share=0.1, test_share=0.2)
    assert again.manifest.digest() == dataset.manifest.digest()
    other = ImageFolder(root=root, validation_share=0.1, test_share=0.2, split_seed=1)
    assert other.manifest.digest() != dataset.manifest.digest()


def test_validation_is_carved_out_of_train_only(tmp_path: Path):
    dataset = ImageFolder(root=make_fake(tmp_path, per_class=10, splits=("train", "test")))
    frame = dataset.manifest.frame
    assert frame[frame["split"] == "validation"]["key"].str.startswith("train/").all()
    assert dataset.manifest.counts().loc[["validation", "test"]].to_numpy().tolist() == [[1] * 7, [10] * 7]


def test_a_test_set_alone_is_left_as_it_is(tmp_path: Path):
    assert set(ImageFolder(root=make_fake(tmp_path, splits=("test",))).manifest.splits) == {"test"}


def test_a_set_without_parts_may_be_for_testing_only(tmp_path: Path):
    dataset = ImageFolder(root=make_fake(tmp_path, splits=()), test_share=1)
    assert set(dataset.manifest.splits) == {"test"}
    assert dataset.notes == ("All faces are for testing (dataset.test_share=1).",)
    with pytest.raises(DatasetError, match="over 0 and below 1"):
        ImageFolder(root=tmp_path, validation_share=1)


def test_a_class_of_one_person_is_told_where_parts_leave_it_out(tmp_path: Path):
    root = make_fake(tmp_path, per_class=12, splits=())
    for folder in root.iterdir():
        for number, path in enumerate(sorted(folder.iterdir())):
            who = 0 if folder.name == "fear" else number % 6
            path.rename(folder / f"S{who:03d}_{number}.png")
    with pytest.raises(
        DatasetError, match=r"empty class.*all 12 faces of fear are of 'S000': leave the class out"
    ):
        ImageFolder(root=root, subject_pattern=r"^(S\d+)_", test_share=0.2, validation_share=0.2)


def test_subjects_stay_together(tmp_path: Path):
    root = make_fake(tmp_path, per_class=12, splits=())
    for folder in root.iterdir():
        for number, path in enumerate(sorted(folder.iterdir())):
            path.rename(folder / f"S{number % 6:03d}_{number}.png")
    dataset = ImageFolder(root=root, subject_pattern=r"^(S\d+)_", test_share=0.2, validation_share=0.2)
    frame = dataset.manifest.frame
    assert (frame.groupby("subject")["split"].nunique() == 1).all()
    assert frame["subject"].nunique() == 6
    assert "by subject" in dataset.notes[0]


def test_subjects_across_given_splits_are_noted(tmp_path: Path):
    dataset = ImageFolder(root=make_fake(tmp_path), subject_pattern=r"^([a-z]+)_")
    assert "Subjects with faces in more than one split" in dataset.notes[-1]


@pytest.mark.parametrize(("pattern", "message"), [(r"^(X\d+)", "finds no subject in 'test/anger"),
                                                  ("(", "no regular expression"), ("a", "0 groups")])  # fmt: skip
def test_bad_subject_patterns(tmp_path: Path, pattern: str, message: str):
    with pytest.raises(DatasetError, match=message):
        ImageFolder(root=make_fake(tmp_path), subject_pattern=pattern)


def test_deeper_folders_odd_files_and_hidden_ones(tmp_path: Path):
    root = make_fake(tmp_path)
    deep = root / "train" / "anger" / "more" / "still"
    deep.mkdir(parents=True)
    Image.fromarray(coloured(0, 99)).save(deep / "a.JPG", "JPEG")
    (root / "train" / "anger" / "Thumbs.db").write_bytes(b"x")
    (root / "train" / "anger" / ".DS_Store").write_bytes(b"x")
    Image.fromarray(coloured(0, 98)).save(root / "test" / "loose.png")
    (root / "__MACOSX").mkdir()
    dataset = ImageFolder(root=root)
    assert "train/anger/more/still/a.JPG" in set(dataset.manifest.keys)
    assert dataset.notes == (
        "Files left out because their names are not those of images: 'train/anger/Thumbs.db'.",
        "Images left out because they lie in no class folder: 'test/loose.png'.",
    )


def typed(message: object) -> dict[str, object]:
    """The settings that a message tells the reader to add, as a shell and Hydra read them."""
    found = {}
    for line in re.findall(r"'dataset\.[^\n]*?\]'|dataset\.\w+=[^\s']+", str(message)):
        (word,) = shlex.split(line)
        read = OverridesParser.create().parse_override(word)
        found[read.key_or_group.removeprefix("dataset.")] = read.value()
    return found


@pytest.mark.parametrize(
    "name", ["Gähnen", "rolling (eyes)", "it's", 'the "smirk"', "a: b", "a,b", "100%", "微妙", "x=y"]
)
def test_the_line_that_a_message_shows_leaves_the_folder_out(tmp_path: Path, name: str):
    root = make_fake(tmp_path)
    shutil.copytree(root / "train" / "anger", root / "train" / name)
    with pytest.raises(DatasetError, match=r"unknown class folder .*To leave it out say") as told:
        ImageFolder(root=root)
    dataset = ImageFolder(root=root, **typed(told.value))  # type: ignore[arg-type]
    assert len(dataset) == 84
    assert dataset.notes == (
        f"Folders left out by dataset.classes or dataset.splits, with their images: train/{name} (4).",
    )
    as_anger = ImageFolder(root=root, classes=[f"{name}: anger"])
    assert as_anger.manifest.counts().loc["train", "anger"] == 8


def test_what_was_mapped_already_stands_in_the_line_too(tmp_path: Path):
    root = make_fake(tmp_path)
    for name in ("yawn", "wink", "smirk"):
        shutil.copytree(root / "train" / "anger", root / "train" / name)
    with pytest.raises(DatasetError, match="unknown class folders 'wink', 'yawn'") as told:
        ImageFolder(root=root, classes=["smirk: happiness"])
    dataset = ImageFolder(root=root, contradictions="keep", **typed(told.value))  # type: ignore[arg-type]
    assert dataset.manifest.counts().loc["train", ["happiness", "anger"]].tolist() == [8, 4]


def test_contempt_is_left_out_with_a_count(tmp_path: Path):
    root = make_fake(tmp_path)
    shutil.copytree(root / "train" / "anger", root / "train" / "Contempt")
    dataset = ImageFolder(root=root)
    assert len(dataset) == 84
    assert dataset.notes == (
        "Folders left out as contempt is none of the seven expressions, with their images: train/Contempt (4).",
    )


LANGUAGES = {
    "German": "Wut Ekel Angst Freude Neutral Trauer Überraschung",
    "French": "Colère Dégoût Peur Joie Neutre Tristesse Surprise",
    "Spanish": "Enojo Asco Miedo Felicidad Neutral Tristeza Sorpresa",
    "Italian": "Rabbia Disgusto Paura Felicità Neutrale Tristezza Sorpresa",
    "Portuguese": "Raiva Nojo Medo Felicidade Neutro Tristeza Surpresa",
    "Turkish": "KIZGIN İğrenme Korku Mutlu Nötr Üzgün Şaşkın",
    "Dutch": "Boos Walging Bang Blij Neutraal Verdrietig Verrast",
    "Polish": "Złość Wstręt Strach Radość Neutralny Smutek Zaskoczenie",
    "Russian": "Гнев Отвращение Страх Радость Нейтральный Грусть Удивление",
    "Chinese": "生气 厌恶 恐惧 高兴 中性 悲伤 惊讶",
    "Taiwanese": "憤怒 厭惡 恐懼 快樂 無表情 難過 驚訝",
    "Japanese": "怒り 嫌悪 恐れ 喜び 中立 悲しみ 驚き",
    "Korean": "분노 혐오 공포 행복 중립 슬픔 놀람",
    "numbered": "0_angry 1_disgust 2_fear 3_happy 4_neutral 5_sad 6_surprise",
}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_names_in_other_languages_are_known(language: str, form: Literal["NFC", "NFD"]):
    """Also as macOS stores them, with accents as letters of their own."""
    names = FolderMap.of_setting("class", None)
    said = [names.find(unicodedata.normalize(form, name)) for name in LANGUAGES[language].split()]
    assert said == [(True, expression) for expression in EXPRESSIONS]


def test_a_name_stands_for_one_thing():
    names = [name for words in (_EXPRESSIONS | {"contempt": _CONTEMPT}).values()
             for name in {folded(word) for word in words.replace("|", " ").split()}]  # fmt: skip
    assert sorted(names) == sorted(set(names))


def test_a_name_that_has_its_like_is_no_slip(tmp_path: Path):
    """Nothing is said to be another folder misspelt that is there itself."""
    root = make_fake(tmp_path)
    shutil.copytree(root / "train" / "anger", root / "train" / "hapiness")
    with pytest.raises(DatasetError, match="unknown class folder 'hapiness'") as told:
        ImageFolder(root=root)
    assert "Did you mean" not in str(told.value)
    shutil.rmtree(root / "train" / "happiness")
    with pytest.raises(DatasetError, match="Did you mean 'happiness'"):
        ImageFolder(root=root)


ORDERS = {
    "fer2013": ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", None],
    "affectnet": ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", None],
    "ferplus": ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", None],
    "ckplus": ["neutral", "anger", None, "disgust", "fear", "happiness", "sadness", "surprise"],
    "alphabetical_with_contempt": [
        "anger",
        None,
        "disgust",
        "fear",
        "happiness",
        "neutral",
        "sadness",
        "surprise",
    ],
}  # by hand


@pytest.mark.parametrize("count", [7, 8])
@pytest.mark.parametrize("splits", [(), ("train", "test")])
def test_numbers_are_refused_with_the_known_readings(tmp_path: Path, count: int, splits: tuple[str, ...]):
    root = make_fake(tmp_path, per_class=4, splits=splits)
    for parent in [root / split for split in splits] or [root]:
        for number, folder in enumerate(sorted(parent.iterdir())):
            folder.rename(parent / str(number))
        if count == 8:
            shutil.copytree(parent / "6", parent / "7")
    with pytest.raises(DatasetError, match="unknown class folders '0', '1'") as told:
        ImageFolder(root=root)
    lines = str(told.value).splitlines()[1:]
    offered = [shlex.split(line, comments=True) for line in lines]
    assert all(len(words) == 1 for words in offered)
    names = [words[0].removeprefix("dataset.classes=") for words in offered[:-1]]
    shorter = {"rafdb_from_0", "alphabetical"} if count == 7 else set()
    assert set(names) == set(ORDERS) | shorter
    for name, order in ORDERS.items():
        made = ImageFolder(root=root, classes=name, duplicates="keep", contradictions="keep")
        for key, label in zip(made.manifest.keys, made.manifest.labels, strict=True):
            number = int(key.split("/")[-2])
            assert EXPRESSIONS[label] == order[number]
    assert reading("rafdb")["4"] == "happiness"  # RAF-DB numbers from 1


@pytest.mark.parametrize(
    "names", [("train_images", "validation_images", "test_images"), ("TrainSet", "val-set", "test data")]
)
def test_folders_that_hold_the_parts_of_a_set_are_known(tmp_path: Path, names: tuple[str, str, str]):
    root = make_fake(tmp_path)
    for old, new in zip(("train", "validation", "test"), names, strict=True):
        (root / old).rename(root / new)
    assert (ImageFolder(root=root).manifest.counts() == 4).all().all()
    with pytest.raises(DatasetError) as told:
        JAFFE(root=root)
    assert "dataset=image_folder" in str(told.value)
    assert "dataset.root=" not in str(told.value).split(" looks like ")[1]


def test_parts_of_a_set_under_odd_names_are_told_as_parts(tmp_path: Path):
    root = make_fake(tmp_path)
    for old, new in (("train", "für training"), ("validation", "meine_val"), ("test", "my_tests")):
        (root / old).rename(root / new)
    with pytest.raises(DatasetError, match="Several of them hold class folders") as told:
        ImageFolder(root=root)
    dataset = ImageFolder(root=root, **typed(told.value))  # type: ignore[arg-type]
    assert (dataset.manifest.counts() == 4).all().all()
    assert dataset.manifest.row(0).key.startswith(
        {"train": "für", "test": "my"}.get(dataset.manifest.row(0).split, "me")
    )


@pytest.mark.parametrize(("classes", "message"), [("rafbd", "Unknown reading 'rafbd'. Did you mean 'rafdb'"),
                                                  (["Wut"], "says not what it stands for"),
                                                  (["x: joy"], "Unknown expression 'joy'")])  # fmt: skip
def test_settings_that_say_nothing_are_refused(tmp_path: Path, classes: object, message: str):
    with pytest.raises(DatasetError, match=message):
        ImageFolder(root=make_fake(tmp_path), classes=classes)  # type: ignore[arg-type]


def test_unknown_split_folder_says_how_to_leave_it_out(tmp_path: Path):
    root = make_fake(tmp_path)
    (root / "train").rename(root / "trian")
    with pytest.raises(DatasetError, match=r"Did you mean 'train'") as told:
        ImageFolder(root=root)
    assert typed(told.value) == {"splits": ["trian: null"]}


def test_maps_to_nowhere(tmp_path: Path):
    root = make_fake(tmp_path)
    with pytest.raises(DatasetError, match="Unknown expression 'angry'"):
        ImageFolder(root=root, classes={"anger": "angry"})
    with pytest.raises(DatasetError, match="Unknown split 'dev'"):
        ImageFolder(root=root, splits={"train": "dev"})
    with pytest.raises(DatasetError, match=r"folders that are not under .*'joyful'.*Found: 'anger'"):
        ImageFolder(root=root, classes={"joyful": "happiness"})


def test_absent_class_is_noted_and_empty_class_is_an_error(tmp_path: Path):
    root = make_fake(tmp_path, classes=tuple(name for name in EXPRESSIONS if name != "neutral"))
    dataset = ImageFolder(root=root)
    assert dataset.manifest.classes == tuple(name for name in EXPRESSIONS if name != "neutral")
    assert dataset.notes == ("There is no folder for neutral.",)
    (root / "train" / "neutral").mkdir()
    with pytest.raises(DatasetError, match="empty class: no face for 'neutral in train'"):
        ImageFolder(root=root)


def test_roots_that_are_not_there(tmp_path: Path):
    for root in (None, "", " "):
        with pytest.raises(DatasetError, match=r"no root was given. Say dataset.root=DIR"):
            ImageFolder(root=root)
    with pytest.raises(DatasetError, match=rf"gone/faces does not exist \({tmp_path} does\)"):
        ImageFolder(root=tmp_path / "gone" / "faces")
    (tmp_path / "faces.zip").write_bytes(b"PK")
    with pytest.raises(DatasetError, match="Unzip it first"):
        ImageFolder(root=tmp_path / "faces.zip")
    (tmp_path / "faces.txt").write_bytes(b"x")
    with pytest.raises(DatasetError, match="is a file"):
        ImageFolder(root=tmp_path / "faces.txt")


def test_roots_of_another_layout(tmp_path: Path):
    with pytest.raises(DatasetError, match=r"neither split folders .* nor class folders .*found no folders"):
        ImageFolder(root=tmp_path)
    make_fake(tmp_path / "inner")
    with pytest.raises(DatasetError, match=f"Did you mean dataset.root={tmp_path / 'inner'}"):
        ImageFolder(root=tmp_path)
    (tmp_path / "empty" / "train" / "anger").mkdir(parents=True)
    (tmp_path / "empty" / "train" / "anger" / "readme.md").write_text("x")
    with pytest.raises(DatasetError, match=r"no images under .* found 1 other files"):
        ImageFolder(root=tmp_path / "empty")


def test_validation_without_test(tmp_path: Path):
    with pytest.raises(DatasetError, match="no test part"):
        ImageFolder(root=make_fake(tmp_path, splits=("train", "val")))


def test_files_that_are_no_images_are_counted_or_refused(tmp_path: Path):
    root = make_fake(tmp_path)
    (root / "train" / "fear" / "fear_0008.png").write_bytes(b"")
    (root / "test" / "fear" / "text.jpg").write_text("not found")
    dataset = ImageFolder(root=root)
    assert len(dataset) == 83
    assert dataset.notes[-1] == (
        "Left out as unreadable: 'test/fear/text.jpg is not an image (JPEG, PNG, BMP, GIF, TIFF, WebP or PNM)', "
        "'train/fear/fear_0008.png is empty (0 bytes)'."
    )
    with pytest.raises(DatasetError, match=r"'train/fear/fear_0008.png is empty.*dataset.unreadable=skip"):
        ImageFolder(root=root, unreadable="error")


def test_a_damaged_image_is_found_when_it_is_loaded(tmp_path: Path):
    root = make_fake(tmp_path)
    path = root / "train" / "fear" / "fear_0008.png"
    path.write_bytes(path.read_bytes()[:100])
    dataset = ImageFolder(root=root)
    index = list(dataset.manifest.keys).index("train/fear/fear_0008.png")
    with pytest.raises(ImageError, match=r"fear_0008.png: cannot be decoded"):
        dataset[index]
    path.unlink()
    with pytest.raises(ImageError, match="No such file"):
        dataset.load_image(index)


def test_the_same_file_in_two_splits(tmp_path: Path):
    root = make_fake(tmp_path)
    shutil.copy(root / "test" / "happiness" / "happiness_0068.png", root / "train" / "happiness" / "copy.png")
    (root / "train" / "sadness" / "link.png").symlink_to(root / "test" / "sadness" / "sadness_0076.png")
    dataset = ImageFolder(root=root)
    assert len(dataset) == 84
    assert "2 train images are byte for byte images of test (happiness 1, sadness 1)" in dataset.notes[0]
    assert len(ImageFolder(root=root, duplicates="keep")) == 86
    with pytest.raises(DatasetError, match=r"train/happiness/copy.png = test/happiness/happiness_0068.png"):
        ImageFolder(root=root, duplicates="error")


def test_content_digest_is_of_the_files_bytes(tmp_path: Path):
    dataset = ImageFolder(root=make_fake(tmp_path))
    for index in (0, 40):
        content = (tmp_path / str(dataset.manifest.row(index).source)).read_bytes()
        assert dataset.content_digest(index) == hashlib.blake2b(content, digest_size=16).digest()
    assert len({dataset.content_digest(index) for index in range(len(dataset))}) == len(dataset)


def test_limit_and_pickling(tmp_path: Path):
    dataset = ImageFolder(root=make_fake(tmp_path), limit=14)
    assert (dataset.manifest.counts() == 2).all().all()
    assert "at most 14 faces a split" in dataset.notes[-1]
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again[3].image_HWC, dataset[3].image_HWC)
    assert again.content_digest(5) == dataset.content_digest(5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"duplicates": "dorp"}, "Did you mean 'drop'"), ({"unreadable": "raise"}, "Known: skip, error"),
     ({"validation_share": 0}, "validation_share=0"), ({"test_share": "x"}, "test_share=x"),
     ({"split_seed": -1}, "split_seed=-1"), ({"limit": 3}, "limit=3 is below"), ({"limit": "x"}, "limit=x")],
)  # fmt: skip
def test_values_that_cannot_be(tmp_path: Path, arguments: dict[str, object], message: str):
    with pytest.raises(DatasetError, match=message):
        ImageFolder(root=make_fake(tmp_path), **arguments)  # type: ignore[arg-type]


def test_unknown_arguments_are_refused(tmp_path: Path):
    with pytest.raises(TypeError, match="rooot"):
        ImageFolder(rooot=tmp_path)  # type: ignore[call-arg]


def test_linked_folders_are_followed_and_loops_are_not(tmp_path: Path):
    root = make_fake(tmp_path / "faces", per_class=3)
    whole = len(ImageFolder(root=root))
    make_fake(tmp_path / "more", per_class=2, images=lambda label, number: texture(label, number + 1000))
    (root / "train" / "fear" / "more").symlink_to(tmp_path / "more" / "train" / "fear")
    (root / "train" / "fear" / "loop").symlink_to(root / "train")
    faces = ImageFolder(root=root)
    assert len(faces) == whole + 2
    assert sum("train/fear/more/" in key for key in faces.manifest.keys) == 2


def test_images_beside_split_folders_are_counted(tmp_path: Path):
    root = make_fake(tmp_path, per_class=3)
    (root / "lost.png").write_bytes(next((root / "train" / "fear").iterdir()).read_bytes())
    assert "Images left out because they lie in no class folder: 'lost.png'." in ImageFolder(root=root).notes
