"""ONNX: a network as one file that needs neither torch nor this package."""

from __future__ import annotations

import io
import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from occlufer.files import atomic_path
from occlufer.inference.description import METADATA_KEY, Description, from_text
from occlufer.types import FloatArray, RunError

_OPSET = 17


@dataclass(frozen=True, slots=True)
class OnnxNetwork:
    """A network run by onnxruntime on the CPU, and what it wants and means."""

    session: Any
    description: Description

    def logits(self, image_BCHW: FloatArray) -> FloatArray:
        """Logits float32 (B, K) of normalised images float32 (B, C, H, W)."""
        found: FloatArray = self.session.run(["logits"], {"image": image_BCHW})[0]
        return found


def read_onnx(path: Path, *, trusted: Sequence[str] = ()) -> OnnxNetwork:
    """A file that `write_onnx` made; raises `RunError` when it is missing, damaged or another's."""
    # Since 1.29 it tells its maker of every session, from Linux too, and keeps a number of this machine on disk.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once a process, when the first session is made
    import onnxruntime

    if not path.is_file():
        raise RunError(f"There is no network file {path}.")
    options = onnxruntime.SessionOptions()
    # Threads that wait by turning round would hold the cores while the next face is looked for.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own
        raise RunError(f"{path} is damaged, or no ONNX file ({error}).") from error
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    description = from_text(text, path, trusted=trusted)
    shape = ["batch", description.image.channels, *description.image.hw]
    wanted = [("image", shape)], [("logits", ["batch", len(description.classes)])]
    found = tuple(
        [(node.name, node.shape) for node in nodes()] for nodes in (session.get_inputs, session.get_outputs)
    )
    if found != wanted:
        raise RunError(f"{path} takes and gives {found}, and its metadata say {wanted}. Export it again.")
    return OnnxNetwork(session, description)


def write_onnx(network: Any, description: Description, path: Path) -> None:
    """Write a torch network as ONNX with a dynamic batch: input `image`, output `logits`, metadata as JSON.

    Args:
        network: `LoadedNetwork.network`.
        description: what the file's metadata say of it.
        path: of the file.

    Raises:
        RunError: torch cannot say the network in ONNX, or what it says is not the same network.
    """
    import onnx
    import torch

    channels, (height, width) = description.image.channels, description.image.hw
    shown = torch.from_numpy(
        np.random.default_rng(0).normal(size=(2, channels, height, width)).astype(np.float32)
    )
    buffer: Any = io.BytesIO()  # torch's annotation forgets what its code takes
    network = network.to(memory_format=torch.contiguous_format).eval()
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter(
                "ignore"
            )  # the tracer's notices, and that another exporter is the default now
            # That other one needs onnxscript; this one says all networks of conf/model.
            torch.onnx.export(
                network, (shown,), buffer, dynamo=False, opset_version=_OPSET, input_names=["image"],
                output_names=["logits"], dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
            )  # fmt: skip
            expected = network(shown).numpy()
    except Exception as error:  # of torch's exporter, one of many
        raise RunError(f"{description.source} cannot be written as ONNX: {error}") from error
    model = onnx.load_from_string(buffer.getvalue())
    text = description.as_text()
    plain = {
        name: json.dumps(value) for name, value in json.loads(text).items() if name not in ("model", "view")
    }
    for name, value in (plain | {METADATA_KEY: text}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, value
    with atomic_path(path) as temporary:
        temporary.write_bytes(model.SerializeToString())
    apart = float(np.abs(read_onnx(path).logits(shown.numpy()) - expected).max())
    if not apart <= 1e-3 * max(1.0, float(np.abs(expected).max())):
        path.unlink()
        raise RunError(
            f"{description.source}: as ONNX the network answers otherwise, by {apart:.2g}. Not written."
        )
