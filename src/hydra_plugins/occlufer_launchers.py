"""Hydra makes launchers and sweepers only of classes that live in the `hydra_plugins` namespace."""

from __future__ import annotations

from occlufer.launchers import grid, local, ray, slurm


class LocalLauncher(local.LocalLauncher):
    """`hydra/launcher=local`."""


class RayLauncher(ray.RayLauncher):
    """`hydra/launcher=ray`."""


class SlurmLauncher(slurm.SlurmLauncher):
    """`hydra/launcher=slurm`."""


class GridSweeper(grid.GridSweeper):
    """`hydra/sweeper=grid`."""
