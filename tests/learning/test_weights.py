"""Weights of one's own: what is taken, adapted and left out, and files that are something else."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from occlufer.learning.models.plain_cnn import plain_cnn
from occlufer.learning.models.timm_network import timm_network
from occlufer.learning.models.weights import unused_weights
from occlufer.types import EXPRESSIONS, ConfigError

FER2013_ORDER = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
SMALL = {"num_classes": 7, "widths": [4, 8]}


@pytest.fixture(scope="module")
def source() -> nn.Module:
    torch.manual_seed(0)
    return plain_cnn(**SMALL).eval()


def filled(path: Path, **more: object) -> nn.Module:
    torch.manual_seed(1)
    return plain_cnn(**SMALL | more, pretrained=str(path)).eval()


def a_run(folder: Path, network: nn.Module, *, finished: bool = True) -> Path:
    """What of a run folder counts here."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text("model: {}\n")
    state = {f"network.{name}": value for name, value in network.state_dict().items()}
    state["objective.weight"] = torch.ones(7)
    torch.save({"state_dict": state, "epoch": 3}, folder / "checkpoints" / "best.ckpt")
    if finished:
        (folder / "run.json").write_text("{}")
    return folder


@torch.no_grad()
def test_a_finished_run_gives_all_of_its_network(source, tmp_path, capsys):
    x = torch.randn(2, 1, 16, 16)
    run = a_run(tmp_path / "run", source)
    torch.testing.assert_close(filled(run)(x), source(x))
    said = " ".join(capsys.readouterr().err.split())
    total = len(source.state_dict())
    assert f"{total} of the network's {total} tensors are taken" in said
    assert "the head is taken by the names of its classes" in said
    assert "no place" not in said  # the objective's tensors are none of the network
    torch.testing.assert_close(filled(run / "checkpoints" / "best.ckpt")(x), source(x))


def test_an_unfinished_run_and_one_without_checkpoints_are_refused(source, tmp_path):
    with pytest.raises(ConfigError, match=r"is not finished\. Finish it first"):
        filled(a_run(tmp_path / "begun", source, finished=False))
    run = a_run(tmp_path / "run", source)
    (run / "checkpoints" / "best.ckpt").unlink()
    with pytest.raises(ConfigError, match="has no checkpoint any more"):
        filled(run)


@torch.no_grad()
def test_a_head_in_another_order_is_sorted_by_name(source, tmp_path, capsys):
    order = [EXPRESSIONS.index(name) for name in FER2013_ORDER]
    state = dict(source.state_dict())
    for leaf in ("weight", "bias"):
        name = f"{len(source) - 1}.{leaf}"
        state[name] = torch.cat([state[name][order], state[name][:1] + 5])
    torch.save(
        {"state_dict": state, "classes": [*map(str.title, FER2013_ORDER), "contempt"]}, tmp_path / "w.pth"
    )
    x = torch.randn(2, 1, 16, 16)
    torch.testing.assert_close(filled(tmp_path / "w.pth")(x), source(x))
    assert "without contempt" in capsys.readouterr().err


@torch.no_grad()
@pytest.mark.parametrize("classes", [None, ["cat", "dog", *EXPRESSIONS[:5]]])
def test_a_head_of_unknown_classes_is_new(source, tmp_path, capsys, classes):
    """As many outputs as we have, in an order that nobody knows: it would answer, and wrongly."""
    found = (
        source.state_dict() if classes is None else {"state_dict": source.state_dict(), "classes": classes}
    )
    torch.save(found, tmp_path / "w.pth")
    made = filled(tmp_path / "w.pth")
    assert not torch.equal(made[-1].weight, source[-1].weight)
    assert torch.equal(made[0].weight, source[0].weight)
    said = " ".join(capsys.readouterr().err.split())
    assert "the head is new: the file's has 7 outputs" in said
    assert ("does not name" if classes is None else "cat, dog") in said


@torch.no_grad()
def test_grey_and_colour_fit_each_other(source, tmp_path, capsys):
    grey = torch.randn(2, 1, 16, 16)
    run = a_run(tmp_path / "grey", source)
    torch.testing.assert_close(
        filled(run, in_chans=3)(grey.expand(-1, 3, -1, -1)), source(grey), rtol=1e-4, atol=1e-5
    )
    assert "shared out over red, green and blue" in capsys.readouterr().err
    colour = plain_cnn(**SMALL, in_chans=3).eval()
    run = a_run(tmp_path / "colour", colour)
    torch.testing.assert_close(filled(run)(grey), colour(grey.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)
    assert "summed over red, green and blue for grey" in capsys.readouterr().err


@pytest.mark.parametrize("shape", [(4, 1, 5, 5), (4, 4, 3, 3), (9, 1, 3, 3)])
def test_other_stems_are_refused_in_our_words(source, tmp_path, shape):
    torch.save(dict(source.state_dict()) | {"0.weight": torch.zeros(shape)}, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match=rf"first convolution .* is {shape[0]} filters of {shape[2]}x{shape[2]} on "
                       rf"{shape[1]} channel.*this network's is 4 filters of 3x3 on 1 channel"):  # fmt: skip
        filled(tmp_path / "w.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(source, tmp_path, value):
    state = {name: tensor.clone() for name, tensor in source.state_dict().items()}
    state["3.weight"][0, 0, 0, 0] = value
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match=r"not finite in 1 tensors, such as 3\.weight.*diverged"):
        filled(tmp_path / "w.pth")


def test_what_has_no_place_is_counted(source, tmp_path, capsys):
    torch.save(dict(source.state_dict()) | {"extra.weight": torch.zeros(2)}, tmp_path / "w.pth")
    filled(tmp_path / "w.pth")
    assert "1 of the file have no place in this network (extra.weight)" in " ".join(
        capsys.readouterr().err.split()
    )


def test_files_are_read_by_what_they_are(source, tmp_path):
    """Not by their names: safetensors called .pth, and the other way round."""
    safetensors.torch.save_file(source.state_dict(), tmp_path / "w.pth")
    torch.save(source.state_dict(), tmp_path / "w.safetensors")
    for name in ("w.pth", "w.safetensors"):
        assert torch.equal(filled(tmp_path / name)[0].weight, source[0].weight)


def other_file(kind: str, path: Path, source: nn.Module) -> None:
    torch.save(source.state_dict(), path)
    whole = path.read_bytes()
    contents = {
        "empty": b"",
        "html": b"\n<!DOCTYPE html><html><body>Quota exceeded</body></html>",
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123\n",
        "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "gzip": gzip.compress(whole),
        "json": json.dumps({"architecture": "resnet18"}).encode(),
        "cut": whole[: len(whole) // 2],
        "text": b"weights will follow",
    }
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("weights/w.pth", whole)
    elif kind == "list":
        torch.save([1, 2, 3], path)
    else:
        path.write_bytes(contents[kind])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("empty", "is empty"),
        ("html", "is a web page"),
        ("lfs", "pointer of git-lfs.*git lfs pull"),
        ("hdf5", "HDF5 file, as Keras"),
        ("gzip", "gzip archive: unpack it first"),
        ("zip", "zip archive: unpack it first"),
        ("json", "JSON file"),
        ("cut", "cut short"),
        ("text", "is not a state dict"),
        ("list", "holds list, not a state dict"),
    ],
)
def test_other_files_are_named_as_what_they_are(source, tmp_path, kind, words):
    path = tmp_path / "w.pth"
    other_file(kind, path, source)
    with pytest.raises(ConfigError, match=rf"model\.pretrained: .*w\.pth.*{words}"):
        filled(path)


def test_an_onnx_file_is_told_from_weights(tmp_path):
    (tmp_path / "w.onnx").write_bytes(b"\x08\x08")
    with pytest.raises(ConfigError, match=r"ONNX file: give the run"):
        filled(tmp_path / "w.onnx")


def test_names_that_carry_weights_are_told_when_they_are_not_taken():
    said = unused_weights({"backbone": "resnet18.a1_in1k", "pretrained": None})
    assert "begins from random ones" in said
    assert "model.pretrained=hub" in said
    assert unused_weights({"backbone": "hf_hub:someone/net", "pretrained": None})
    assert not unused_weights({"backbone": "resnet18.a1_in1k", "pretrained": "hub"})
    assert not unused_weights({"backbone": "resnet18", "pretrained": None})
    assert not unused_weights({"widths": [16]})


@torch.no_grad()
def test_a_timm_network_takes_a_run_under_the_names_of_timm(tmp_path):
    torch.manual_seed(0)
    made = timm_network(num_classes=7, backbone="test_resnet", in_chans=1).eval()
    run = a_run(tmp_path / "run", made)
    again = timm_network(num_classes=7, backbone="test_resnet", in_chans=1, pretrained=str(run)).eval()
    x = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(again(x), made(x))
