"""A network that estimates what is covered, and the objective that teaches it."""

from __future__ import annotations

import functools

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from occlufer.learning.models.occlusion_aware import OcclusionAware, occlusion_aware
from occlufer.learning.models.plain_cnn import plain_cnn
from occlufer.learning.module import ExpressionClassifier
from occlufer.learning.objectives.base import Outputs
from occlufer.learning.objectives.occlusion_aware import OcclusionAwareLoss, covered_places
from occlufer.learning.schedules import constant
from occlufer.types import ConfigError


def small() -> OcclusionAware:
    torch.manual_seed(0)
    return occlusion_aware(num_classes=7, network=functools.partial(plain_cnn, widths=[4, 8]))


@pytest.mark.parametrize("backbone", ["resnet10t", "mobilenetv3_small_050"])
def test_any_network_that_averages_a_map_can_be_made_so(backbone):
    network = OcclusionAware(timm.create_model(backbone, num_classes=7, in_chans=3), in_chans=3)
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 7)
    assert network.covered_logits_BHW.shape == (2, 2, 2)


def test_a_network_without_a_map_is_refused():
    with pytest.raises(ConfigError, match=r"averages|takes none"):
        OcclusionAware(nn.Sequential(nn.Flatten(), nn.Linear(64 * 64, 7)), in_chans=1)


def test_an_even_estimate_changes_nothing():
    network = small().eval()
    nn.init.zeros_(network.estimate.weight)
    image = torch.rand(3, 1, 48, 48)
    said = network(image)
    torch.manual_seed(0)
    torch.testing.assert_close(said, plain_cnn(num_classes=7, widths=[4, 8]).eval()(image))


def test_a_place_that_looks_covered_is_left_out():
    """Where only the left half of the map looks bare, the mean is that of the left half."""
    network = small().eval()
    map_BCHW = torch.rand(1, 8, 2, 4)
    network.estimate.forward = lambda _: torch.tensor([-40.0, -40.0, 40.0, 40.0]).expand(1, 1, 2, 4)
    weighted = network._weighted(nn.Identity(), (map_BCHW,))
    torch.testing.assert_close(weighted.mean((2, 3)), map_BCHW[..., :2].mean((2, 3)))


def test_the_estimate_is_compared_with_where_a_pair_differs():
    clean = torch.zeros(1, 1, 4, 4)
    image = clean.clone()
    image[..., :2, :2] = 1.0
    image[..., 3, 3] = 0.01  # less than what counts
    torch.testing.assert_close(covered_places(image, clean, (2, 2)), torch.tensor([[[1.0, 0], [0, 0]]]))
    objective = OcclusionAwareLoss(class_counts=[1] * 7, weight=2.0)
    logits, labels, said = torch.rand(1, 7), torch.tensor([3]), torch.tensor([[[0.5, -1.0], [2.0, 0.0]]])
    found = objective(
        Outputs(logits, covered_logits_BHW=said), {"label": labels, "image": image, "clean": clean}
    )
    truth = torch.tensor([[[1.0, 0], [0, 0]]])
    by_hand = -(truth * torch.sigmoid(said).log() + (1 - truth) * torch.sigmoid(-said).log()).mean()
    torch.testing.assert_close(found, F.cross_entropy(logits, labels) + 2 * by_hand)
    torch.testing.assert_close(objective(Outputs(logits), {"label": labels}), F.cross_entropy(logits, labels))


def test_it_learns_where_the_occluder_lies():
    network, objective = small(), OcclusionAwareLoss(class_counts=[1] * 7, weight=1.0)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    rng = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(60):
        clean = torch.rand(16, 1, 16, 16, generator=rng) - 0.5
        image = clean.clone()
        image[::2, :, 8:] = 2.0
        batch = {"image": image, "clean": clean, "label": torch.zeros(16, dtype=torch.int64)}
        loss = objective(Outputs(network(image), covered_logits_BHW=network.covered_logits_BHW), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 < losses[0]
    network.train()
    network(image)
    covered = torch.sigmoid(network.covered_logits_BHW)
    assert covered[::2, 2:].min() > 0.8 > 0.2 > covered[1::2].max()


def test_the_objective_wants_the_network_that_goes_with_it():
    with pytest.raises(ConfigError, match="Add model=occlusion_aware"):
        ExpressionClassifier(
            network=plain_cnn(num_classes=7), objective=OcclusionAwareLoss(class_counts=[1] * 7),
            optimizer=torch.optim.SGD, scheduler=constant, classes=7, seed=0,
        )  # fmt: skip
