"""A small network as a file, and pictures with drawn faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from occlufer.data.image_format import ImageFormat
from occlufer.data.view import FaceCrop, FullImage, View
from occlufer.inference.description import Description
from occlufer.inference.network import LoadedNetwork
from occlufer.inference.onnx_file import write_onnx
from occlufer.learning.models.plain_cnn import plain_cnn
from occlufer.synthesis.faces import draw_face
from occlufer.types import EXPRESSIONS, UInt8Array

MODEL = {"_target_": "occlufer.learning.models.plain_cnn.plain_cnn", "in_chans": 1, "widths": [8, 16]}


def small_network(*, by_mesh: bool = False) -> LoadedNetwork:
    """Untrained, with large weights, so that another picture gets another answer."""
    torch.manual_seed(0)
    network = plain_cnn(num_classes=7, widths=[8, 16]).eval()
    with torch.no_grad():
        network[-1].weight.mul_(20)
    view: View = FaceCrop() if by_mesh else FullImage()
    node = {"_target_": f"occlufer.data.view.{type(view).__name__}"}
    image = ImageFormat.create(size=48, channels=1, mean=0.5, std=0.25)
    return LoadedNetwork(network, Description(image, view, EXPRESSIONS, MODEL, node, False, "a test"))


def small_onnx(folder: Path, *, by_mesh: bool = False) -> Path:
    """The same as an ONNX file."""
    loaded = small_network(by_mesh=by_mesh)
    write_onnx(loaded.network, loaded.description, folder / "small.onnx")
    return folder / "small.onnx"


def portrait(index: int = 0, size: int = 256) -> UInt8Array:
    """A drawn face, uint8 RGB (size, size, 3)."""
    return draw_face(index, seed=11, difficulty="default", size=size).image_HWC


def two_people() -> UInt8Array:
    """Two drawn faces side by side, uint8 RGB (320, 640, 3)."""
    return np.ascontiguousarray(np.hstack([portrait(0, 320), portrait(8, 320)]))
