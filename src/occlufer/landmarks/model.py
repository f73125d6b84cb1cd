"""The file with the two networks of Face Mesh: made once from a wheel that pip downloads, or the user's own.

MediaPipe ships no model since 0.10.30. The detector and the mesh of 468 points that it shipped before lie, under the
Apache licence 2.0, in the wheel of 0.10.21; what they lack for the Tasks API is metadata that says how pixels are
scaled, and ten points: the API expects the 478 of the model with irises.
"""

from __future__ import annotations

import functools
import hashlib
import io
import math
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from occlufer.files import atomic_path, locked
from occlufer.types import LANDMARK_COUNT, LandmarkError

WHEEL = "mediapipe==0.10.21"
FACE_MESH = "0.10.21"
"""What the model that `model_file` makes is called in fingerprints of landmark caches."""

DETECTOR_FILE, _MESH = "face_detector.tflite", "face_landmarks_detector.tflite"  # as the Tasks API wants them
_IN_WHEEL = {
    DETECTOR_FILE: ("mediapipe/modules/face_detection/face_detection_short_range.tflite",
                "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8"),
    _MESH: ("mediapipe/modules/face_landmark/face_landmark.tflite",
            "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814"),
}  # fmt: skip
_SCALING = {DETECTOR_FILE: (127.5, 127.5), _MESH: (0.0, 255.0)}  # mean and std that pixels are normalised by
_API_VALUES = 3 * (LANDMARK_COUNT + 10)  # outputs of the mesh that the Tasks API reads, without checking


def model_identity(own: str | None) -> str:
    """What decides the landmarks: `FACE_MESH`, or a digest of one's own file. Needs no mediapipe.

    Raises `LandmarkError` when the file cannot be read.
    """
    return FACE_MESH if own is None else hashlib.blake2b(_content(own), digest_size=16).hexdigest()


def model_file(own: str | None, *, on_message: Callable[[str], None] = lambda message: None) -> Path:
    """The `.task` file: one's own, checked, or the one that is made at the first call and kept for the user.

    Raises:
        LandmarkError: one's own file is no face landmarker, or the wheel cannot be had.
        StorageError: the user's cache folder cannot be written.
    """
    if own is not None:
        _check(own, _content(own))
        return Path(own).expanduser().absolute()
    path = _kept()
    if not path.is_file():
        with locked(path.with_name(".lock"), on_wait=on_message):
            if not path.is_file():
                on_message(
                    f"Making the face model {path}, once, from two networks of {WHEEL} (35 MB from pip)."
                )
                content = make_task(_networks_of_the_wheel(path))
                with atomic_path(path) as temporary:
                    temporary.write_bytes(content)
    return path


def make_task(networks: dict[str, bytes]) -> bytes:
    """The content of a `.task` file: a zip of both networks, each with its metadata, the mesh padded to 478 points.

    Args:
        networks: TensorFlow Lite models by `DETECTOR_FILE` and `_MESH`.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as task:  # the API refuses compressed members
        for name, network in networks.items():
            model = _schema().ModelT.InitFromPackedBuf(bytearray(network))
            if name == _MESH:
                _pad_output(model)
            _say_scaling(model, *_SCALING[name])
            task.writestr(zipfile.ZipInfo(name), _packed(model, b"TFL3"))
    return content.getvalue()


def _kept() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "occlufer" / "face_mesh.task"


def _content(own: str) -> bytes:
    try:
        return Path(own).expanduser().read_bytes()
    except OSError as error:
        raise LandmarkError(f"landmarks.model={own} cannot be read: {error.strerror or error}.") from error


def _networks_of_the_wheel(kept: Path) -> dict[str, bytes]:
    """Both networks by their names in a `.task` file. Any platform's wheel will do: none of its code is run."""
    advice = (
        f"Make {kept} on a machine that reaches a package index (`python -m occlufer.landmarks.model`) and copy it "
        "here, or give a MediaPipe face landmarker of your own: landmarks.model=face_landmarker.task"
    )
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        pip = [shutil.which("pip3") or shutil.which("pip") or "pip"]  # an environment made without pip
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [*pip, "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
                 "--python-version", "3.12", "--implementation", "cp", "--platform", "manylinux_2_28_x86_64",
                 "--dest", folder, WHEEL],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        except OSError as error:
            raise LandmarkError(
                f"There is no face model yet, and no pip to get {WHEEL} with. {advice}."
            ) from error
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            why = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise LandmarkError(f"There is no face model yet, and pip cannot get {WHEEL} ({why}). {advice}.")
        with zipfile.ZipFile(wheels[0]) as wheel:
            networks = {name: wheel.read(member) for name, (member, _) in _IN_WHEEL.items()}
    for name, (member, digest) in _IN_WHEEL.items():
        if hashlib.sha256(networks[name]).hexdigest() != digest:
            raise LandmarkError(f"{member} of {WHEEL} is not the network that was published. {advice}.")
    return networks


def _check(own: str, content: bytes) -> None:
    """Refuse what the Tasks API would take and misread."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as task:
            task.getinfo(DETECTOR_FILE)
            mesh = task.read(_MESH)
        graph = _schema().Model.GetRootAs(mesh, 0).Subgraphs(0)
        values = math.prod(graph.Tensors(graph.Outputs(0)).ShapeAsNumpy().tolist())
    except Exception as error:  # of damaged files zipfile and flatbuffers raise whatever comes up
        raise LandmarkError(
            f"landmarks.model={own} is no MediaPipe face landmarker: wanted a .task file with {DETECTOR_FILE} and "
            f"{_MESH} ({error})."
        ) from error
    if values != _API_VALUES:
        raise LandmarkError(
            f"landmarks.model={own}: its mesh has {values} outputs; MediaPipe would read {_API_VALUES}, 478 points, "
            "and return wrong ones without a word. Give a face landmarker with 478 points, or leave it out."
        )


@functools.cache
def _schema() -> Any:
    from mediapipe.tasks.metadata import schema_py_generated

    return schema_py_generated


def _packed(table: Any, kind: bytes) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1 << 21)
    builder.Finish(table.Pack(builder), kind)
    return bytes(builder.Output())


def _add_buffer(model: Any, content: bytes) -> int:
    buffer = _schema().BufferT()
    buffer.data = np.frombuffer(content, np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def _add_tensor(graph: Any, name: bytes, kind: int, shape: list[int], buffer: int = 0) -> int:
    tensor = _schema().TensorT()
    tensor.name, tensor.type, tensor.shape, tensor.buffer = name, kind, np.array(shape, np.int32), buffer
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _pad_output(model: Any) -> None:
    """Append zeros to the mesh's output, in the network itself, up to the number of values that the API reads."""
    schema, graph = _schema(), model.subgraphs[0]
    source = int(graph.outputs[0])
    found = graph.tensors[source]
    shape = [*found.shape[:-1], _API_VALUES]
    pads = np.zeros((len(shape), 2), np.int32)
    pads[-1, 1] = _API_VALUES - found.shape[-1]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.PAD
    code.version = 1
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    amounts = _add_tensor(
        graph, b"pads", schema.TensorType.INT32, list(pads.shape), _add_buffer(model, pads.tobytes())
    )
    padded = _add_tensor(graph, b"padded", found.type, shape)
    operator.inputs, operator.outputs = np.array([source, amounts], np.int32), np.array([padded], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.PadOptions
    operator.builtinOptions = schema.PadOptionsT()
    graph.operators.append(operator)
    graph.outputs = np.array([padded, *graph.outputs[1:]], np.int32)
    model.signatureDefs = None  # they name the former output


def _say_scaling(model: Any, mean: float, std: float) -> None:
    """Metadata for the network's image: RGB, (value - mean) / std."""
    from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata

    options = metadata.NormalizationOptionsT()
    options.mean, options.std = [mean], [std]
    unit = metadata.ProcessUnitT()
    unit.optionsType, unit.options = metadata.ProcessUnitOptions.NormalizationOptions, options
    image = metadata.ImagePropertiesT()
    image.colorSpace = metadata.ColorSpaceType.RGB
    content = metadata.ContentT()
    content.contentPropertiesType, content.contentProperties = (
        metadata.ContentProperties.ImageProperties,
        image,
    )
    shown = metadata.TensorMetadataT()
    shown.name, shown.content, shown.processUnits = "image", content, [unit]
    outputs = [metadata.TensorMetadataT() for _ in model.subgraphs[0].outputs]
    for number, output in enumerate(outputs):
        output.name = f"output{number}"
    graph = metadata.SubGraphMetadataT()
    graph.inputTensorMetadata, graph.outputTensorMetadata = [shown], outputs
    whole = metadata.ModelMetadataT()
    whole.name, whole.subgraphMetadata, whole.minParserVersion = "face mesh", [graph], "1.0.0"
    entry = _schema().MetadataT()
    entry.name, entry.buffer = b"TFLITE_METADATA", _add_buffer(model, _packed(whole, b"M001"))
    model.metadata = [entry]


if __name__ == "__main__":
    print(model_file(None, on_message=print))
