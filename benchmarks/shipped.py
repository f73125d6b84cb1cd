"""How well the shipped network, or any other, reads FER2013: docs/model-card.md shows what this prints.

python benchmarks/shipped.py --root DIR [--network FILE|RUN] [--split test] [--conditions NAME ...] [--cache DIR]

Accuracy, macro F1 and calibration by condition, with and without the mean over a face and its mirror image, on all
faces with landmarks and on those without a near-duplicate among the training faces; then recall by expression.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from occlufer.analysis.core.metrics import score
from occlufer.types import EXPRESSIONS, BoolArray, FloatArray, IntArray, OccluferError

if TYPE_CHECKING:
    from occlufer.data.rendered import FaceRenderer
    from occlufer.inference.predictor import Network

_BATCH = 128
_BINS = 15  # as in the paper named below


def main(arguments: Sequence[str] | None = None) -> None:
    """Score and print; exits 1 with a sentence when that cannot be done."""
    try:
        _print(*measure(parser().parse_args(arguments)))
    except OccluferError as error:
        sys.exit(f"Error: {error}")


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    made.add_argument("--root", required=True, help="FER2013, as dataset.root")
    made.add_argument(
        "--network", help="a run folder or checkpoint, .safetensors or .onnx; default: the shipped one"
    )
    made.add_argument("--split", default="test", choices=("validation", "test"))
    made.add_argument("--conditions", nargs="+", default=["none", "mask", "headset"], metavar="NAME")
    made.add_argument("--cache", default="outputs/cache", help="as paths.cache")
    return made


def measure(options: argparse.Namespace) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two tables: `scores` by condition, flip and part of the faces; recall by condition and expression."""
    from occlufer.building import build
    from occlufer.data.rendered import FaceRenderer
    from occlufer.data.usable import usable_faces
    from occlufer.inference.predictor import open_network
    from occlufer.tasks.faces import make_faces, prepare_landmarks

    network = open_network(options.network)
    settings, occluders = composed(options)
    faces = make_faces(settings)
    cache, _ = prepare_landmarks(settings, faces)
    chosen = faces.manifest.indices(options.split)
    chosen = chosen[usable_faces(faces, cache)[chosen]]
    labels, alone = faces.manifest.labels[chosen], ~_near_duplicates(faces, options)[chosen]
    tables, recalls = [], {}
    for condition, node in occluders.items():
        renderer = FaceRenderer(
            faces, cache, network.description.view, build(node), settings["evaluation_seed"]
        )
        plain, flipped = probabilities(network, renderer, chosen)
        for flip, found in (("no", plain), ("yes", (plain + flipped) / 2)):
            for part, kept in (("all", np.ones_like(alone)), ("no near-duplicate", alone)):
                row = {"condition": condition, "flip": flip, "faces": part}
                tables.append(row | scores(found[kept], labels[kept]))
        recalls[condition] = dict(zip(EXPRESSIONS, _score(found, labels)["recall_by_class"], strict=True))
    return pd.DataFrame(tables), pd.DataFrame(recalls).T.rename_axis("condition").reset_index()


def scores(probabilities_NK: FloatArray, labels_N: IntArray) -> dict[str, float]:
    """n, accuracy, macro F1, mean confidence, and the expected calibration error over 15 bins of equal width.

    The last is the mean distance between accuracy and confidence, bins weighted by their faces: Guo et al., "On
    calibration of modern neural networks", ICML 2017. All but n in 0..1.
    """
    found = _score(probabilities_NK, labels_N)
    confidence_N = probabilities_NK.max(axis=1)
    surplus_N = confidence_N - (probabilities_NK.argmax(axis=1) == labels_N)
    bins_N = np.clip(np.ceil(confidence_N * _BINS).astype(int) - 1, 0, _BINS - 1)
    apart = np.abs(np.bincount(bins_N, weights=surplus_N)).sum() / len(labels_N)
    return {
        "n": found["n"], "accuracy": found["accuracy"], "macro F1": found["f1_macro"],
        "confidence": float(confidence_N.mean()), "ECE": float(apart),
    }  # fmt: skip


def probabilities(
    network: Network, renderer: FaceRenderer, chosen_N: IntArray
) -> tuple[FloatArray, FloatArray]:
    """What the network says of faces and of their mirror images, float32 (N, K) each."""
    parts = list(_batches(network, renderer, chosen_N))
    plain, flipped = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    return plain, flipped


def _batches(
    network: Network, renderer: FaceRenderer, chosen_N: IntArray
) -> Iterator[tuple[FloatArray, FloatArray]]:
    image = network.description.image
    for start in range(0, len(chosen_N), _BATCH):
        part = chosen_N[start : start + _BATCH]
        batch = np.stack([image.to_array(renderer(int(index), hw=image.hw).occluded_HWC) for index in part])
        yield (
            _softmax(network.logits(batch)),
            _softmax(network.logits(np.ascontiguousarray(batch[..., ::-1]))),
        )


def _softmax(logits_BK: FloatArray) -> FloatArray:
    raised = np.exp(logits_BK - logits_BK.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


def _score(probabilities_NK: FloatArray, labels_N: IntArray) -> dict[str, Any]:
    return score(pd.DataFrame({"label": labels_N, "prediction": probabilities_NK.argmax(axis=1)}))


def _near_duplicates(faces: Any, options: argparse.Namespace) -> BoolArray:
    """For each face, whether a training face is nearly the same picture; bool (len(faces),)."""
    from occlufer.datasets.near_duplicates import find_near_duplicates, pairs_path, read_pairs
    from occlufer.tasks.faces import NEAR_DUPLICATES

    pairs = read_pairs(pairs_path(Path(options.cache).expanduser() / NEAR_DUPLICATES, faces))
    if pairs is None:
        pairs = find_near_duplicates(faces)
    here = pairs[(pairs["first_split"] == "train") & (pairs["second_split"] == options.split)]
    return np.isin(faces.manifest.keys, here["second"].to_numpy(dtype=object))


def composed(options: argparse.Namespace) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """What the parts of `train` want of a configuration, and the occluder of each condition."""
    import hydra

    from occlufer.building import plain
    from occlufer.commands.app import condition_configs
    from occlufer.settings import conf_folder

    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        dataset = plain(hydra.compose("dataset/fer2013")["dataset"]) | {"root": options.root}
        landmarks = plain(hydra.compose("landmarks/default")["landmarks"])
        occluders = condition_configs(options.conditions)
    return {
        "dataset": dataset,
        "landmarks": landmarks,
        "paths": {"cache": options.cache},
        "evaluation_seed": 0,
    }, occluders


def _print(scored: pd.DataFrame, recalls: pd.DataFrame) -> None:
    """Both tables as Markdown."""
    for table in (scored, recalls):
        print("| " + " | ".join(table.columns) + " |")
        print("|---" * len(table.columns) + "|")
        for row in table.itertuples(index=False):
            print(
                "| "
                + " | ".join(f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row)
                + " |"
            )
        print()


if __name__ == "__main__":
    main()
