from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from occlufer.learning.models.timm_network import timm_network
from occlufer.types import EXPRESSIONS, ConfigError

TINY = "test_resnet"


def network(**settings: Any) -> nn.Module:
    return timm_network(**{"num_classes": 7, "backbone": TINY, "in_chans": 3} | settings).eval()


@pytest.fixture(scope="module")
def source() -> nn.Module:
    torch.manual_seed(0)
    made = network()
    with torch.no_grad():  # statistics of batch norm that are not those of a fresh network
        for name, value in made.state_dict().items():
            if name.endswith("running_mean"):
                value.normal_(0, 0.1)
    return made


@pytest.fixture(params=[".pth", ".safetensors"])
def weights(request, source, tmp_path) -> str:
    """A file that names the classes of its head."""
    path = tmp_path / f"weights{request.param}"
    if request.param == ".pth":
        torch.save({"state_dict": source.state_dict(), "classes": list(EXPRESSIONS)}, path)
    else:
        named = {"occlufer": json.dumps({"classes": EXPRESSIONS})}
        safetensors.torch.save_file(source.state_dict(), path, metadata=named)
    return str(path)


@pytest.mark.parametrize("in_chans", [1, 3])
def test_it_makes_logits(in_chans):
    assert network(in_chans=in_chans)(torch.zeros(2, in_chans, 32, 32)).shape == (2, 7)


@torch.no_grad()
def test_local_weights_are_taken(source, weights):
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(network(pretrained=weights)(x), source(x))


@torch.no_grad()
def test_an_rgb_stem_is_summed_for_grey(source, weights):
    """A grey image says what the same image in three equal channels said."""
    grey = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(
        network(pretrained=weights, in_chans=1)(grey),
        source(grey.expand(-1, 3, -1, -1)),
        rtol=1e-4,
        atol=1e-5,
    )


@torch.no_grad()
def test_another_head_is_made_anew_on_the_same_features(source, weights):
    x = torch.randn(2, 3, 32, 32)
    other = network(pretrained=weights, num_classes=5)
    assert other(x).shape == (2, 5)
    torch.testing.assert_close(other.forward_features(x), source.forward_features(x))


def test_a_wrapped_state_dict_is_read(source, tmp_path):
    path = tmp_path / "wrapped.pth"
    wrapped = {f"module.{name}": value for name, value in source.state_dict().items()}
    torch.save({"state_dict": wrapped, "epoch": 3}, path)
    loaded = network(pretrained=str(path)).state_dict()
    same = {name for name, value in source.state_dict().items() if torch.equal(value, loaded[name])}
    assert set(loaded) - same == {"fc.weight", "fc.bias"}  # its classes are not named


def test_weights_of_another_backbone_are_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save(timm_network(num_classes=7, backbone="test_vit", in_chans=3).state_dict(), path)
    with pytest.raises(ConfigError, match=r"other\.pth fits \d+ of the \d+ tensors.*another backbone"):
        network(pretrained=str(path))


@pytest.mark.parametrize("lost", ["running_mean", "running_var"])
def test_weights_without_the_statistics_of_a_norm_are_refused(source, tmp_path, lost):
    state = source.state_dict()
    name = next(name for name in state if name.endswith(lost))
    del state[name]
    path = tmp_path / "no_statistics.pth"
    torch.save(state, path)
    with pytest.raises(ConfigError, match=rf"lacks 1 tensors besides the head, such as {name}"):
        network(pretrained=str(path))


@torch.no_grad()
def test_files_without_counts_of_batches_are_taken(source, tmp_path):
    state = {name: value for name, value in source.state_dict().items() if "num_batches" not in name}
    assert len(state) < len(source.state_dict())
    path = tmp_path / "old.pth"
    torch.save(state, path)
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(network(pretrained=str(path)).forward_features(x), source.forward_features(x))


def test_weights_that_lack_a_layer_are_refused(source, tmp_path):
    state = {name: value for name, value in source.state_dict().items() if not name.startswith("layer4")}
    if len(state) == len(source.state_dict()):
        pytest.fail("this network has no layer4: choose another layer")
    path = tmp_path / "short.pth"
    torch.save(state, path)
    with pytest.raises(ConfigError, match=r"short\.pth (lacks|fits)"):
        network(pretrained=str(path))


class Code:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    "save",
    [lambda what, path: torch.save(what, path), lambda what, path: path.write_bytes(pickle.dumps(what))],
)
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, save):
    path, made = tmp_path / "code.pth", tmp_path / "made"
    save({"weight": Code(made)}, path)
    with pytest.raises(ConfigError, match=r"code\.pth is not a state dict that can be read as tensors only"):
        network(pretrained=str(path))
    assert not made.exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"model\.pretrained: there is no file .*none\.pth"):
        network(pretrained=str(tmp_path / "none.pth"))


def test_a_misspelt_backbone_is_told_a_near_one():
    with pytest.raises(ConfigError, match=r"Unknown backbone 'resnet10'\. Did you mean 'resnet10t'"):
        network(backbone="resnet10")


def test_an_unknown_option_is_refused():
    with pytest.raises(
        ConfigError, match=r"model\.options: test_resnet does not take one of \['drop_paths'\]"
    ):
        network(options={"drop_paths": 0.1})


def test_options_and_dropout_reach_the_network():
    made = timm_network(
        num_classes=7, backbone=TINY, in_chans=3, drop_rate=0.5, options={"global_pool": "max"}
    ).train()
    x = torch.randn(1, 3, 96, 96)
    assert not torch.equal(made(x.expand(2, -1, -1, -1))[0], made(x.expand(2, -1, -1, -1))[1])
    made.eval()
    plain = network(options={"global_pool": "avg"})
    plain.load_state_dict(made.state_dict())
    assert not torch.allclose(made(x), plain(x))
