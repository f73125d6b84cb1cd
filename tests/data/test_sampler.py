from __future__ import annotations

from itertools import chain

import pytest

from occlufer.data.sampler import FaceSampler


def positions(*, count: int, shuffle: bool, replicas: int, epoch: int = 0, seed: int = 0) -> list[list[int]]:
    """Each device's positions in one epoch."""
    devices = []
    for rank in range(replicas):
        sampler = FaceSampler(count=count, seed=seed, shuffle=shuffle, rank=rank, replicas=replicas)
        sampler.set_epoch(epoch)
        tickets = list(sampler)
        assert len(tickets) == len(sampler)
        assert {told for told, _ in tickets} <= {epoch}
        devices.append([position for _, position in tickets])
    return devices


@pytest.mark.parametrize("replicas", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [0, 1, 3, 11, 12])
def test_evaluation_meets_every_face_exactly_once(count, replicas):
    devices = positions(count=count, shuffle=False, replicas=replicas)
    assert sorted(chain.from_iterable(devices)) == list(range(count))
    assert all(device == sorted(device) for device in devices)


@pytest.mark.parametrize("replicas", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 3, 11, 12])
def test_training_gives_all_devices_equally_much_and_leaves_no_face_out(count, replicas):
    devices = positions(count=count, shuffle=True, replicas=replicas, epoch=2)
    assert len({len(device) for device in devices}) == 1
    together = list(chain.from_iterable(devices))
    assert set(together) == set(range(count))
    # Only the filling is met twice: less than one face a device.
    assert len(together) - count < replicas


@pytest.mark.parametrize("replicas", [2, 3, 4])
def test_devices_do_not_overlap_where_the_count_divides(replicas):
    devices = positions(count=12 * replicas, shuffle=True, replicas=replicas)
    assert len(set(chain.from_iterable(devices))) == 12 * replicas


def test_the_order_follows_seed_and_epoch():
    orders = {
        (seed, epoch): tuple(positions(count=30, shuffle=True, replicas=1, seed=seed, epoch=epoch)[0])
        for seed in (0, 1) for epoch in (0, 1, 2)
    }  # fmt: skip
    assert len(set(orders.values())) == 6
    assert orders[1, 2] == tuple(positions(count=30, shuffle=True, replicas=1, seed=1, epoch=2)[0])


def test_four_devices_share_the_order_of_one():
    (alone,) = positions(count=12, shuffle=True, replicas=1, epoch=3)
    shares = positions(count=12, shuffle=True, replicas=4, epoch=3)
    assert [position for step in zip(*shares, strict=True) for position in step] == alone
