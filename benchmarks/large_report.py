"""What a report on a large study costs: 200 runs on 7,000 faces under 4 conditions, or any other size.

python benchmarks/large_report.py DIR [--networks N] [--seeds N] [--faces N] [--again]

Writes a study of made-up predictions into DIR/large, with what most sections want: people, pose and skin,
near-duplicates, validation faces, heat maps, another dataset and a box of equal area as control. Then `occlufer report`
runs on it whole, in a process of its own, whose CPU time, clock time and highest memory are printed.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from occlufer.analysis.core.metrics import score_by_condition
from occlufer.attention import ATTENTION_COLUMNS, REGIONS
from occlufer.notebook import settings
from occlufer.runs import PREDICTION_COLUMNS, PROBABILITY_COLUMNS, Run, RunSummary, now
from occlufer.settings import config_hash, run_folder_name
from occlufer.types import EXPRESSIONS, seeded_rng

NETWORKS = ("plain_cnn", "resnet10t", "resnet18", "vgg16", "convnext_tiny")
TRAININGS = ("none", "mask", "headset", "mixed", "random_erasing", "none+flips", "mixed+consistency",
             "mixed+distillation")  # fmt: skip
TESTS = {"none": 0.0, "mask": 0.45, "headset": 0.33, "box_random": 0.6}
"""Test condition -> mean covered share of the face."""
LABELS = np.array([0.13, 0.03, 0.14, 0.25, 0.17, 0.17, 0.11])
RECALL = np.array([0.62, 0.55, 0.48, 0.88, 0.68, 0.56, 0.80])
LOST = {
    "none": np.zeros(7),
    "mask": np.array([0.14, 0.35, 0.08, 0.42, 0.25, 0.20, 0.16]),
    "headset": np.array([0.33, 0.12, 0.26, 0.08, 0.30, 0.18, 0.34]),
    "box_random": np.full(7, 0.20),
}
"""Recall that networks trained on bare faces lose: a mask takes the mouth, a headset the eyes."""
EPOCHS, EXPLAINED, VALIDATION = 8, 200, 1000


@dataclass(frozen=True, slots=True)
class Faces:
    """Test faces (N,) that all runs share; `difficulty` 0..1 says which networks fail on them first."""

    table: pd.DataFrame  # key, subject, content
    label: NDArray[np.int64]
    difficulty: NDArray[np.float64]

    @classmethod
    def drawn(cls, number: int, people: int, seed: int) -> Faces:
        """Draw them; the faces of a person are about equally difficult."""
        rng = seeded_rng(seed)
        person = np.arange(number) % people
        mixed = 0.6 * rng.random(number) + 0.4 * rng.random(people)[person]
        table = pd.DataFrame({
            "key": [f"test/{place:05d}" for place in range(number)], "subject": [f"person{who}" for who in person],
            "content": [f"{place:016x}" for place in range(number)],
        })  # fmt: skip
        label = rng.choice(7, size=number, p=LABELS / LABELS.sum())
        return cls(table, label, np.argsort(np.argsort(mixed)) / number)


def write_study(folder: Path, *, networks: int, seeds: int, faces: int) -> None:
    """Write `networks * len(TRAININGS) * seeds` finished runs into `folder`."""
    shown, wild = Faces.drawn(faces, max(2, faces // 10), 7), Faces.drawn(max(70, faces // 10), 60, 8)
    for (place, network), train, seed in itertools.product(
        enumerate(NETWORKS[:networks]), TRAININGS, range(seeds)
    ):
        _write_run(folder, network, 0.03 * place, train, seed, shown, wild)


def _write_run(
    folder: Path, network: str, skill: float, train: str, seed: int, shown: Faces, wild: Faces
) -> None:
    config = _settings() | {
        "study": folder.name, "seed": seed, "model": {"name": network}, "occlusion": {"name": train},
        "names": {"occlusion": train, "model": network, "dataset": "made_up"},
    }  # fmt: skip
    rng = seeded_rng(seed, *f"{network} {train}".encode())
    run = Run(folder / run_folder_name(config))
    run.write_config(config)
    run.write_json(
        "environment.json", {"packages": {"occlufer": "0"}, "command": ["occlufer", "train", train]}
    )
    rows = pd.concat([_rows(shown, train, test, skill, rng) for test in TESTS], ignore_index=True)
    run.write_predictions(rows)
    bare = _rows(wild, train, "none", skill, rng)
    run.write_predictions(
        pd.concat([bare] * (VALIDATION // len(bare) + 1)).head(VALIDATION).assign(split="validation"),
        "validation.parquet",
    )
    other = Run(run.folder / "elsewhere" / "wild")
    other.folder.mkdir(parents=True, exist_ok=True)
    other.write_predictions(_rows(wild, train, "none", skill - 0.1, rng))
    run.write_json("metrics.json", score_by_condition(rows))
    run.write_table("faces.csv", _facts(shown))
    _attention(rows, rng).to_parquet(run.folder / "attention.parquet")
    _pictures(run.folder / "figures", rng)
    run.write_table("coverage.csv", pd.DataFrame([
        {"split": split, "expression": name, "faces": 900, "used": 890, "dropped": 10}
        for split in ("train", "validation", "test") for name in EXPRESSIONS
    ]))  # fmt: skip
    rise = 1 - np.exp(-np.arange(1, EPOCHS + 1) / 3) + rng.normal(0, 0.01, EPOCHS)
    history = pd.DataFrame({"epoch": np.arange(1, EPOCHS + 1), "train_loss": 2 - rise, "val_loss": 2 - 0.8 * rise,
                            "val_accuracy": 0.7 * rise, "val_f1_macro": 0.6 * rise, "seconds": 60.0})  # fmt: skip
    run.write_table("history.csv", history)
    run.finish(RunSummary(
        name=run.name, study=folder.name, condition=train, dataset="made_up", model=network, seed=seed, fold=None,
        config_hash=config_hash(config), conditions=tuple(TESTS), best_epoch=int(np.argmax(rise)) + 1,
        best_score=float(0.6 * rise.max()), epochs=EPOCHS, seconds=480.0, finished=now(),
        counts={"train": 6300, "validation": VALIDATION, "test": len(shown.label), "dropped": 10}, parameters=10**6,
    ))  # fmt: skip


@functools.cache
def _settings() -> dict[str, Any]:
    """Those of `occlufer train`: as long as those of a real run."""
    return settings()


def _rows(faces: Faces, train: str, test: str, skill: float, rng: np.random.Generator) -> pd.DataFrame:
    """Rows of predictions.parquet of one network under one condition."""
    number = len(faces.label)
    met = train == test or train.startswith("mixed") or (train == "random_erasing" and test == "box_random")
    lost = (
        LOST[test] * (0.5 if met else 1.0)
        + (0.02 if train != "none" else 0.0)
        + (train != test == "none") * 0.05
    )
    recall_N = (RECALL + skill - lost + rng.normal(0, 0.015, 7)).clip(0.02, 0.98)[faces.label]
    right_N = 0.65 * faces.difficulty + 0.35 * rng.random(number) < recall_N
    prediction_N = np.where(right_N, faces.label, (faces.label + rng.choice((1, 2, 4, 5), number)) % 7)
    logits_NK = rng.normal(0, 0.7, (number, 7))
    logits_NK[np.arange(number), prediction_N] = logits_NK.max(axis=1) + rng.exponential(1.2, number) + 0.01
    share_NK = np.exp(logits_NK) / np.exp(logits_NK).sum(axis=1, keepdims=True)
    covered_N = np.clip(TESTS[test] + (TESTS[test] > 0) * rng.normal(0, 0.05, number), 0, 1)
    rows = faces.table.assign(split="test", condition=test, label=faces.label, prediction=prediction_N,
                              covered_share=covered_N.astype(np.float32))  # fmt: skip
    rows[list(PROBABILITY_COLUMNS)] = share_NK.astype(np.float32)
    return rows[list(PREDICTION_COLUMNS)]


def _facts(faces: Faces) -> pd.DataFrame:
    rng = seeded_rng(9)
    number = len(faces.label)
    return pd.DataFrame({
        "key": faces.table["key"], "yaw": rng.normal(0, 18, number).round(1), "skin_type": rng.integers(1, 7, number),
        "near_duplicate": (rng.random(number) < 0.05).astype(int),
    })  # fmt: skip


def _attention(rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    part = rows.groupby("condition", sort=False).head(EXPLAINED).reset_index(drop=True)
    part = part[["key", "subject", "condition", "label", "prediction"]]
    for kind in ("mass", "untrained", "area"):
        shares = rng.dirichlet((3, 2, 2, 4, 3), len(part)).astype(np.float32)
        part[[f"{kind}_{region}" for region in REGIONS]] = shares
    return part.assign(method="Grad-CAM", layer="layer3", cells="6x6")[list(ATTENTION_COLUMNS)]


def _pictures(folder: Path, rng: np.random.Generator) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("samples", "attention"):
        Image.fromarray(rng.integers(90, 190, (200, 690), dtype=np.uint8)).save(folder / f"{name}.png")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the study, report on it, print what that took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--networks", type=int, default=len(NETWORKS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--faces", type=int, default=7000)
    parser.add_argument("--again", action="store_true", help="the study is there already")
    options = parser.parse_args(arguments)
    study = options.folder / "large"
    if not options.again:
        write_study(study, networks=options.networks, seeds=options.seeds, faces=options.faces)
    command = [sys.executable, "-P", "-m", "occlufer", "report", f"study={study}"]
    started = time.perf_counter()
    process = os.posix_spawn(
        sys.executable,
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(process, 0)
    if status:
        raise SystemExit(f"occlufer report ended with status {os.waitstatus_to_exitcode(status)}.")
    print(f"{len(list(study.glob('*/run.json')))} runs, {options.faces} faces, {len(TESTS)} conditions: "
          f"{used.ru_utime + used.ru_stime:.1f} CPU s, {time.perf_counter() - started:.1f} s on the clock, "
          f"{used.ru_maxrss / 2**20:.2f} GiB at most")  # fmt: skip


if __name__ == "__main__":
    main()
