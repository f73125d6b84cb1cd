"""What a training says of its faces before it begins, and under which name a dataset goes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import hydra
import numpy as np
import pytest
from hydra.core.hydra_config import HydraConfig

from occlufer.settings import conf_folder
from occlufer.tasks.assemble import data_advice


def advice(*, counts: list[int], channels: int, coloured: bool, **objective: Any) -> list[str]:
    image = np.full((20, 20, 3), 90, np.uint8)
    image[:, :, 0] += np.uint8(40 * coloured)
    data: Any = SimpleNamespace(
        class_counts=lambda: counts,
        image=SimpleNamespace(channels=channels),
        indices={"train": np.arange(30)},
        faces=SimpleNamespace(load_image=lambda index: image),
    )
    return list(data_advice({"objective": objective}, data))


EQUAL, UNEQUAL = [50] * 7, [50, 20, 50, 61, 50, 50, 0]


def test_unequal_classes_are_told_with_the_setting_that_weighs_them():
    (told,) = advice(counts=UNEQUAL, channels=1, coloured=False, class_weights=None)
    assert told == (
        "Training faces are unequal: happiness 61, disgust 20; objective.class_weights=balanced weighs them."
    )
    assert advice(counts=EQUAL, channels=1, coloured=False, class_weights=None) == []
    assert advice(counts=UNEQUAL, channels=1, coloured=False, class_weights="balanced") == []
    assert advice(counts=UNEQUAL, channels=1, coloured=False) == [], "an objective without that setting"


@pytest.mark.parametrize(("channels", "coloured", "told"), [(1, True, "model.in_chans=3 shows colours"),
                                                            (3, False, "model.in_chans=1 shows one")])  # fmt: skip
def test_grey_and_colour_are_told(channels: int, coloured: bool, told: str):
    (said,) = advice(counts=EQUAL, channels=channels, coloured=coloured)
    assert told in said
    assert advice(counts=EQUAL, channels=channels, coloured=not coloured) == []


@pytest.mark.parametrize("command", ["train", "preview", "augment", "prepare"])
def test_a_dataset_goes_by_its_own_name(command: str):
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        words = ["dataset=image_folder", "dataset.name=mine"]
        config = hydra.compose(command, words, return_hydra_config=True)
    try:
        HydraConfig.instance().set_config(config)
        if command == "train":
            assert (config.study, config.names.dataset) == ("mine", "mine")
        else:
            assert "/mine" in str(config.output)
    finally:
        HydraConfig.instance().cfg = None
