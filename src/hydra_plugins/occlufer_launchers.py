"""Hydra makes launchers only of classes that live in the `hydra_plugins` namespace: those of `occlufer.launchers`."""

from __future__ import annotations

from occlufer.launchers import local, ray, slurm


class LocalLauncher(local.LocalLauncher):
    """`hydra/launcher=local`."""


class RayLauncher(ray.RayLauncher):
    """`hydra/launcher=ray`."""


class SlurmLauncher(slurm.SlurmLauncher):
    """`hydra/launcher=slurm`."""
