"""Networks as files: safetensors and ONNX say themselves how they want their images, and answer as torch does."""

from __future__ import annotations

import dataclasses
import json

import hydra
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

from inference.network_fakes import small_network
from occlufer.building import build, plain
from occlufer.data.image_format import ImageFormat
from occlufer.data.view import FullImage
from occlufer.inference.description import METADATA_KEY, Description
from occlufer.inference.network import LoadedNetwork, load_network, write_weights
from occlufer.inference.onnx_file import read_onnx, write_onnx
from occlufer.settings import conf_folder
from occlufer.types import EXPRESSIONS, OccluferError, RunError

FULL = {"_target_": "occlufer.data.view.FullImage"}


def of_conf(words: list[str], size: int | list[int]) -> LoadedNetwork:
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        node = plain(
            hydra.compose("train", ["dataset=synthetic", f"image.size={size}".replace(" ", ""), *words]).model
        )
    torch.manual_seed(1)
    image = ImageFormat.create(size=size, channels=node.get("in_chans", 1), mean=0.5, std=0.25)
    network = build(node, num_classes=7).eval()
    return LoadedNetwork(network, Description(image, FullImage(), EXPRESSIONS, node, FULL, False, "test"))


@pytest.mark.parametrize(
    ("words", "size"),
    [
        (["model=plain_cnn"], 48),
        (["model=resnet10t"], 48),
        (["model=occlusion_aware"], 48),
        (["model=maskthefer"], [48, 96]),
        (["model=vgg16"], 32),
        (["model=timm", "model.backbone=vit_tiny_patch16_224", "+model.options={img_size: 64}"], 64),
    ],
    ids=["plain_cnn", "resnet10t", "occlusion_aware", "maskthefer", "vgg16", "vit"],
)
def test_onnx_answers_as_torch_does_at_any_batch(words, size, tmp_path):
    loaded = of_conf(words, size)
    path = tmp_path / "network.onnx"
    write_onnx(loaded.network, loaded.description, path)
    read = read_onnx(path)
    rng = np.random.default_rng(0)
    for batch in (1, 7, 64):
        shown = rng.normal(size=(batch, loaded.description.image.channels, *loaded.description.image.hw))
        expected, found = loaded.logits(shown.astype(np.float32)), read.logits(shown.astype(np.float32))
        assert found.shape == (batch, 7)
        np.testing.assert_allclose(found, expected, atol=1e-4 * max(1, np.abs(expected).max()))


def test_the_metadata_suffice_without_this_package(tmp_path):
    loaded = small_network()
    write_onnx(loaded.network, loaded.description, tmp_path / "n.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "n.onnx"))
    said = {name: json.loads(value) for name, value in session.get_modelmeta().custom_metadata_map.items()}
    assert said["size"] == [48, 48]
    assert said["channels"] == 1
    assert said["mean"] == [0.5]
    assert said["std"] == [0.25]
    assert said["classes"] == list(EXPRESSIONS)
    assert "values / 255" in said["range"]
    assert "468 points" in said["crop"]
    grey = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    by_words = ((grey / 255 - said["mean"][0]) / said["std"][0]).astype(np.float32)[None, None]
    by_us = loaded.description.image.to_array(np.repeat(grey[..., None], 3, 2))[None]
    np.testing.assert_allclose(session.run(None, {"image": by_words})[0], loaded.logits(by_us), atol=1e-3)


def test_safetensors_hold_half_precision_and_come_back(tmp_path):
    loaded = small_network(by_mesh=True)
    path = tmp_path / "n.safetensors"
    write_weights(loaded, path)
    back = load_network(path)
    assert (
        path.stat().st_size
        < 2.2 * sum(value.numel() for value in loaded.network.state_dict().values()) + 4000
    )
    assert back.description.view.margin == loaded.description.view.margin
    assert back.description.image == loaded.description.image
    shown = np.random.default_rng(0).normal(size=(3, 1, 48, 48)).astype(np.float32)
    np.testing.assert_allclose(back.logits(shown), loaded.logits(shown), rtol=0.02, atol=0.05)


@pytest.mark.parametrize("name", ["n.safetensors", "n.onnx"])
def test_what_is_no_network_is_refused(name, tmp_path):
    read = load_network if name.endswith("safetensors") else read_onnx
    with pytest.raises(RunError, match="There is no network file"):
        read(tmp_path / name)
    (tmp_path / name).write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(RunError, match="is damaged, or no"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"classes": ["anger"] * 7}, "differ"), ({"classes": ["anger", "fear"]}, "its metadata say"),
     ({"view": {"_target_": "occlufer.occlusion.none.NoOcclusion"}}, "its view is none"),
     ({"size": [64, 64]}, "its metadata say"), ({"size": "big"}, "image.size"), ({"format": 2}, "has format 2")],
)  # fmt: skip
def test_metadata_that_do_not_fit_their_network_are_refused(changed, told, tmp_path):
    loaded = small_network()
    write_onnx(loaded.network, loaded.description, tmp_path / "n.onnx")
    model = onnx.load(tmp_path / "n.onnx")
    for entry in model.metadata_props:
        if entry.key == METADATA_KEY:
            entry.value = json.dumps(json.loads(entry.value) | changed)
    onnx.save(model, tmp_path / "n.onnx")
    with pytest.raises(OccluferError, match=told):
        read_onnx(tmp_path / "n.onnx")


def test_a_file_names_its_run_and_no_folder_of_this_machine():
    description = dataclasses.replace(small_network().description, source="/home/me/outputs/study/run_seed0")
    assert json.loads(description.as_text())["source"] == "run_seed0"


def test_a_file_cannot_build_what_is_not_known(tmp_path):
    from safetensors.torch import save_file

    loaded = small_network()
    text = json.loads(loaded.description.as_text())
    text["model"] = {"_target_": "os.system", "command": "touch here"}
    save_file(
        loaded.network.state_dict(), tmp_path / "n.safetensors", metadata={METADATA_KEY: json.dumps(text)}
    )
    with pytest.raises(RunError, match=r"asks to build 'os\.system'"):
        load_network(tmp_path / "n.safetensors")
    save_file(loaded.network.state_dict(), tmp_path / "m.safetensors")
    with pytest.raises(RunError, match="does not say how it wants its images"):
        load_network(tmp_path / "m.safetensors")


def test_a_file_looks_nothing_up_outside_this_machine(tmp_path, monkeypatch):
    import timm
    from safetensors.torch import save_file

    loaded, path = small_network(), tmp_path / "n.safetensors"
    asked: list[bool] = []
    made = timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda *names, **more: asked.append(more["pretrained"]) or made(*names, **more)
    )

    def written(**model: str) -> None:
        text = json.loads(loaded.description.as_text())
        text["model"] = {
            "_target_": "occlufer.learning.models.timm_network.timm_network",
            "in_chans": 1,
        } | model
        save_file({"x": torch.zeros(1)}, path, metadata={METADATA_KEY: json.dumps(text)})

    written(backbone="hf_hub:somebody/network")
    with pytest.raises(RunError, match=r"trusted=\[hf_hub\]"):
        load_network(path)
    assert asked == []
    written(backbone="resnet10t", pretrained="hub")
    with pytest.raises(RunError, match="do not fit the network"):
        load_network(path)
    assert asked == [False]


def test_waiting_threads_sleep(tmp_path):
    """Else they hold the cores while the next face is looked for: twice the CPU time a face."""
    loaded = small_network()
    write_onnx(loaded.network, loaded.description, tmp_path / "n.onnx")
    options = read_onnx(tmp_path / "n.onnx").session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
