from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fakes import affectnet as fake_affectnet
from fakes import ckplus as fake_ckplus
from fakes import emohevrdb as fake_emohevrdb
from fakes import fer2013 as fake_fer2013
from fakes import ferplus as fake_ferplus
from fakes import image_folder as fake_image_folder
from fakes import jaffe as fake_jaffe
from fakes import kdef as fake_kdef
from fakes import masked_faces as fake_masked_faces
from fakes import rafdb as fake_rafdb
from occlufer.commands.options import group_options
from occlufer.datasets import (
    fer2013,
)
from occlufer.datasets.image_folder import ImageFolder
from occlufer.datasets.layouts import known_layouts, nearest_layout, no_such_set
from occlufer.datasets.rafdb import RAFDB
from occlufer.types import DatasetError

Fake = Callable[[Path], Path]
FAKES: list[tuple[str, Fake]] = [
    ("rafdb", partial(fake_rafdb.make_fake, per_class=1)),
    ("rafdb", partial(fake_rafdb.make_fake, per_class=1, layout="mirror")),
    ("fer2013", partial(fake_fer2013.make_fake, per_class=1)),
    ("fer2013", partial(fake_fer2013.make_fake, per_class=1, layout="fer2013.csv")),
    ("fer2013", partial(fake_fer2013.make_fake, per_class=1, layout="icml_face_data.csv")),
    ("ferplus", partial(fake_ferplus.make_fake, per_class=1)),
    ("masked_fer2023", partial(fake_masked_faces.make_fake, per_class=1, collection="M-FER2013")),
    ("masked_ckplus", partial(fake_masked_faces.make_fake, per_class=1, collection="M-CK+", cropped=False)),
    *(
        ("ckplus", partial(fake_ckplus.make_fake, layout=layout))
        for layout in ("official", "CK+48", "ckextended.csv")
    ),
    ("affectnet", fake_affectnet.make_fake),
    ("kdef", fake_kdef.make_fake),
    ("jaffe", fake_jaffe.make_fake),
    ("emohevrdb", fake_emohevrdb.make_fake),
    ("image_folder", partial(fake_image_folder.make_fake, per_class=1)),
    ("image_folder", partial(fake_image_folder.make_fake, per_class=1, splits=())),
]


@pytest.mark.parametrize(("option", "make_fake"), FAKES)
def test_every_set_is_known_at_its_root_above_and_below(tmp_path: Path, option: str, make_fake: Fake):
    """A root one folder too high finds the set; asked for another set, it is named."""
    made = make_fake(tmp_path / "some" / "where")
    root = made if made.is_dir() else made.parent
    if option != "image_folder":
        said = nearest_layout(tmp_path / "some", option)
        assert said is not None
        assert said.startswith(f"Did you mean dataset.root={root}")
    other = "kdef" if option != "kdef" else "jaffe"
    said = nearest_layout(root, other)
    assert said is not None
    assert f"dataset={option}" in said
    assert nearest_layout(root, option) is None


def test_every_layout_belongs_to_an_adapter():
    assert {layout.option for layout in known_layouts()} <= set(group_options("dataset"))


def test_a_root_too_deep_or_of_another_layout_is_told(tmp_path: Path):
    root = fake_rafdb.make_fake(tmp_path / "data", per_class=1)
    for deep in (root / "basic" / "Image", root / "basic" / "EmoLabel"):
        with pytest.raises(
            DatasetError, match=rf"Did you mean dataset.root={root / 'basic'}\?.*RAF-DB's official"
        ):
            RAFDB(root=deep)
    with pytest.raises(
        DatasetError, match=rf"Did you mean dataset.root={root}\? That looks like RAF-DB's official"
    ):
        RAFDB(root=tmp_path)
    with pytest.raises(DatasetError, match=r"looks like RAF-DB's official layout: say dataset=rafdb\."):
        ImageFolder(root=root)
    fake_rafdb.make_fake(tmp_path / "m" / "mirror", per_class=1, layout="mirror")
    with pytest.raises(DatasetError, match=r"mirror layout: say dataset=rafdb dataset.root="):
        fer2013.FER2013(root=tmp_path / "m")


def test_a_neighbour_of_the_root_is_not_mistaken_for_it(tmp_path: Path):
    """Beside the root there may lie anything: only what the root itself is a part of is named."""
    fake_rafdb.make_fake(tmp_path, per_class=1)
    (tmp_path / "mine").mkdir()
    said = str(no_such_set(tmp_path / "mine", name="x", title="X", option="rafdb", wanted="a Y"))
    assert said == f"x: {tmp_path / 'mine'} holds no X. Wanted: a Y. Found: nothing. Give dataset.root=DIR."


def test_what_is_found_is_shown_shortly(tmp_path: Path):
    for number in range(12):
        (tmp_path / f"f{number:02d}.txt").touch()
    (tmp_path / ".hidden").touch()
    (tmp_path / "z.zip").touch()
    said = str(no_such_set(tmp_path, name="x", title="X", option="rafdb", wanted="a Y"))
    assert "Found: f00.txt, f01.txt, f02.txt, f03.txt, f04.txt, f05.txt, f06.txt, f07.txt and 5 more." in said
    assert said.endswith("Unzip z.zip first.")
    assert "hidden" not in said
