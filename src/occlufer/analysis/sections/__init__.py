"""The sections of the report, in the order of the page. A new section is one file and one line here."""

from __future__ import annotations

import pandas as pd

from occlufer.analysis.core.core import Core
from occlufer.analysis.core.statistics import RESAMPLES
from occlufer.analysis.core.study import Study
from occlufer.analysis.sections.answers import Answers
from occlufer.analysis.sections.area import Area
from occlufer.analysis.sections.attention import Attention
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.calibration import Calibration
from occlufer.analysis.sections.comparisons import Comparisons
from occlufer.analysis.sections.confusion import Confusion
from occlufer.analysis.sections.curves import Curves
from occlufer.analysis.sections.dropped import Dropped
from occlufer.analysis.sections.effects import Effects
from occlufer.analysis.sections.elsewhere import Elsewhere
from occlufer.analysis.sections.extra_images import ExtraImages
from occlufer.analysis.sections.grid_search import GridSearch
from occlufer.analysis.sections.leads import Leads
from occlufer.analysis.sections.matrix import Matrix
from occlufer.analysis.sections.models import Models
from occlufer.analysis.sections.people import People
from occlufer.analysis.sections.published import Published
from occlufer.analysis.sections.recall import Recall
from occlufer.analysis.sections.recovery import Recovery
from occlufer.analysis.sections.runs import Runs
from occlufer.analysis.sections.severity import Severity
from occlufer.types import RunError, override

SECTIONS: tuple[type[Section], ...] = (
    Leads,
    Effects,
    Recovery,
    Published,
    GridSearch,
    Matrix,
    Elsewhere,
    Recall,
    Answers,
    Calibration,
    Attention,
    Severity,
    Area,
    People,
    Models,
    ExtraImages,
    Confusion,
    Curves,
    Dropped,
    Comparisons,
    Runs,
)


def make_sections(core: Core) -> list[Section]:
    """All sections of one study; raises `RunError` when it holds no run folder."""
    study = core.study
    if not study.found:
        first = override("study", study.name)
        raise RunError(f"{study.folder} holds no run folder. Train something with {first} first.")
    return [section(core) for section in SECTIONS]


def tables_of(sections: list[Section]) -> dict[str, pd.DataFrame]:
    """Every table by the name of its CSV file: those with rows, and those that a section always writes."""
    return {
        name: table
        for section in sections
        for name, table in section.tables.items()
        if len(table) or name in section.lasting
    }


def study_tables(study: Study, *, resamples: int = RESAMPLES) -> dict[str, pd.DataFrame]:
    """`tables_of` all sections of a study."""
    return tables_of(make_sections(Core(study, resamples=resamples)))
