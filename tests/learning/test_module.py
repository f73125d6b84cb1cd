"""ExpressionClassifier in tiny trainings of a linear network on vectors."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

from occlufer.learning.callbacks import AtomicCheckpointIO, History, checkpoint_callbacks
from occlufer.learning.module import ExpressionClassifier
from occlufer.learning.objectives.cross_entropy import CrossEntropy
from occlufer.learning.schedules import constant, plateau
from occlufer.types import ConfigError, RunError

CLASSES = 7


def faces(
    count: int, *, seed: int = 0, indices: Sequence[int] | None = None
) -> list[dict[str, torch.Tensor]]:
    """Pictures of one bright pixel that says the class, with noise."""
    rng = np.random.default_rng(seed)
    items = []
    for number, index in enumerate(indices or range(count)):
        image = rng.normal(0, 0.3, CLASSES)
        image[number % CLASSES] += 2
        items.append(
            {
                "image": torch.tensor(image, dtype=torch.float32).reshape(1, 1, CLASSES),
                "label": torch.tensor(number % CLASSES),
                "index": torch.tensor(index),
                "covered_share": torch.tensor(index / 1000),
            }
        )
    return items


def loader(items: list[dict[str, torch.Tensor]], batch_size: int = 4) -> DataLoader[Any]:
    return DataLoader(items, batch_size=batch_size)  # type: ignore[arg-type]


def linear(*, bias: bool = True, dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(CLASSES, CLASSES, bias=bias))


def classifier(network: nn.Module | None = None, *, lr: float = 0.1, **more: Any) -> ExpressionClassifier:
    settings: dict[str, Any] = {
        "network": network or linear(),
        "objective": CrossEntropy(class_counts=[1] * CLASSES),
        "optimizer": functools.partial(torch.optim.AdamW, lr=lr, weight_decay=0.1),
        "scheduler": constant,
        "classes": CLASSES,
        "seed": 0,
        "config": {"seed": 0, "model": {"backbone": "linear"}},
    }
    return ExpressionClassifier(**settings | more)


def trainer(epochs: int = 1, **more: Any) -> pl.Trainer:
    settings: dict[str, Any] = {"enable_checkpointing": False} | more
    return pl.Trainer(
        accelerator="cpu", devices=1, max_epochs=epochs, logger=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, **settings,
    )  # fmt: skip


def fit(module: ExpressionClassifier, epochs: int = 1, *, train: Any = None, **more: Any) -> pl.Trainer:
    made = trainer(epochs, **more)
    made.fit(module, train or loader(faces(30)), loader(faces(23, seed=5)))
    return made


def test_it_learns_and_logs_what_it_says():
    module = classifier()
    rows: list[Any] = []
    fit(module, 12, callbacks=[History(lambda so_far: rows.__setitem__(slice(None), so_far))])
    assert {"train_loss", "val_loss", "val_accuracy", "val_f1_macro", "learning_rate"} <= set(rows[0])
    assert rows[-1]["train_loss"] < 0.3 < rows[0]["train_loss"]
    assert rows[-1]["val_accuracy"] > 0.9
    assert [row["epoch"] for row in rows] == list(range(1, 13))


def test_losses_are_means_over_faces_not_batches():
    """30 and 23 faces in batches of 4: the last batches are smaller. A rate of 0 keeps the network as it is."""
    module = classifier(lr=0.0)
    metrics = fit(module).callback_metrics
    for name, items in (("train_loss", faces(30)), ("val_loss", faces(23, seed=5))):
        images, labels = (torch.stack([item[key] for item in items]) for key in ("image", "label"))
        with torch.no_grad():
            expected = F.cross_entropy(module(images), labels)
        assert float(metrics[name]) == pytest.approx(float(expected), rel=1e-5)


def test_norms_and_biases_do_not_decay():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2 * CLASSES, CLASSES)
    )
    network[0].weight.requires_grad_(False)
    made = fit(classifier(network))
    by_decay = {
        group["weight_decay"]: {id(p) for p in group["params"]} for group in made.optimizers[0].param_groups
    }
    assert by_decay == {
        0.1: {id(network[3].weight)},
        0.0: {id(network[0].bias), id(network[1].weight), id(network[1].bias), id(network[3].bias)},
    }


def test_dropout_follows_the_seed_and_no_global_state():
    def weights(seed: int, state: int) -> torch.Tensor:
        module = classifier(linear(dropout=0.5), seed=seed)
        torch.manual_seed(state)
        fit(module, 2)
        return module.network[2].weight.detach().clone()

    assert torch.equal(weights(0, 7), weights(0, 8))
    assert not torch.equal(weights(0, 7), weights(1, 7))


def test_a_loss_that_is_no_number_stops_the_training_before_a_checkpoint(tmp_path):
    items = faces(30)
    items[11]["image"].fill_(float("nan"))
    with pytest.raises(RunError, match=r"loss became nan in epoch 1\. Lower optimizer\.lr"):
        fit(classifier(), train=loader(items), enable_checkpointing=True,
            callbacks=checkpoint_callbacks(tmp_path, patience=None))  # fmt: skip
    assert not list(tmp_path.iterdir())


def blank(count: int = 8) -> DataLoader[Any]:
    return loader([item | {"image": torch.zeros(1, 1, CLASSES)} for item in faces(count)])


def test_a_plateau_is_stepped_once_an_epoch():
    """Black pictures teach a network without biases nothing, so that its score stands."""
    rows: list[Any] = []
    module = classifier(
        linear(bias=False), scheduler=functools.partial(plateau, factor=0.5, patience=1, min_lr=0.0)
    )
    made = trainer(6, callbacks=[History(lambda so_far: rows.__setitem__(slice(None), so_far))])
    made.fit(module, blank(), blank())
    # The first epoch sets the mark, two pass in patience, and so on. History reads before or after the step.
    seen = [row["learning_rate"] for row in rows]
    assert made.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.025)
    assert seen == sorted(seen, reverse=True)


def test_a_plateau_on_an_unknown_score_is_refused():
    module = classifier(scheduler=functools.partial(plateau, monitor="val_f1"))
    with pytest.raises(
        ConfigError, match=r"scheduler\.monitor 'val_f1' is not logged\. Known: .*val_f1_macro"
    ):
        fit(module)


def test_test_rows_come_by_index_for_each_loader():
    module = classifier(nn.Sequential(nn.Flatten()))
    module.network.register_parameter("unused", nn.Parameter(torch.zeros(1)))
    shuffled = [41, 3, 99, 7, 12, 64, 5, 8, 20]
    first, second = faces(9, indices=shuffled), faces(5, seed=2, indices=[4, 2, 0, 1, 3])
    trainer().test(module, [loader(first), loader(second, 2)], verbose=False)
    assert len(module.test_rows) == 2
    for rows, items in zip(module.test_rows, (first, second), strict=True):
        in_order = sorted(items, key=lambda item: int(item["index"]))
        assert rows["index"].tolist() == [int(item["index"]) for item in in_order]
        expected = torch.stack([item["image"].flatten() for item in in_order]).softmax(dim=1).numpy()
        np.testing.assert_allclose(rows["probabilities"], expected, rtol=1e-5)
        np.testing.assert_allclose(rows["covered_share"], rows["index"] / 1000, rtol=1e-6)


def test_a_second_test_forgets_the_first():
    module = classifier()
    for count in (9, 4):
        trainer().test(module, loader(faces(count)), verbose=False)
        assert [len(rows["index"]) for rows in module.test_rows] == [count]


def trained(folder: Path, epochs: int = 3) -> tuple[ExpressionClassifier, History]:
    module, history = classifier(), History(lambda rows: None)
    callbacks = [history, *checkpoint_callbacks(folder, patience=None)]
    fit(module, epochs, callbacks=callbacks, plugins=[AtomicCheckpointIO()], enable_checkpointing=True)
    return module, history


def test_checkpoints_hold_plain_values_and_the_configuration(tmp_path):
    module, history = trained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.ckpt", "last.ckpt"]
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint["hyper_parameters"]["config"] == {"seed": 0, "model": {"backbone": "linear"}}
    assert checkpoint["epoch"] == 2
    for name, value in module.state_dict().items():
        assert torch.equal(checkpoint["state_dict"][name], value)
    (kept,) = (state for name, state in checkpoint["callbacks"].items() if "History" in name)
    assert kept["rows"] == history.rows


def test_the_best_checkpoint_is_of_the_best_validation_epoch(tmp_path):
    _, history = trained(tmp_path, epochs=6)
    scores = [row["val_f1_macro"] for row in history.rows]
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] == scores.index(max(scores))


def test_a_resumed_training_ends_as_if_it_had_not_stopped(tmp_path):
    whole, history = trained(tmp_path / "whole", epochs=4)
    trained(tmp_path / "half", epochs=2)
    module, resumed = classifier(), History(lambda rows: None)
    made = trainer(
        4,
        callbacks=[resumed, *checkpoint_callbacks(tmp_path / "half", patience=None)],
        enable_checkpointing=True,
    )
    made.fit(module, loader(faces(30)), loader(faces(23, seed=5)), ckpt_path=str(tmp_path / "half" / "last.ckpt"),
             weights_only=True)  # fmt: skip
    assert torch.equal(module.network[2].weight, whole.network[2].weight)
    without_times = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in h.rows] for h in (resumed, history)
    ]
    assert without_times[0] == without_times[1]


def test_flips_at_test_time_are_the_mean_over_an_image_and_its_mirror_image():
    said = {}
    for flip in (False, True):
        module = classifier(flip=flip)
        trainer().test(module, loader(faces(9)), verbose=False)
        (said[flip],) = (rows["probabilities"] for rows in module.test_rows)
    images = torch.stack([item["image"] for item in faces(9)])
    with torch.no_grad():
        mirrored = module(images.flip(-1)).softmax(1).numpy()
    np.testing.assert_allclose(said[True], (said[False] + mirrored) / 2, atol=1e-6)
