"""Where a network looks: heat maps of what its answer rests on. Needs torch and captum.

Networks of convolutions are asked by Grad-CAM (Selvaraju et al., ICCV 2017, doi 10.1109/ICCV.2017.74) at their last
convolution whose map can still tell eyes from mouth; networks of tokens, such as ViTs, by integrated gradients
(Sundararajan et al., ICML 2017, arXiv 1703.01365) from a picture of the mean grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from occlufer.inference.description import SHIPPED, Description
from occlufer.inference.network import LoadedNetwork, from_description, load_network
from occlufer.types import FloatArray, IntArray, RunError

GRAD_CAM, INTEGRATED = "Grad-CAM", "integrated gradients"
_LEAST_CELLS = 16  # of a convolution's map: in a coarser one the eyes and the mouth lie in one cell
_STEPS = 24  # of the path that gradients are integrated along
_BATCH = 64


@dataclass(frozen=True, slots=True)
class _Seen:
    """A module that gave a tensor of some shape in a forward pass."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]

    @property
    def cells(self) -> int:
        """Places of a convolution's map (B, C, h, w)."""
        return self.shape[2] * self.shape[3]


class Attribution:
    """Heat maps of one network.

    Args:
        loaded: the network; it stays as it is, on its device.

    Attributes:
        method: "Grad-CAM" or "integrated gradients".
        layer: where Grad-CAM looks, a name of `network.named_modules()`; "" for integrated gradients.
        cells: height and width of that layer's map, or of the input: how finely it can tell places apart.

    Raises:
        RunError: its answer does not depend on the picture, as that of a baseline.
    """

    def __init__(self, loaded: LoadedNetwork) -> None:
        self._network = loaded.network
        image = loaded.description.image
        self._example = torch.zeros(1, image.channels, *image.hw, device=self._device)
        found = _map_of_convolutions(self._network, self._example)
        self.method = GRAD_CAM if found else INTEGRATED
        self.layer = found.name if found else ""
        self._layer: nn.Module | None = found.module if found else None
        self.cells = (found.shape[2], found.shape[3]) if found else image.hw
        if not self._depends():
            raise RunError(
                f"{loaded.description.source}: its answer does not depend on the picture, so there is nothing to "
                "explain. Choose a network that looks at faces."
            )

    @property
    def _device(self) -> torch.device:
        return next(self._network.parameters(), torch.empty(0)).device

    def _depends(self) -> bool:
        """Whether the answer has a slope anywhere, on a picture of noise."""
        noise = torch.randn(self._example.shape, generator=torch.Generator().manual_seed(0)).to(self._device)
        with torch.enable_grad():
            answer_1K = self._network(noise.requires_grad_())
            if not answer_1K.requires_grad:
                return False
            (slope,) = torch.autograd.grad(answer_1K.square().sum(), noise, allow_unused=True)
        return slope is not None and bool(slope.any())

    def __call__(
        self, image_BCHW: FloatArray, target_B: IntArray | Sequence[int] | None = None
    ) -> FloatArray:
        """How much each pixel speaks for an answer.

        Args:
            image_BCHW: normalised images, float32, as `ImageFormat.to_array` makes them.
            target_B: the answers that are explained, indices of the classes; None: what the network answers.

        Returns:
            float32 (B, H, W): 0 or more, each map's sum is 1; all 0 where nothing speaks for the answer.
        """
        maps = []
        for start in range(0, len(image_BCHW), _BATCH):
            shown_BCHW = torch.from_numpy(np.ascontiguousarray(image_BCHW[start : start + _BATCH]))
            shown_BCHW = shown_BCHW.to(self._device)
            if target_B is None:
                with torch.no_grad():
                    target = self._network(shown_BCHW).argmax(1)
            else:
                target = torch.tensor([int(target) for target in target_B[start : start + _BATCH]]).to(
                    self._device
                )
            with torch.enable_grad():
                maps.append(self._heat(shown_BCHW, target).detach().float().cpu())
        heat_BHW = torch.cat(maps).numpy() if maps else np.zeros((0, *self._example.shape[2:]), np.float32)
        total_B11 = heat_BHW.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
        normed: FloatArray = (heat_BHW / np.where(total_B11 > 0, total_B11, 1)).astype(np.float32)
        return normed

    def _heat(self, shown_BCHW: torch.Tensor, target_B: torch.Tensor) -> torch.Tensor:
        from captum.attr import IntegratedGradients, LayerGradCam  # half a second: for those who explain

        if self._layer is not None:
            cam = LayerGradCam(self._network, self._layer)
            heat_B1hw: torch.Tensor = cam.attribute(shown_BCHW, target=target_B, relu_attributions=True)
            hw = shown_BCHW.shape[2:]
            return functional.interpolate(heat_B1hw, size=hw, mode="bilinear", align_corners=False)[:, 0]
        found_BCHW: torch.Tensor = IntegratedGradients(self._network).attribute(
            shown_BCHW, target=target_B, n_steps=_STEPS, internal_batch_size=_BATCH
        )
        return found_BCHW.sum(1).clamp(min=0)


def _map_of_convolutions(network: nn.Module, example_1CHW: torch.Tensor) -> _Seen | None:
    """What Grad-CAM looks at: the last convolution that is fine enough, with the normalisation, sum and activation that
    follow at its size. None where tokens (B, N, C) follow the convolutions, or where there are none.
    """
    seen: list[_Seen] = []

    def note(name: str, module: nn.Module, output: object) -> None:
        if isinstance(output, torch.Tensor):
            seen.append(_Seen(name, module, tuple(output.shape)))

    hooks = [
        module.register_forward_hook(lambda module, _, output, name=name: note(name, module, output))
        for name, module in network.named_modules()
        if name
    ]
    try:
        with torch.no_grad():
            network(example_1CHW)
    finally:
        for hook in hooks:
            hook.remove()
    convolutions = [place for place, item in enumerate(seen) if isinstance(item.module, nn.Conv2d)]
    wide = [place for place in convolutions if seen[place].cells > 1]  # without gates of one value a channel
    if not wide or any(len(item.shape) == 3 and item.shape[1] > 1 for item in seen[wide[-1] :]):
        return None
    fine = [place for place in wide if seen[place].cells >= _LEAST_CELLS]
    place = fine[-1] if fine else max(wide, key=lambda place: seen[place].cells)
    return [item for item in seen[place:] if item.shape == seen[place].shape][-1]


def untrained(description: Description, *, seed: int) -> LoadedNetwork:
    """The network with random weights: what a heat map shows before anything was learnt.

    Maps that look alike for both say more of the method and the architecture than of what was learnt: Adebayo et al.,
    *Sanity checks for saliency maps*, NeurIPS 2018, arXiv 1810.03292.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return from_description(description)


def explainable(source: str | Path | None = None, *, trusted: Sequence[str] = ()) -> LoadedNetwork:
    """The network of `predictor.open_network` with its gradients: the shipped one (None), a run, or a file.

    Raises:
        RunError: an ONNX file, which knows no gradients, without the safetensors of the same export beside it.
    """
    if source is None:
        source = next(iter(sorted(SHIPPED.glob("*.safetensors"))), None)
        if source is None:
            raise RunError("No network comes with this build of occlufer. Give one: --run outputs/STUDY/RUN.")
    path = Path(source).expanduser()
    if path.suffix == ".onnx":
        beside = path.with_suffix(".safetensors")
        if not beside.is_file():
            raise RunError(
                f"{path} is an ONNX file, which knows no gradients, and an explanation needs them. Give the run that "
                f"it was made of (--run outputs/STUDY/RUN), or put {beside.name} of the same export beside it."
            )
        path = beside
    return load_network(path, trusted=trusted)
