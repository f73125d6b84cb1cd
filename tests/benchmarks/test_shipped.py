"""The card's figures: calibration by hand, and the whole way from a FER2013 on disk to the two tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import shipped
from fakes import tiny_fer2013
from occlufer.data.image_format import ImageFormat
from occlufer.data.view import FullImage
from occlufer.datasets.fer2013 import FER2013
from occlufer.datasets.near_duplicates import COLUMNS, pairs_path, write_pairs
from occlufer.inference import predictor


def test_calibration_is_the_mean_distance_of_accuracy_and_confidence_over_bins():
    # Three faces at .90, of which two are right, and one at .45, which is wrong: bins of 1/15 part them.
    probabilities_NK = np.full((4, 7), 0.1 / 6, np.float32)
    probabilities_NK[:3, 0] = 0.9
    probabilities_NK[3] = (1 - 0.45) / 6
    probabilities_NK[3, 0] = 0.45
    found = shipped.scores(probabilities_NK, np.array([0, 0, 1, 1]))
    assert found["n"] == 4
    assert found["accuracy"] == 0.5
    assert found["confidence"] == pytest.approx((3 * 0.9 + 0.45) / 4)
    assert found["ECE"] == pytest.approx((3 * abs(0.9 - 2 / 3) + 0.45) / 4, abs=1e-6)


class LeftOfRight:
    """Answers happiness where the left half of a picture is the brighter one, anger elsewhere."""

    class Description:
        image = ImageFormat.create(size=32, channels=1, mean=0.5, std=0.25)
        view = FullImage()

    description = Description()

    def logits(self, image_BCHW):
        brighter = image_BCHW[..., :16].mean((1, 2, 3)) > image_BCHW[..., 16:].mean((1, 2, 3))
        logits_BK = np.zeros((len(image_BCHW), 7), np.float32)
        logits_BK[np.arange(len(logits_BK)), np.where(brighter, 3, 0)] = 4
        return logits_BK


@pytest.fixture
def options(tmp_path, monkeypatch):
    tiny_fer2013(tmp_path)
    monkeypatch.setattr(predictor, "open_network", lambda source: LeftOfRight())
    return [
        "--root",
        str(tmp_path / "fer2013"),
        "--cache",
        str(tmp_path / "cache"),
        "--conditions",
        "none",
        "mask",
    ]


def test_tables_of_a_fer2013_on_disk(options, tmp_path, capsys):
    faces = FER2013(root=str(tmp_path / "fer2013"))
    test = faces.manifest.indices("test")
    first, second = faces.manifest.keys[faces.manifest.indices("train")[0]], faces.manifest.keys[test[-1]]
    pair = pd.DataFrame([(first, second, "train", "test", 0, 6, 0.9)], columns=list(COLUMNS))
    write_pairs(pairs_path(tmp_path / "cache" / "near_duplicates", faces), pair)

    shipped.main(options)

    table, recalls = capsys.readouterr().out.strip().split("\n\n")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    counts = {(row[0], row[1], row[2]): int(row[3]) for row in rows[2:]}
    usable = len(test) - 1  # one has no landmarks
    assert counts == {
        (condition, flip, part): usable - (part != "all")
        for condition in ("none", "mask")
        for flip in ("no", "yes")
        for part in ("all", "no near-duplicate")
    }
    assert [line.split("|")[1].strip() for line in recalls.splitlines()[2:]] == ["none", "mask"]


def test_the_mean_over_mirror_images_takes_the_side_out(options):
    scored, _ = shipped.measure(shipped.parser().parse_args(options))
    bare = scored[(scored["condition"] == "none") & (scored["faces"] == "all")].set_index("flip")
    # What looks only at left and right says the opposite of a mirror image: on the mean nothing is left but a tie.
    assert bare.loc["no", "confidence"] > 0.85
    assert bare.loc["yes", "confidence"] == pytest.approx(0.5, abs=0.1)


def test_a_missing_dataset_is_told_in_a_sentence(tmp_path):
    with pytest.raises(SystemExit, match=r"^Error: .*dataset\.root"):
        shipped.main(["--root", str(tmp_path / "nowhere"), "--cache", str(tmp_path)])
