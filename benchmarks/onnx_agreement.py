"""How far ONNX files are from the torch networks that they were written from, on drawn faces under every condition.

    python benchmarks/onnx_agreement.py [FACES]

The shipped network as it is; those of conf/model untrained. Prints the largest difference of a logit, as a share of the
largest logit, and of a probability.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import torch

from occlufer.building import build, plain
from occlufer.commands.app import conditions_alone
from occlufer.data.image_format import ImageFormat
from occlufer.data.rendered import RenderedFace
from occlufer.data.view import FaceCrop, FullImage
from occlufer.inference.description import SHIPPED, Description
from occlufer.inference.network import LoadedNetwork, load_network
from occlufer.inference.onnx_file import OnnxNetwork, read_onnx, write_onnx
from occlufer.settings import conf_folder
from occlufer.synthesis.faces import DrawnFace, draw_face
from occlufer.types import EXPRESSIONS, FloatArray, seeded_rng

CONDITIONS = ("none", "mask", "headset")
BATCHES = (1, 7, 64)
NETWORKS: dict[str, tuple[list[str], Any]] = {
    "plain_cnn": (["model=plain_cnn"], 48),
    "resnet10t": (["model=resnet10t"], 48),
    "resnet18": (["model=resnet18"], 48),
    "resnet50": (["model=resnet50"], 48),
    "senet50": (["model=senet50"], 48),
    "occlusion_aware": (["model=occlusion_aware"], 48),
    "maskthefer": (["model=maskthefer"], [48, 96]),
    "vgg16": (["model=vgg16"], 32),
    "vit_tiny": (["model=timm", "model.backbone=vit_tiny_patch16_224", "+model.options={img_size: 64}"], 64),
}


def untrained(words: list[str], size: Any) -> LoadedNetwork:
    """A network of conf/model with random weights."""
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        asked = ["dataset=synthetic", f"image.size={size}".replace(" ", ""), *words]
        node = plain(hydra.compose("train", asked).model)
    torch.manual_seed(1)
    image = ImageFormat.create(size=size, channels=node.get("in_chans", 1), mean=0.5, std=0.25)
    view = {"_target_": "occlufer.data.view.FullImage"}
    network = build(node, num_classes=len(EXPRESSIONS)).eval()
    return LoadedNetwork(
        network, Description(image, FullImage(), EXPRESSIONS, node, view, False, "a benchmark")
    )


def inputs(faces: list[DrawnFace], image: ImageFormat, occluder: Any) -> FloatArray:
    """The faces under an occluder as a network takes them, float32 (B, C, H, W)."""
    shown = [
        RenderedFace(face.image_HWC, face.landmarks_N3, view=FaceCrop(), occluder=occluder, hw=image.hw,
                     rng=seeded_rng(number)).occluded_HWC
        for number, face in enumerate(faces)
    ]  # fmt: skip
    return np.stack([image.to_array(picture) for picture in shown])


def compare(torch_network: LoadedNetwork, onnx_network: OnnxNetwork, shown_BCHW: FloatArray) -> list[float]:
    """Largest difference of a logit over the largest logit, and of a probability."""
    parts = []
    start, turn = 0, 0
    while start < len(shown_BCHW):
        batch = shown_BCHW[start : start + BATCHES[turn % len(BATCHES)]]
        parts.append(onnx_network.logits(np.ascontiguousarray(batch)))
        start, turn = start + len(batch), turn + 1
    found, expected = np.concatenate(parts), torch_network.logits(shown_BCHW)
    by_class = [torch.softmax(torch.from_numpy(logits), 1).numpy() for logits in (found, expected)]
    return [
        float(np.abs(found - expected).max() / np.abs(expected).max()),
        float(np.abs(by_class[0] - by_class[1]).max()),
    ]


def main(count: str = "200") -> None:
    """A line a network and condition."""
    faces = [draw_face(index, seed=5, difficulty="default", size=96) for index in range(int(count))]
    occluders = {name: build(node) for name, node in conditions_alone(CONDITIONS).items()}
    pairs: dict[str, tuple[LoadedNetwork, OnnxNetwork]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (words, size) in NETWORKS.items():
            loaded = untrained(words, size)
            write_onnx(loaded.network, loaded.description, Path(folder) / f"{name}.onnx")
            pairs[name] = loaded, read_onnx(Path(folder) / f"{name}.onnx")
            say(name, pairs[name], faces, occluders)
    say("shipped", (load_network(next(SHIPPED.glob("*.safetensors"))), read_onnx(next(SHIPPED.glob("*.onnx")))),
        faces, occluders)  # fmt: skip


def say(
    name: str, pair: tuple[LoadedNetwork, OnnxNetwork], faces: list[DrawnFace], occluders: dict[str, Any]
) -> None:
    """Print how far the two are apart."""
    for condition, occluder in occluders.items():
        logit, probability = compare(*pair, inputs(faces, pair[0].description.image, occluder))
        print(f"{name:16} {condition:8} logit {logit:.1e}  probability {probability:.1e}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
