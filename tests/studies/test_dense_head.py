from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import timm
import torch
from torch import nn

from occlufer.studies.dense_head import dense_head_network
from occlufer.types import ConfigError

BACKBONES: dict[str, dict[str, Any]] = {
    "vgg16": {"backbone": "vgg16", "pool": False},
    "resnet50": {"backbone": "resnet50", "caffe_strides": True},
    "senet50": {"backbone": "legacy_seresnet50"},
}


def network(name: str, **more: Any) -> nn.Module:
    return dense_head_network(**{"num_classes": 7, "size": 224} | BACKBONES[name] | more)


def dense(before: int, after: int) -> int:
    return before * after + after


def head(inputs: int) -> int:
    return dense(inputs, 4096) + dense(4096, 1024) + dense(1024, 128) + dense(128, 7)


def vgg16() -> int:
    """Thirteen 3x3 convolutions with biases (Simonyan & Zisserman 2015, configuration D)."""
    widths = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    return sum(9 * before * after + after for before, after in pairwise(widths))


def resnet50(*, squeeze: bool) -> int:
    """Convolutions without biases, each with a scale and a shift; squeezes by 16 with biases (He 2016, Hu 2018)."""
    total, before = 7 * 7 * 3 * 64 + 2 * 64, 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        after = 4 * width
        for block in range(blocks):
            total += before * width + 2 * width + 9 * width * width + 2 * width + width * after + 2 * after
            total += (before * after + 2 * after) if block == 0 else 0
            total += (dense(after, after // 16) + dense(after // 16, after)) if squeeze else 0
            before = after
    return total


@pytest.mark.parametrize(
    ("name", "backbone", "inputs"),
    [
        ("vgg16", vgg16(), 7 * 7 * 512),
        ("resnet50", resnet50(squeeze=False), 2048),
        ("senet50", resnet50(squeeze=True), 2048),
    ],
)
def test_the_parameters_are_those_of_the_published_architecture(name, backbone, inputs):
    with torch.device("meta"):
        made = network(name)
    count = sum(parameter.numel() for parameter in made.parameters())
    assert count == backbone + head(inputs)
    known = {"vgg16": 121_806_663, "resnet50": 36_228_167, "senet50": 38_759_159}
    assert count == known[name]


def test_all_weights_are_trained():
    assert all(parameter.requires_grad for parameter in network("senet50", size=64).parameters())


@pytest.mark.parametrize("name", BACKBONES)
@torch.no_grad()
def test_it_makes_logits_of_its_size_and_nothing_else(name):
    made = network(name, size=[64, 96]).eval()
    assert made(torch.zeros(2, 3, 64, 96)).shape == (2, 7)
    with pytest.raises(ConfigError, match="needs images of 32 px"):
        network(name, size=31)


def test_the_head_is_the_one_of_the_study():
    layers = list(network("resnet50", size=64).head)
    assert [type(layer) for layer in layers] == [nn.Linear, nn.ReLU, nn.Dropout] * 3 + [nn.Linear]
    assert [layer.out_features for layer in layers if isinstance(layer, nn.Linear)] == [4096, 1024, 128, 7]
    assert {layer.p for layer in layers if isinstance(layer, nn.Dropout)} == {0.5}


def test_dense_layers_start_as_those_of_keras():
    for layer in network("resnet50", size=64).head:
        if isinstance(layer, nn.Linear):
            bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
            assert 0.95 * bound < float(layer.weight.detach().abs().max()) <= bound * (1 + 1e-6)  # float32
            assert not layer.bias.any()


@torch.no_grad()
def test_caffes_strides_halve_on_the_first_convolution_and_keep_the_odd_column():
    made, plain = network("resnet50").backbone, timm.create_model("resnet50", num_classes=0)
    x = torch.randn(1, 64, 112, 112)
    assert made.maxpool(x).shape == plain.maxpool(x).shape == (1, 64, 56, 56)
    assert not torch.equal(made.maxpool(x), plain.maxpool(x))
    for stage in (made.layer2, made.layer3, made.layer4):
        assert (stage[0].conv1.stride, stage[0].conv2.stride) == ((2, 2), (1, 1))
        assert {block.conv1.stride for block in stage[1:]} == {(1, 1)}
    assert made.layer1[0].conv1.stride == (1, 1)
    # SENet-50 has them from timm.
    assert network("senet50", size=64).backbone.layer2[0].conv1.stride == (2, 2)


@pytest.mark.parametrize("name", ["vgg16", "senet50"])
def test_caffes_strides_are_refused_where_there_is_no_such_stage(name):
    with pytest.raises(ConfigError, match=r"model\.caffe_strides: .* is no ResNet"):
        network(name, size=64, caffe_strides=True)


@torch.no_grad()
def test_weights_of_a_folder_are_found_by_the_name_of_the_backbone(tmp_path):
    source = network("resnet50", size=64).eval()
    torch.save(source.backbone.state_dict(), tmp_path / "resnet50.pth")
    loaded = network("resnet50", size=64, pretrained=str(tmp_path)).eval()
    x = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(loaded.backbone.forward_features(x), source.backbone.forward_features(x))
    with pytest.raises(ConfigError, match=r"there is no file .*legacy_seresnet50\.pth"):
        network("senet50", size=64, pretrained=str(tmp_path))
