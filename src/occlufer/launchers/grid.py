"""The sweeper of grids: mistakes are told before the first job starts, and in our words alone."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import CompactHydraException

from occlufer.commands.held import let_go
from occlufer.launchers.base import SweepLauncher
from occlufer.launchers.jobs import Job, Phase, Planner, list_jobs
from occlufer.reading import printable


class GridSweeper(BasicSweeper):  # type: ignore[misc]  # mypy does not follow Hydra's types
    """Hydra's sweeper, which composes every job before it starts the first: here one for each choice of groups."""

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Hydra's hook: raises Hydra's error for a choice that cannot be composed. Jobs have the same keys.

        Where jobs run one after the other in this process, hours may pass before the last is looked at: each is checked
        now. Our launchers check each as it is planned, and leave out those that cannot be run.
        """
        options = self.hydra_context.config_loader.get_group_options
        groups = (
            [place for place, word in enumerate(batch[0]) if options(word.partition("=")[0])] if batch else []
        )
        kinds = {tuple(words[place] for place in groups): words for words in batch}
        super().validate_batch_is_legal(list(kinds.values()))
        let_go()  # what Hydra said until here was about the words
        if not isinstance(self.launcher, SweepLauncher) and self.config.hydra.job.name == "train":
            self._check(batch)

    def sweep(self, arguments: list[str]) -> Any:
        """Hydra's hook: runs the grid. Jobs that failed end it with our sentences, without words of Hydra's."""
        launcher = self.launcher
        launch = launcher.launch

        def launched(jobs: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
            returns: Sequence[JobReturn] = launch(jobs, initial_job_idx=initial_job_idx)
            errors = [_error(made) for made in returns]
            if all(error is None or isinstance(error, CompactHydraException) for error in errors):
                pairs = zip(list_jobs(jobs, initial_job_idx), errors, strict=True)
                told = [(job, str(error)) for job, error in pairs if error is not None]
                _end_with(told, len(jobs), named=not isinstance(launcher, SweepLauncher))
            return returns

        launcher.launch = launched
        return super().sweep(arguments)

    def _check(self, batch: Sequence[Sequence[str]]) -> None:
        planner, jobs = Planner(self.hydra_context.config_loader, self.config), list_jobs(batch, 0)
        for job in jobs:
            planner.resolve(job)
        _end_with([(job, job.reason) for job in jobs if job.phase == Phase.FAILED], len(jobs), named=True)


def _error(made: JobReturn) -> Exception | None:
    """What a job failed with; Hydra tells the terminal whenever it is asked for it."""
    if made.status != JobStatus.FAILED:
        return None
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            _ = made.return_value
        except Exception as error:
            return error
    return None


def _end_with(told: Sequence[tuple[Job, str]], count: int, *, named: bool) -> None:
    """Raise `SystemExit` with what went wrong, a line for each sentence; nothing where none did.

    Args:
        told: the jobs that failed, and why.
        count: the jobs of the sweep.
        named: whether it is to be said which jobs; not where the sentence does.
    """
    if not told or os.environ.get("HYDRA_FULL_ERROR") == "1":
        return
    jobs: dict[str, list[Job]] = {}
    for job, sentence in told:
        jobs.setdefault(sentence.removeprefix("Error: "), []).append(job)
    lines = []
    for sentence, failed in jobs.items():
        one = f"job {failed[0].number} ({failed[0].label})" if failed[0].label else f"job {failed[0].number}"
        which = one if len(failed) == 1 else f"{len(failed)} of {count} jobs"
        lines.append(f"Error: {which}: {sentence}" if named and count > 1 else f"Error: {sentence}")
    raise SystemExit(printable("\n".join(lines)))
