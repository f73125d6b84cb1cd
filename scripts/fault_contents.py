"""What two makings of a study must have in common: digests of its contents, for `fault_test.py`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pandas as pd

from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.records import MAGIC, RECORD

KINDS = ("drawing", "landmarks", "training", "ddp rank", "sweep", "report")
"""What the steps of the study make. Its runs are told apart by their seeds: 0, 1, and the sweep's."""


def contents(outputs: Path) -> dict[str, dict[str, str]]:
    """Digests of all that must be the same, by the kind of step that made it and the name of the thing."""
    made: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    for path in sorted(outputs.glob("cache/synthetic/*/*")):
        made["drawing"][f"{path.parent.name}/{path.name}"] = _digest(path.read_bytes())
    for folder in sorted(path.parent for path in outputs.glob("cache/landmarks/*/index.bin")):
        made["landmarks"][folder.name] = _landmarks(folder)
    for folder in sorted(path.parent for path in outputs.glob("faults/*/config.yaml")):
        kind = {"seed0": "training", "seed1": "ddp rank"}.get(folder.name.split("_")[-2], "sweep")
        for name in (
            "predictions.parquet",
            "validation.parquet",
            "metrics.json",
            "conditions.json",
            "coverage.csv",
            "figures/samples.png",
        ):
            made[kind][f"{folder.name}/{name}"] = _digest(_bytes(folder / name))
        made[kind][f"{folder.name}/history.csv"] = _table(folder / "history.csv")
        made[kind][f"{folder.name}/run.json"] = _summary(folder / "run.json")
    for path in sorted(outputs.glob("faults/tables/*.csv")):
        made["report"][path.name] = _table(path)
    for path in sorted(outputs.glob("faults/figures/*")):
        made["report"][path.name] = "there"  # matplotlib's files hold the time
    return made


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b"missing"


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _table(path: Path) -> str:
    """A CSV's digest without the seconds that things took."""
    if not path.is_file():
        return "missing"
    frame = pd.read_csv(path, dtype=str, sep=None, engine="python", keep_default_na=False)
    return _digest(frame.drop(columns="seconds", errors="ignore").to_csv(index=False).encode())


def _summary(path: Path) -> str:
    if not path.is_file():
        return "missing"
    fields = json.loads(path.read_text(encoding="utf-8"))
    return _digest(json.dumps({**fields, "seconds": 0, "finished": 0}, sort_keys=True).encode())


def _landmarks(folder: Path) -> str:
    """What a cache says of every image it knows: the order on disk is that in which the workers were done."""
    cache = LandmarkCache(folder.parent, folder.name)
    index = (folder / "index.bin").read_bytes()[len(MAGIC) :]
    lines = []
    for start in range(0, len(index), RECORD.itemsize):
        digest = index[start : start + 16]
        found = cache.landmarks(digest)
        points = b"" if found is None else found.tobytes()
        lines.append((digest, cache.stage(digest).encode(), repr(cache.image_hw(digest)).encode(), points))
    return _digest(b"".join(part for line in sorted(lines) for part in line) + str(len(cache)).encode())


def differences(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """Names of the things that are other, missing, or more."""
    return sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
