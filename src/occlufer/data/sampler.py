"""The order of faces: the same on any number of workers, a share of it on each of several devices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np
from torch.utils.data import Sampler

from occlufer.data.faces import Ticket
from occlufer.types import IntArray, seeded_rng


@final
class FaceSampler(Sampler[Ticket]):
    """Hands out (epoch, position) for one of `replicas` devices.

    In training (`shuffle`) every device gets equally many faces, since ddp waits for all of them: where the number of
    faces cannot be divided, the first ones of the order come twice. In evaluation every face comes exactly once.

    Args:
        count: number of faces.
        seed: of the order.
        shuffle: a new order every epoch, for training.
        rank, replicas: this device, and how many there are.
    """

    def __init__(self, *, count: int, seed: int, shuffle: bool, rank: int = 0, replicas: int = 1) -> None:
        assert 0 <= rank < replicas
        self.count, self.seed, self.shuffle = count, seed, shuffle
        self.rank, self.replicas = rank, replicas
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch, also after a resume."""
        self.epoch = epoch

    def _order(self) -> IntArray:
        if not self.shuffle:
            return np.arange(self.count)[self.rank :: self.replicas]
        order = seeded_rng(self.seed, self.epoch).permutation(self.count)
        even = -(-self.count // self.replicas) * self.replicas
        return np.resize(order, even)[self.rank :: self.replicas]

    def __iter__(self) -> Iterator[Ticket]:
        return iter([(self.epoch, int(position)) for position in self._order()])

    def __len__(self) -> int:
        if self.shuffle:
            return -(-self.count // self.replicas)
        return len(range(self.rank, self.count, self.replicas))
