"""Heat maps of networks of which it is known what they look at, and their shares on faces with known landmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import nn

from inference.network_fakes import portrait, small_network, small_onnx
from occlufer.data.image_format import ImageFormat
from occlufer.data.rendered import RenderedFace
from occlufer.data.view import FaceCrop, FullImage
from occlufer.inference.attribution import GRAD_CAM, INTEGRATED, Attribution, explainable, untrained
from occlufer.inference.description import Description
from occlufer.inference.heat import REGIONS, area_shares, mass_shares, overlay, regions
from occlufer.inference.network import LoadedNetwork, write_weights
from occlufer.learning.models.plain_cnn import plain_cnn
from occlufer.occlusion.controls import Box
from occlufer.occlusion.none import NoOcclusion
from occlufer.studies.uniform import UniformClassifier
from occlufer.synthesis.faces import draw_face
from occlufer.types import EXPRESSIONS, RunError, seeded_rng

SIZE = 48


def loaded(network: nn.Module, size: int = SIZE) -> LoadedNetwork:
    image = ImageFormat.create(size=size, channels=1, mean=0.5, std=0.25)
    model = {"_target_": "occlufer.learning.models.plain_cnn.plain_cnn", "in_chans": 1}
    node = {"_target_": "occlufer.data.view.FullImage"}
    return LoadedNetwork(
        network.eval(), Description(image, FullImage(), EXPRESSIONS, model, node, False, "a test")
    )


class SeesBright(nn.Module):
    """Class 0 where there is light, class 1 where there is none: the mean of a map of brightness, and its negative."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 4, stride=4, bias=False)
        nn.init.constant_(self.conv.weight, 1 / 16)
        self.act = nn.ReLU(inplace=True)

    def forward(self, image_BCHW: torch.Tensor) -> torch.Tensor:
        light_B = self.act(self.conv(image_BCHW)).mean(dim=(1, 2, 3))
        return torch.stack([light_B, -light_B], 1)


class SeesOneToken(nn.Module):
    """Class 0 by the brightness of one patch of 8 x 8 pixels alone, read off tokens as a ViT makes them."""

    def __init__(self, token: int) -> None:
        super().__init__()
        self.token = token
        self.patches = nn.Conv2d(1, 3, 8, stride=8)
        self.norm = nn.Identity()
        self.head = nn.Linear(3, 2)

    def forward(self, image_BCHW: torch.Tensor) -> torch.Tensor:
        tokens_BNC = self.norm(self.patches(image_BCHW).flatten(2).transpose(1, 2))
        return self.head(tokens_BNC[:, self.token])


def test_grad_cam_lies_where_the_light_is_and_on_nothing_for_the_other_answer():
    image = np.zeros((2, 1, SIZE, SIZE), np.float32)
    image[0, 0, 32:40, 8:16] = 2  # far from the middle, and rows are not columns
    image[1, 0, 8:16, 32:40] = 2
    attribution = Attribution(loaded(SeesBright()))
    assert (attribution.method, attribution.layer, attribution.cells) == (GRAD_CAM, "act", (12, 12))
    heat = attribution(image)  # explains what it answers: class 0
    assert heat.shape == (2, SIZE, SIZE)
    assert heat.sum(axis=(1, 2)) == pytest.approx([1, 1], abs=1e-5)
    assert heat[0, 28:44, 4:20].sum() > 0.99
    assert heat[1, 4:20, 28:44].sum() > 0.99
    assert not attribution(image, [1, 1]).any()  # light speaks against class 1
    assert np.isnan(mass_shares(attribution(image, [1, 1])[0], np.ones((5, SIZE, SIZE)) / 5)).all()


def test_integrated_gradients_lie_on_the_patch_that_counts():
    torch.manual_seed(1)
    attribution = Attribution(loaded(SeesOneToken(token=6 * 4 + 1)))  # fifth row of patches, second column
    assert (attribution.method, attribution.cells) == (INTEGRATED, (SIZE, SIZE))
    heat = attribution(np.random.default_rng(0).normal(size=(70, 1, SIZE, SIZE)).astype(np.float32))
    assert heat.shape == (70, SIZE, SIZE)  # more than a batch
    assert heat[:, 32:40, 8:16].sum(axis=(1, 2)) == pytest.approx(np.ones(70), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "size", "method", "cells"),
    [
        ("resnet18", 48, GRAD_CAM, (6, 6)),  # its last map is 2 x 2 there
        ("resnet18", 112, GRAD_CAM, (4, 4)),
        ("seresnet18", 64, GRAD_CAM, (4, 4)),  # its gates are convolutions of one value a channel
        ("convnext_atto", 96, GRAD_CAM, (6, 6)),
        ("vit_tiny_patch16_224", 32, INTEGRATED, (32, 32)),
    ],
)
def test_the_method_fits_the_network(name, size, method, cells):
    more = {"img_size": size} if "vit" in name else {}
    network = timm.create_model(name, num_classes=7, in_chans=1, **more)
    attribution = Attribution(loaded(network, size))
    assert (attribution.method, attribution.cells) == (method, cells)
    image = np.random.default_rng(0).normal(size=(2, 1, size, size)).astype(np.float32)
    heat = attribution(image)
    assert (heat >= 0).all()
    assert heat.sum(axis=(1, 2)) == pytest.approx([1, 1], abs=1e-5)
    assert np.abs(heat[0] - heat[1]).max() > 1e-5


def test_a_baseline_that_does_not_look_is_refused():
    network = UniformClassifier(num_classes=7)
    with pytest.raises(RunError, match="does not depend on the picture"):
        Attribution(loaded(network))


def test_the_untrained_copy_is_another_network_and_touches_no_other_draws():
    given = loaded(plain_cnn(num_classes=7))
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, same, other = (untrained(given.description, seed=seed) for seed in (5, 5, 6))
    assert torch.rand(1) == expected
    weights = [network.network.state_dict()["0.weight"] for network in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_what_can_be_explained(tmp_path: Path):
    onnx = small_onnx(tmp_path)
    with pytest.raises(RunError, match=r"knows no gradients.* put small\.safetensors .* beside it"):
        explainable(onnx)
    write_weights(small_network(), tmp_path / "small.safetensors")
    assert explainable(onnx).description.image.hw == (48, 48)
    shipped = Attribution(explainable())
    assert (shipped.method, shipped.cells) == (GRAD_CAM, (6, 6))


def rendered(occluder=None, size: int = 96) -> RenderedFace:
    face = draw_face(3, seed=11, difficulty="default", size=200)
    return RenderedFace(
        face.image_HWC, face.landmarks_N3, view=FaceCrop(), occluder=occluder or NoOcclusion(), hw=(size, size),
        rng=seeded_rng(0),
    )  # fmt: skip


def test_regions_divide_the_picture():
    face = rendered()
    found = regions(face)
    assert found.sum(axis=0) == pytest.approx(np.ones((96, 96)), abs=1e-5)
    assert found.min() >= -1e-6
    area = dict(zip(REGIONS, area_shares(found), strict=True))
    assert area["occluder"] == 0
    assert 0.02 < area["mouth"] < area["eyes"] < area["face"]
    mesh = face.landmarks_N3
    x, y = np.floor(mesh[13, :2]).astype(int)  # between the lips
    assert found[REGIONS.index("mouth"), y, x] == pytest.approx(1, abs=0.05)
    x, y = np.floor(mesh[[33, 133], :2].mean(axis=0)).astype(int)  # in the right eye
    assert found[REGIONS.index("eyes"), y, x] == pytest.approx(1, abs=0.05)


def test_what_an_occluder_covers_is_its_own():
    face = rendered(Box(region="eyes"))
    found = regions(face)
    assert found[0] == pytest.approx(face.alpha_HW)
    area = dict(zip(REGIONS, area_shares(found), strict=True))
    bare = dict(zip(REGIONS, area_shares(regions(rendered())), strict=True))
    assert area["eyes"] < 0.1 * bare["eyes"]
    assert area["mouth"] == pytest.approx(bare["mouth"], abs=0.005)
    heat = np.where(face.alpha_HW >= 0.5, 3.0, 0.0).astype(np.float32)
    assert mass_shares(heat, found)[0] > 0.98


def test_the_overlay_has_the_size_of_the_picture_and_is_bright_where_it_is_hot():
    picture = portrait(0, 120)
    heat = np.zeros((6, 6), np.float32)
    heat[1, 4] = 0.7
    painted = overlay(picture, heat)
    assert painted.shape == picture.shape
    apart = np.abs(painted.astype(int) - painted.astype(int).mean(axis=2, keepdims=True)).sum(axis=2)
    assert apart[25:35, 85:95].mean() > 20  # coloured
    assert apart[70:, :50].max() <= 1  # grey
    assert np.array_equal(overlay(picture, np.zeros((6, 6), np.float32))[..., 0],
                          overlay(picture, np.zeros((6, 6), np.float32))[..., 1])  # fmt: skip
