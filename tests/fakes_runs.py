"""Believable fake run folders, written by the public writers of `occlufer.runs.Run`."""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from PIL import Image

from occlufer.analysis.core.conditions import dial
from occlufer.analysis.core.metrics import score_by_condition
from occlufer.runs import PREDICTION_COLUMNS, Run, RunSummary, now
from occlufer.settings import config_hash, run_folder_name
from occlufer.types import EXPRESSIONS, seeded_rng

CONDITIONS = ("none", "mask", "headset")
PREVALENCE = np.array([0.13, 0.03, 0.14, 0.25, 0.17, 0.17, 0.11])
CLEAN_RECALL = np.array([0.62, 0.55, 0.48, 0.88, 0.68, 0.56, 0.80])
# Recall that is lost under an occluder: the mask takes the mouth, the headset the eyes and brows.
LOSS = {
    "none": np.zeros(7),
    "mask": np.array([0.14, 0.35, 0.08, 0.42, 0.25, 0.20, 0.16]),
    "headset": np.array([0.33, 0.12, 0.26, 0.08, 0.30, 0.18, 0.34]),
}
# Where a wrong answer goes, row = truth: fear and surprise, sadness and neutral are the usual confusions.
CONFUSED_WITH = np.array(
    [
        [0, 2, 2, 1, 3, 3, 1],
        [6, 0, 1, 1, 1, 2, 1],
        [2, 1, 0, 1, 2, 3, 4],
        [1, 1, 1, 0, 4, 1, 2],
        [2, 1, 1, 3, 0, 5, 1],
        [2, 1, 3, 1, 5, 0, 1],
        [1, 1, 5, 2, 2, 1, 0],
    ]
)
BREAKAGES = ("unfinished", "failed", "damaged", "older")


def make_study(
    root: Path,
    *,
    study: str = "fake",
    conditions: Sequence[str] = CONDITIONS,
    seeds: Sequence[int] = (0,),
    n: int = 210,
    models: Sequence[str] = ("small_cnn",),
    dataset: str = "fakefaces",
    break_one: str | None = None,
    epochs: int = 8,
    tests: Sequence[str] | None = None,
    people: int | None = None,
) -> Path:
    """Write `root/study` with one finished run a model, condition and seed; returns that folder.

    Args:
        conditions: train conditions, and the test conditions of every run where `tests` is None.
        n: test faces; the same keys in every run.
        break_one: one of `BREAKAGES`: a further run of that kind is added.
        people: how many people the test faces show; None: not known.
    """
    folder = root / study
    tests = conditions if tests is None else tests
    for model in models:
        for condition in conditions:
            for seed in seeds:
                make_run(folder, condition=condition, seed=seed, model=model, dataset=dataset, n=n,
                         tests=tests, epochs=epochs, people=people)  # fmt: skip
    if break_one is not None:
        extra = make_run(folder, condition=conditions[0], seed=max(seeds) + 1, model=models[0], dataset=dataset, n=n,
                         tests=tests, epochs=epochs, people=people)  # fmt: skip
        break_run(extra, break_one)
    return folder


def make_run(
    study: Path,
    *,
    condition: str = "none",
    seed: int = 0,
    model: str = "small_cnn",
    dataset: str = "fakefaces",
    n: int = 210,
    tests: Sequence[str] = CONDITIONS,
    epochs: int = 8,
    learning_rate: float = 0.01,
    fold: int | None = None,
    optimizer: str = "SGD",
    published: str | None = None,
    protocol: str = "honest",
    extra: str | None = None,
    skill: float = 0.0,
    best_score: float | None = None,
    learns: bool = True,
    people: int | None = None,
) -> Run:
    """Write one finished run folder in `study`.

    Args:
        extra: the setting `dataset.extra`.
        skill: added to the recall of every class.
        best_score: the validation score in run.json; the best of the drawn history when None.
        learns: False for a baseline.
        people: how many people the test faces show; None: not known.
    """
    config = {
        "study": study.name,
        "seed": seed,
        "fold": fold,
        "fold_count": 5,
        "fold_seed": 42,
        "protocol": protocol,
        "published": published,
        "learns": learns,
        "dataset": {"_target_": "fakes.Dataset", "name": dataset, "root": "somewhere", "extra": extra},
        "occlusion": {"name": condition},
        "model": {"name": model},
        "optimizer": {"_target_": f"torch.optim.{optimizer}", "lr": learning_rate},
        "trainer": {"max_epochs": epochs},
        "names": {"occlusion": condition, "model": model, "dataset": dataset},
    }
    run = Run(study / run_folder_name(config))
    run.write_config(config)
    run.write_json("environment.json", {
        "packages": {"occlufer": "0.1.0", "torch": "2.14.1", "mediapipe": "0.10.21"}, "python": "3.11.9",
        "platform": "Linux", "command": ["occlufer", "train", f"occlusion={condition}", f"seed={seed}"],
        "git_commit": "0123456789ab", "written": now(),
    })  # fmt: skip
    run.write_table("coverage.csv", _coverage(n))
    history = _history(epochs, condition, seed)
    run.write_table("history.csv", history)
    # Runs with other settings are other networks; the plain ones keep the draws of their seed alone.
    words = (model, fold, optimizer, learning_rate, extra)
    chance = 0 if words[1:] == (None, "SGD", 0.01, None) else zlib.crc32(repr(words).encode())
    predictions = make_predictions(
        n, train=condition, tests=tests, seed=seed, skill=skill, chance=chance, people=people
    )
    run.write_predictions(predictions)
    validation = make_predictions(60, train=condition, tests=("none",), seed=seed + 50, skill=skill)
    run.write_predictions(validation.assign(split="validation"), "validation.parquet")
    run.write_json("metrics.json", score_by_condition(predictions))
    _write_samples(run.folder / "figures" / "samples.png", seed)
    best = int(history["val_f1_macro"].idxmax()) + 1
    if best_score is None:
        best_score = float(history["val_f1_macro"].max())
    run.finish(RunSummary(
        name=run.name, study=study.name, condition=condition, dataset=dataset, model=model, seed=seed, fold=fold,
        config_hash=config_hash(config), conditions=tuple(tests), best_epoch=best,
        best_score=best_score, epochs=epochs, seconds=61.5 * epochs, finished=now(),
        counts={"train": 8 * n, "validation": n, "test": n, "dropped": 9}, parameters=1_234_567,
    ))  # fmt: skip
    return run


def make_grid(
    root: Path,
    *,
    study: str = "grid",
    models: Mapping[str, float] = MappingProxyType({"vgg16": 0.0, "resnet50": 0.06, "senet50": 0.12}),
    conditions: Sequence[str] = ("none", "study_a_mask", "study_a_headset"),
    folds: Sequence[int] = range(5),
    settings: Mapping[tuple[str, float], float] = MappingProxyType({("SGD", 0.01): 0.0}),
    n: int = 210,
    dataset: str = "rafdb",
    published: str | None = "study_a",
    protocol: str = "honest",
) -> Path:
    """Write `root/study`: models x conditions x folds x settings, each tested under its own condition alone.

    Args:
        models: name -> skill.
        settings: (optimiser, learning rate) -> what it adds to the skill, and to the validation score.
    """
    for (model, skill), condition, fold, ((optimizer, rate), gain) in itertools.product(
        models.items(), conditions, folds, settings.items()
    ):
        make_run(root / study, condition=condition, tests=(condition,), model=model, fold=fold, optimizer=optimizer,
                 learning_rate=rate, skill=skill + gain, best_score=0.5 + skill + gain, published=published,
                 protocol=protocol, dataset=dataset, n=n)  # fmt: skip
    return root / study


def break_run(run: Run, how: str) -> None:
    """Turn a finished run into one that a report must leave out."""
    assert how in BREAKAGES
    record = run.folder / "run.json"
    if how == "damaged":
        (run.folder / "predictions.parquet").write_bytes(b"PAR1 cut short")
    elif how == "older":
        record.write_text(json.dumps(json.loads(record.read_text()) | {"format": 0}))
    else:
        record.unlink()
        for name in ("predictions.parquet", "metrics.json", "figures/samples.png"):
            (run.folder / name).unlink()
        run.write_table("history.csv", run.history().head(3))
        if how == "failed":
            run.write_json("failure.json", {"error": "StorageError", "when": now(),
                           "message": "Could not write last.ckpt: no space left on device."})  # fmt: skip


def make_predictions(
    n: int,
    *,
    train: str = "none",
    tests: Sequence[str] = CONDITIONS,
    seed: int = 0,
    skill: float = 0.0,
    chance: int = 0,
    people: int | None = None,
) -> pd.DataFrame:
    """Rows of predictions.parquet. A face has the same label and difficulty in every run and condition.

    Args:
        skill: added to the recall of every class.
        chance: networks with another number answer other faces rightly.
        people: how many people the faces show, in turn; None: not known.
    """
    faces = seeded_rng(7)
    labels = np.concatenate([np.arange(7), faces.choice(7, size=n, p=PREVALENCE / PREVALENCE.sum())])[:n]
    difficulty = faces.random(n)
    subjects = [None if people is None else f"person{index % people}" for index in range(n)]
    frames = []
    for place, test in enumerate(tests):
        words = (seed, sum(map(ord, train)), place)
        rng = seeded_rng(*words, chance) if chance else seeded_rng(*words)
        recall = np.clip(CLEAN_RECALL + skill - _loss(train, test) + rng.normal(0, 0.015, 7), 0.02, 0.98)[
            labels
        ]
        right = 0.65 * difficulty + 0.35 * rng.random(n) < recall
        wrong = np.array(
            [rng.choice(7, p=CONFUSED_WITH[label] / CONFUSED_WITH[label].sum()) for label in labels]
        )
        prediction = np.where(right, labels, wrong)
        logits = rng.normal(0, 0.7, (n, 7))
        logits[np.arange(n), prediction] = logits.max(axis=1) + rng.exponential(1.0, n) + 0.01
        share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        covered = np.zeros(n) if test == "none" else dial(test)[1] * rng.uniform(0.25, 0.45, n)
        columns = {"key": [f"test/{index:05d}" for index in range(n)], "subject": subjects, "split": "test",
                   "condition": test, "label": labels, "prediction": prediction,
                   "covered_share": covered.astype(np.float32),
                   "content": [f"{index:016x}" for index in range(n)]}  # fmt: skip
        columns |= {f"prob_{name}": share[:, i].astype(np.float32) for i, name in enumerate(EXPRESSIONS)}
        frames.append(pd.DataFrame(columns)[list(PREDICTION_COLUMNS)])
    return pd.concat(frames, ignore_index=True)


def _loss(train: str, test: str) -> np.ndarray:
    """What a network trained on `train` loses on `test`: less on its own condition, a little on all others."""
    occluder, severity = dial(test)
    lost = severity * LOSS.get(occluder.removeprefix("study_a_"), np.full(7, 0.2))
    if occluder == train:
        return 0.55 * lost
    return lost + (0.04 if train != "none" else 0.0)


def _history(epochs: int, condition: str, seed: int) -> pd.DataFrame:
    rng = seeded_rng(seed, sum(map(ord, condition)), 99)
    epoch = np.arange(epochs)
    rise = 1 - np.exp(-(epoch + 1) / max(epochs / 4, 1))
    top = 0.66 - 0.55 * LOSS.get(condition, np.full(7, 0.2)).mean()
    return pd.DataFrame({
        "epoch": epoch + 1, "learning_rate": 0.01 * 0.9**epoch, "train_loss": 1.95 - 1.2 * rise,
        "val_loss": 1.95 - 1.2 * top * rise + rng.normal(0, 0.015, epochs),
        "val_accuracy": top * rise + 0.03 + rng.normal(0, 0.008, epochs),
        "val_f1_macro": top * rise + rng.normal(0, 0.008, epochs),
        "train_accuracy": 1.2 * top * rise, "seconds": 61.5 * (epoch + 1),
    })  # fmt: skip


def _coverage(n: int) -> pd.DataFrame:
    rows = []
    for split, size in (("train", 8 * n), ("validation", n), ("test", n)):
        for place, name in enumerate(EXPRESSIONS):
            faces = max(1, round(size * PREVALENCE[place]))
            dropped = round(faces * (0.01 + 0.006 * place))
            rows.append(
                {
                    "split": split,
                    "expression": name,
                    "faces": faces,
                    "used": faces - dropped,
                    "dropped": dropped,
                }
            )
    return pd.DataFrame(rows)


def _write_samples(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = np.linspace(90, 190, 64)[None, :, None] + seeded_rng(seed).normal(0, 12, (96, 512, 3)).reshape(
        96, 8, 64, 3
    )
    Image.fromarray(grey.reshape(96, 512, 3).clip(0, 255).astype(np.uint8)).save(path)
