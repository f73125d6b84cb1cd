"""Testing a network: prediction rows, metrics, and a picture of the faces that it was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytorch_lightning as pl
from PIL import Image

from occlufer.analysis.core.metrics import score_by_condition
from occlufer.data.datamodule import FaceDataModule
from occlufer.data.rendered import OCCLUSION
from occlufer.data.sheets import contact_sheet
from occlufer.datasets.manifest import COLUMNS
from occlufer.files import atomic_path
from occlufer.learning.tested import TestedNetwork, TestRows
from occlufer.occlusion.promise import KEPT, falls_short
from occlufer.runs import FACES, PREDICTION_COLUMNS, PROBABILITY_COLUMNS, Run
from occlufer.tasks.loading import loading
from occlufer.tracking import Mirror
from occlufer.types import EXPRESSIONS, IntArray, RunError, UInt8Array, seeded_rng

LEFT_BARE = "the occluder of"
"""Beginning of the reason that is recorded for a face which an occluder leaves (almost) bare."""
_SHOWN = 2 * len(EXPRESSIONS)


def score(trainer: pl.Trainer, classifier: TestedNetwork, data: FaceDataModule) -> pd.DataFrame:
    """One row a test face and condition, in the order of the conditions and the manifest: `PREDICTION_COLUMNS`.

    A face of which an occluder covers (almost) nothing that its dial promises leaves all conditions, and `data` says so
    from then on (`left_out`).

    Raises:
        RunError: no test face is left.
    """
    with loading():
        trainer.test(classifier, datamodule=data, verbose=False)
    tested = zip(data.tested, classifier.test_rows, strict=True)
    scored = {name: rows for (name, split), rows in tested if split == "test"}
    bare = _left_bare(scored, data)
    predictions = pd.concat([_rows(rows, name, data) for name, rows in scored.items()], ignore_index=True)
    data.leave_out(bare)
    if not len(data.indices["test"]):
        raise RunError(
            f"No test face is left to score: {bare[min(bare)]} of the first one, and so with all {len(bare)}. Look at "
            "some with `occlufer preview`."
        )
    kept: pd.DataFrame = predictions[~predictions["key"].isin(data.faces.manifest.keys[list(bare)])]
    return kept.reset_index(drop=True)


def validation_rows(classifier: TestedNetwork, data: FaceDataModule) -> pd.DataFrame | None:
    """After `score`: the rows of the bare validation faces, where `data` holds them among the tested ones."""
    for (name, split), rows in zip(data.tested, classifier.test_rows, strict=True):
        if split == "validation":
            return _rows(rows, name, data, split)
    return None


def _left_bare(scored: Mapping[str, TestRows], data: FaceDataModule) -> dict[int, str]:
    """Manifest rows of the test faces of which an occluder covers (almost) nothing, and the reason."""
    bare: dict[int, str] = {}
    for name, rows in scored.items():
        occluder = data.conditions[name]
        render = data.condition(occluder, "test").renderer
        for index, share in zip(rows["index"].tolist(), rows["covered_share"].tolist(), strict=True):
            key = data.faces.manifest.row(index).key
            if share < KEPT and falls_short(share, occluder, render.chance(key, 0, OCCLUSION)):
                bare.setdefault(index, f"{LEFT_BARE} {name} covers (almost) nothing")
    return bare


def headline(predictions: pd.DataFrame) -> str:
    """Accuracy and macro F1 in each condition, for one line on the terminal."""
    scores = score_by_condition(predictions)
    parts = (f"{name} {values['accuracy']:.3f} ({values['f1_macro']:.3f})" for name, values in scores.items())
    return "test accuracy (macro F1): " + ", ".join(parts)


def _rows(rows: TestRows, condition: str, data: FaceDataModule, split: str = "test") -> pd.DataFrame:
    index, probabilities = rows["index"], rows["probabilities"]
    assert np.array_equal(index, np.sort(data.indices[split])), "every face must be scored exactly once"
    manifest = data.faces.manifest
    frame = pd.DataFrame(probabilities.astype(np.float32), columns=list(PROBABILITY_COLUMNS))
    frame["key"] = manifest.keys[index]
    frame["subject"] = manifest.frame["subject"].to_numpy(dtype=object)[index]
    frame["split"] = split
    frame["condition"] = condition
    frame["label"] = manifest.labels[index]
    frame["prediction"] = probabilities.argmax(axis=1)
    frame["covered_share"] = rows["covered_share"].astype(np.float32)
    frame["content"] = [data.faces.content_digest(int(place)).hex() for place in index]
    return frame[list(PREDICTION_COLUMNS)]


def record_scores(run: Run, predictions: pd.DataFrame, mirror: Mirror) -> None:
    """Write predictions.parquet and metrics.json, and show them to the tracker."""
    run.write_predictions(predictions)
    scores = score_by_condition(predictions)
    run.write_json("metrics.json", scores)
    mirror.log_scores(scores)
    mirror.log_predictions(predictions)
    for condition, rows in predictions.groupby("condition", sort=False):
        mirror.log_confusion(str(condition), rows["label"].tolist(), rows["prediction"].tolist())


def record_facts(run: Run, data: FaceDataModule) -> None:
    """Write faces.csv: what the dataset states of each test face beside its label, such as the yaw of drawn ones.

    `near_duplicate`: whether `prepare` found nearly the same picture in an earlier split; `person_in_training`: whether
    who is shown is also in training or validation data. 0 or 1, only where that is known.
    """
    frame, pairs = data.faces.manifest.frame, data.faces.near_duplicates
    test = frame.loc[data.indices["test"]]
    facts = test[["key", *(name for name in frame.columns if name not in COLUMNS)]]
    if pairs is not None:
        facts = facts.assign(near_duplicate=test["key"].isin(pairs["second"]).astype(int))
    if test["subject"].notna().all():
        others = frame.loc[frame["split"] != "test", "subject"]
        facts = facts.assign(person_in_training=test["subject"].isin(others.dropna()).astype(int))
    if len(facts.columns) > 1:
        run.write_table(FACES, facts)


def record_samples(run: Run, data: FaceDataModule) -> None:
    """Write figures/samples.png: the same test faces in each condition, two of each expression."""
    manifest = data.faces.manifest
    chosen = _two_of_each(data.indices["test"], manifest.labels)
    rows = []
    for occluder in data.conditions.values():
        faces = data.condition(occluder, "test")
        rows.append([_as_network_sees(faces.render(int(index), 0).occluded_HWC, data) for index in chosen])
    sheet = contact_sheet(rows, tile=96, row_names=list(data.conditions))
    with atomic_path(run.folder / "figures" / "samples.png") as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")


def training_grid(data: FaceDataModule) -> UInt8Array:
    """Training faces of the first epoch as the network meets them, occluded and augmented."""
    faces = data.condition(data.occluder, "train", fixed=False)
    chosen = seeded_rng(data.seed).permutation(data.indices["train"])[:32]
    rendered = [faces.render(int(index), 0) for index in chosen]
    tiles = [_as_network_sees(faces.augmented(face.occluded_HWC, face.key, 0), data) for face in rendered]
    return contact_sheet([tiles[start : start + 8] for start in range(0, len(tiles), 8)], tile=96)


def _two_of_each(indices: IntArray, labels: IntArray) -> Sequence[int]:
    chosen = [indices[labels[indices] == label][:2] for label in range(len(EXPRESSIONS))]
    return [int(index) for index in np.concatenate(chosen)][:_SHOWN]


def _as_network_sees(image_HWC: UInt8Array, data: FaceDataModule) -> UInt8Array:
    if data.image.channels == 3:
        return image_HWC
    grey_HW = np.asarray(Image.fromarray(image_HWC).convert("L"))
    return np.repeat(grey_HW[..., None], 3, axis=2)
