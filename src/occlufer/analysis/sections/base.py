"""A section of the report: its tables, its parts of the page and its sentences, in one class of one file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import pandas as pd

from occlufer.analysis.core.core import Core
from occlufer.analysis.core.scores import of_block
from occlufer.analysis.core.study import Block
from occlufer.analysis.sections.parts import Heading

Tables = dict[str, pd.DataFrame]


class Section:
    """One section. A section without parts is not on the page; a table with rows is written as `tables/NAME.csv`.

    Attributes:
        anchor, title, nav: its id, its heading, and its name in the list of contents.
        lasting: tables that are written also without rows.
    """

    anchor: ClassVar[str]
    title: ClassVar[str]
    nav: ClassVar[str]
    lasting: ClassVar[tuple[str, ...]] = ()

    def __init__(self, core: Core) -> None:
        self.core = core

    @cached_property
    def tables(self) -> Tables:
        """Every table of the section by the name of its CSV file, made once."""
        return self.make_tables()

    def make_tables(self) -> Tables:
        """Compute the tables from `self.core`."""
        return {}

    def parts(self) -> Sequence[Any]:
        """What stands on the page (`parts`): by default each block's parts, under its title where there are several."""
        blocks = self.core.study.blocks
        found: list[Any] = []
        for block in blocks:
            if parts := self.block_parts(block):
                found += [*([Heading(block.title)] if len(blocks) > 1 else []), *parts]
        return [*self.opening(), *found, *self.closing()] if found else []

    def block_parts(self, block: Block) -> Sequence[Any]:
        """What stands on the page about one block (one dataset, model and variant)."""
        return []

    def opening(self) -> Sequence[Any]:
        """What stands before the blocks."""
        return []

    def closing(self) -> Sequence[Any]:
        """What stands after the blocks."""
        return []

    def answers(self, block: Block) -> list[tuple[str, str]]:
        """What the first screen answers about one block: (what is asked, the answer) each."""
        return []

    def findings(self, block: Block) -> list[str]:
        """Sentences on what else was found."""
        return []

    def cautions(self, block: Block) -> list[str]:
        """What a reader of the findings must keep in mind."""
        return []

    def terms(self) -> list[tuple[str, str]]:
        """Words of the section and what they mean, for the end of the page."""
        return []

    def of(self, name: str, block: Block) -> pd.DataFrame:
        """The rows of one block of a table."""
        return of_block(self.tables[name], block)

    def matrix(self, block: Block) -> pd.DataFrame:
        """The matrix of one block."""
        return of_block(self.core.matrix, block)


def slug(name: str) -> str:
    """A condition's name as part of a file name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "unnamed"
