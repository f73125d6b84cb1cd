"""Hydra makes launchers and sweepers only of classes that live in the `hydra_plugins` namespace."""

from __future__ import annotations

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

from occlufer.launchers import local, ray, slurm


class LocalLauncher(local.LocalLauncher):
    """`hydra/launcher=local`."""


class RayLauncher(ray.RayLauncher):
    """`hydra/launcher=ray`."""


class SlurmLauncher(slurm.SlurmLauncher):
    """`hydra/launcher=slurm`."""


class GridSweeper(BasicSweeper):  # type: ignore[misc]  # mypy does not follow Hydra's types
    """Hydra's sweeper, which composes every job before it starts the first: here one for each choice of groups."""

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Hydra's hook: raises Hydra's error for a choice that cannot be composed. Jobs have the same keys."""
        options = self.hydra_context.config_loader.get_group_options
        groups = (
            [place for place, word in enumerate(batch[0]) if options(word.partition("=")[0])] if batch else []
        )
        kinds = {tuple(words[place] for place in groups): words for words in batch}
        super().validate_batch_is_legal(list(kinds.values()))
