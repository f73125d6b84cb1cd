"""What every section of the report reads: a study, its counted cells, its scores and its matrix, each made once."""

from __future__ import annotations

from functools import cached_property

import pandas as pd

from occlufer.analysis.core.cells import Counted, count_cells, in_matrix, study_faces
from occlufer.analysis.core.scores import BLOCK, intervals_table, matrix_table, scores_table
from occlufer.analysis.core.statistics import RESAMPLES, FaceBootstrap
from occlufer.analysis.core.study import Block, Study

MARGIN = 0.03


class Core:
    """A study with what is computed from it.

    Args:
        study: what `study.load_study` returned.
        resamples: bootstrap resamples of the test faces of each dataset.
        margin: difference of accuracies 0..1 below which two conditions count as equivalent.
    """

    def __init__(self, study: Study, *, resamples: int = RESAMPLES, margin: float = MARGIN) -> None:
        self.study = study
        self.resamples = resamples
        self.margin = margin

    @cached_property
    def faces(self) -> dict[str, tuple[FaceBootstrap, int | None]]:
        """Dataset -> the shared resamples of its test faces, and how many people were resampled (None: faces)."""
        return study_faces(self.study, resamples=self.resamples)

    @cached_property
    def every(self) -> dict[Block, list[Counted]]:
        """Every run and test condition, counted on the shared resamples."""
        return count_cells(self.study, self.faces)

    @cached_property
    def counted(self) -> dict[Block, list[Counted]]:
        """Those that are in the matrix: without the places of dials that have a section of their own."""
        return in_matrix(self.every)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """All metrics of every run and test condition (`scores.scores_table`)."""
        return scores_table(self.study.runs)

    @cached_property
    def matrix(self) -> pd.DataFrame:
        """Train condition x test condition, with intervals over faces and trainings."""
        matrix = matrix_table(self.scores)
        return matrix.merge(intervals_table(self.counted), how="left", on=[*BLOCK, "train", "test"])

    def suffix(self, block: Block) -> str:
        """What tells the figures of a block from those of others in their file names: `_2`, or nothing."""
        blocks = self.study.blocks
        return f"_{blocks.index(block) + 1}" if len(blocks) > 1 else ""
