"""The seven optimisers of study A take the steps that Keras 2.10 takes by default; its formulas stand here in numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hydra
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from occlufer.building import build
from occlufer.commands.options import group_options
from occlufer.settings import conf_folder

EPS = 1e-7
STEPS = 25
Update = Callable[[float, np.ndarray, dict[str, np.ndarray]], np.ndarray]
"""(rate, gradient, slots) -> what is added to the weights. Slots are changed in place; `slots["t"]` counts from 1."""


def sgd(rate: float, g: np.ndarray, s: dict[str, Any]) -> np.ndarray:
    return -rate * g


def rmsprop(rate: float, g: np.ndarray, s: dict[str, Any]) -> np.ndarray:
    s["rms"] = 0.9 * s.get("rms", 0) + 0.1 * g**2
    return -rate * g / (np.sqrt(s["rms"]) + EPS)


def adagrad(rate: float, g: np.ndarray, s: dict[str, Any]) -> np.ndarray:
    s["sum"] = s.get("sum", 0.1) + g**2
    return -rate * g / (np.sqrt(s["sum"]) + EPS)


def adadelta(rate: float, g: np.ndarray, s: dict[str, Any]) -> np.ndarray:
    s["g"] = 0.95 * s.get("g", 0) + 0.05 * g**2
    step = np.sqrt(s.get("d", 0) + EPS) / np.sqrt(s["g"] + EPS) * g
    s["d"] = 0.95 * s.get("d", 0) + 0.05 * step**2
    return -rate * step


def moments(g: np.ndarray, s: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g**2
    return s["m"], s["v"]


def adam(rate: float, g: np.ndarray, s: dict[str, Any]) -> np.ndarray:
    m, v = moments(g, s)
    return -rate * np.sqrt(1 - 0.999 ** s["t"]) / (1 - 0.9 ** s["t"]) * m / (np.sqrt(v) + EPS)


def adamax(rate: float, g: np.ndarray, s: dict[str, Any]) -> np.ndarray:
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["u"] = np.maximum(0.999 * s.get("u", 0), np.abs(g))
    return -rate / (1 - 0.9 ** s["t"]) * s["m"] / (s["u"] + EPS)


def nadam(rate: float, g: np.ndarray, s: dict[str, Any]) -> np.ndarray:
    m, v = moments(g, s)
    now, then = (0.9 * (1 - 0.5 * 0.96 ** (0.004 * t)) for t in (s["t"], s["t"] + 1))
    s["schedule"] = s.get("schedule", 1.0) * now
    mean = (1 - now) * g / (1 - s["schedule"]) + then * m / (1 - s["schedule"] * then)
    return -rate * mean / (np.sqrt(v / (1 - 0.999 ** s["t"])) + EPS)


KERAS: dict[str, tuple[Update, float]] = {
    "sgd": (sgd, 0.01), "rmsprop": (rmsprop, 0.001), "adagrad": (adagrad, 0.001), "adadelta": (adadelta, 0.001),
    "adam": (adam, 0.001), "adamax": (adamax, 0.001), "nadam": (nadam, 0.001),
}  # fmt: skip


def gradients() -> np.ndarray:
    """Of the sizes that networks see: far above the eps of every formula."""
    return np.random.default_rng(0).normal(size=(STEPS, 6)) * np.array([1, 0.1, 0.01, 1, 3, 0.5])


def expected(name: str, rate: float) -> np.ndarray:
    weights, slots = np.zeros(6), {}
    for step, gradient in enumerate(gradients(), start=1):
        slots["t"] = step
        weights = weights + KERAS[name][0](rate, gradient, slots)
    return weights


def node(name: str) -> Any:
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        config = hydra.compose("train", [f"optimizer=keras_{name}"])
    return OmegaConf.to_container(config.optimizer, resolve=True)


def stepped(made: Any) -> np.ndarray:
    weights = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    # As the classifier hands them over: biases and norms in a group that says "no decay".
    optimizer = made([{"params": [weights], "weight_decay": 0.0}])
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0}
    assert optimizer.defaults.get("weight_decay", 0) == 0
    for gradient in gradients():
        weights.grad = torch.from_numpy(gradient)
        optimizer.step()
    return weights.detach().numpy()


def test_they_are_the_seven_of_the_study():
    assert [f"keras_{name}" for name in sorted(KERAS)] == [
        name for name in group_options("optimizer") if name.startswith("keras_")
    ]


@pytest.mark.parametrize("name", KERAS)
def test_steps_are_those_of_keras(name):
    settings = node(name)
    assert settings["lr"] == KERAS[name][1]
    assert settings.get("eps", EPS) == EPS
    # Adam: eps stands elsewhere in torch, which tells by its size over the gradient's; see the YAML file.
    tolerance = 2e-3 if name == "adam" else 1e-5
    np.testing.assert_allclose(stepped(build(settings)), expected(name, settings["lr"]), rtol=tolerance)


@pytest.mark.parametrize("name", [name for name in KERAS if name != "sgd"])
def test_torchs_own_defaults_would_be_seen(name):
    """Guards the comparison above: without the mapped settings the steps are others."""
    settings = node(name)
    if name in ("adam", "adamax", "nadam"):
        settings["betas"] = [0.9, 0.99]
    else:
        settings = {key: settings[key] for key in ("_target_", "_partial_", "lr")}
    found, wanted = stepped(build(settings)), expected(name, settings["lr"])
    assert np.abs(found / wanted - 1).max() > 0.005
