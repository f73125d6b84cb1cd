"""The converter is proven by running both networks on one random state, not by matching names."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from occlufer.data.image_format import ImageFormat
from occlufer.studies.dense_head import dense_head_network
from occlufer.types import ConfigError


def script() -> Any:
    path = Path(__file__).parents[2] / "scripts" / "convert_vggface2.py"
    spec = importlib.util.spec_from_file_location("convert_vggface2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_CONVERT = script()
INPUT, MEAN_BGR, read_pickle, to_timm = (
    getattr(_CONVERT, name) for name in ("INPUT", "MEAN_BGR", "read_pickle", "to_timm")
)

PEOPLE = 21  # instead of 8,631


class SourceBlock(nn.Module):
    """A bottleneck of the published networks, as Caffe has it: the stride on the first 1x1 convolution."""

    def __init__(self, before: int, width: int, stride: int, *, squeeze: bool) -> None:
        super().__init__()
        after = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, after, 1, bias=False), nn.BatchNorm2d(after)
        if squeeze:
            self.conv4, self.conv5 = nn.Conv2d(after, after // 16, 1), nn.Conv2d(after // 16, after, 1)
        self.squeeze = squeeze
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        if self.squeeze:
            y = y * self.conv5(F.relu(self.conv4(y.mean((2, 3), keepdim=True)))).sigmoid()
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Source(nn.Module):
    """resnet50_ft or senet50_ft: BGR 0..255 less the mean, float (B, 3, 224, 224) -> logits of people."""

    def __init__(self, *, squeeze: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
        before = 64
        for number, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=1):
            made = []
            for block in range(blocks):
                stride = 2 if block == 0 and number > 1 else 1
                made.append(SourceBlock(before, width, stride, squeeze=squeeze))
                before = 4 * width
            setattr(self, f"layer{number}", nn.Sequential(*made))
        self.fc = nn.Linear(before, PEOPLE)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, padding=0, ceil_mode=True)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(F.avg_pool2d(self.features(x), 7).flatten(1))


def random_source(*, squeeze: bool) -> Source:
    """A network whose every number matters: norms are not those of a fresh one."""
    torch.manual_seed(int(squeeze))
    source = Source(squeeze=squeeze).eval()
    with torch.no_grad():
        for name, value in source.state_dict().items():
            if name.endswith("running_mean"):
                value.normal_(0, 0.3)
            elif name.endswith("running_var") or (value.ndim == 1 and name.endswith("weight")):
                value.uniform_(0.7, 1.3)
            elif name.endswith("bias"):
                value.normal_(0, 0.1)
    return source


def arrays(source: Source) -> dict[str, np.ndarray]:
    state = source.state_dict()
    return {name: value.numpy() for name, value in state.items() if "num_batches" not in name}


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (224, 224, 3)).astype(np.uint8)


def for_source(rgb_HWC: np.ndarray) -> torch.Tensor:
    bgr = rgb_HWC[..., ::-1].astype(np.float32) - np.asarray(MEAN_BGR, np.float32)
    return torch.from_numpy(np.ascontiguousarray(bgr.transpose(2, 0, 1)))[None]


def for_ours(rgb_HWC: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(ImageFormat.create(**INPUT, channels=3).to_array(rgb_HWC))[None]


@pytest.mark.parametrize("squeeze", [False, True], ids=["resnet50", "senet50"])
@torch.no_grad()
def test_our_network_computes_what_the_source_computes(image, tmp_path, squeeze):
    """From the pickle through the script to the network that is trained, on the image as our pipeline hands it over."""
    source, backbone = random_source(squeeze=squeeze), "legacy_seresnet50" if squeeze else "resnet50"
    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps(arrays(source), protocol=2))
    made = _CONVERT.convert(path, tmp_path / "out")
    ours = dense_head_network(
        num_classes=7,
        size=224,
        backbone=backbone,
        caffe_strides=not squeeze,
        pretrained=str(tmp_path / "out"),
    ).eval()
    expected, found = source.features(for_source(image)), ours.backbone.forward_features(for_ours(image))
    assert found.shape == (1, 2048, 7, 7)
    assert far(found, expected) < 1e-4
    # The head is not loaded into a network of seven classes, but it is in the file.
    state, last = torch.load(made, weights_only=True), "last_linear" if squeeze else "fc"
    logits = F.linear(found.mean((2, 3)), state[f"{last}.weight"], state[f"{last}.bias"])
    assert far(logits, source(for_source(image))) < 1e-4
    facts = json.loads(made.with_suffix(".json").read_text())
    assert (facts["backbone"], facts["image"]) == (backbone, INPUT)


def far(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, as a share of the largest value."""
    return float((found - expected).abs().max() / expected.abs().max())


@torch.no_grad()
def test_each_trap_would_be_seen(image):
    """Timm's own strides, its own stem pool, and BGR taken for RGB all load without complaint and compute otherwise."""
    source, small = random_source(squeeze=False), image[:96, :96]
    network = timm.create_model("resnet50", num_classes=PEOPLE).eval()
    network.load_state_dict(to_timm(arrays(source))[1])
    expected = source.features(for_source(small))
    stages = (network.layer2, network.layer3, network.layer4)

    def error(rgb: np.ndarray = small) -> float:
        return far(network.forward_features(for_ours(rgb)), expected)

    network.maxpool = nn.MaxPool2d(3, 2, padding=0, ceil_mode=True)
    assert error() > 0.05
    for stage in stages:
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    assert error() < 1e-4
    assert error(small[..., ::-1]) > 0.05
    network.maxpool = nn.MaxPool2d(3, 2, padding=1)
    assert error() > 0.05


def test_the_script_says_what_is_wrong_without_a_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["convert_vggface2.py", str(tmp_path / "none.pkl"), str(tmp_path)])
    with pytest.raises(SystemExit, match=r"Error: .*none\.pkl cannot be opened"):
        _CONVERT.main()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_of_every_protocol_are_read(tmp_path, protocol):
    content = OrderedDict(
        a=np.arange(6, dtype=np.float32).reshape(2, 3),
        b=np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        c=np.array([1, 2], dtype=">i4"),
        d=np.array(3.0),
    )
    path = tmp_path / "arrays.pkl"
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    found = read_pickle(path)
    assert list(found) == list("abcd")
    for name, value in content.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == value.dtype


# An array as Python 2.7 with numpy 1.13 wrote it, text protocol: module names and strings of bytes as they were then.
_PYTHON_2 = (
    b"(dp0\nS'w'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\ntp6\nRp7\n"
    b"(I1\n(I2\ntp8\ncnumpy\ndtype\np9\n(S'f4'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\n"
    b"S'\\x00\\x00\\x80?\\x00\\x00\\x00\\xc0'\np15\ntp16\nbs."
)


def test_a_pickle_of_python_2_is_read(tmp_path):
    path = tmp_path / "old.pkl"
    path.write_bytes(_PYTHON_2)
    np.testing.assert_array_equal(read_pickle(path)["w"], np.array([1, -2], np.float32))


class Code:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_is_refused_and_not_run(tmp_path, protocol):
    path, made = tmp_path / "code.pkl", tmp_path / "made"
    path.write_bytes(pickle.dumps({"conv1.weight": Code(made)}, protocol=protocol))
    with pytest.raises(ConfigError, match=r"code\.pkl asks for posix\.mkdir, .*Nothing of it was run"):
        read_pickle(path)
    assert not made.exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (pickle.dumps({"a": np.array([{}], dtype=object)}), "asks for an array of object"),
        (pickle.dumps({"a": np.zeros(2, dtype="U3")}), "asks for an array of <U"),
        (pickle.dumps({"a": pickle.Pickler}), r"asks for _pickle\.Pickler"),
        (b"cbuiltins\neval\n(S'1'\ntR.", r"asks for builtins\.eval"),
        (b"cnumpy\nload\n.", r"asks for numpy\.load"),
        (pickle.dumps([1, 2]), "holds list, wanted a table"),
        (pickle.dumps({}), "wanted a table"),
        (pickle.dumps({"a": [1.0]}), "'a' is no array of numbers"),
        (pickle.dumps({1: np.zeros(2)}), "1 is no array of numbers"),
        (b"cnumpy\nndarray\n.", "holds"),
        (b"", "cannot be read as a pickle"),
        (b"\x80\x02garbage", "cannot be read as a pickle"),
        (pickle.dumps({"a": np.zeros(9)})[:-20], "cannot be read as a pickle"),
    ],
)
def test_odd_pickles_are_named(tmp_path, content, told):
    path = tmp_path / "odd.pkl"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=told):
        read_pickle(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.pkl cannot be opened: No such file"):
        read_pickle(tmp_path / "none.pkl")


def test_weights_of_another_network_are_named():
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in Source(squeeze=False).state_dict().items()}
    weights = {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}
    weights["layer9.0.conv1.weight"] = weights.pop("layer4.2.conv3.weight")
    weights["bn1.weight"] = np.zeros(63, np.float32)
    told = (
        r"not the weights of resnet50 .*missing 1 \(layer4\.2\.conv3\.weight\); "
        r"unknown 1 \(layer9\.0\.conv1\.weight\); of another shape 1 \(bn1\.weight \(63,\) for \(64,\)\)"
    )
    with pytest.raises(ConfigError, match=told):
        to_timm(weights)
