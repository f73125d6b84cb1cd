"""The figures that the two studies printed, read from `published.yaml`; what they do not state stays empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Match:
    """Runs of this project that a figure may be set beside, and in what they differ from the study's."""

    datasets: tuple[str, ...]
    conditions: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One printed figure. `value` is None where it is not known, `source` (abstract, table 3, ...) empty likewise."""

    dataset: str
    condition: str
    metric: str
    value: float | None
    printed: str
    source: str
    runs: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class PublishedStudy:
    """A study, its figures, and `unknown`: what a reader of the figures would want to know and is not known."""

    name: str
    title: str
    authors: str
    venue: str
    doi: str
    network: str
    averaged: str
    unknown: str
    figures: tuple[Figure, ...]

    def comparable(self, dataset: str) -> list[Figure]:
        """The figures on that dataset; all of them where it is none of the study's (`published_table` says so)."""
        found = [item for item in self.figures if any(dataset in match.datasets for match in item.runs)]
        return found or list(self.figures)


@cache
def published_studies() -> Mapping[str, PublishedStudy]:
    """The studies of `published.yaml` by the names that the setting `published` takes."""
    text = Path(__file__).with_name("published.yaml").read_text(encoding="utf-8")
    return {name: _study(name, content) for name, content in yaml.safe_load(text).items()}


def _study(name: str, content: dict[str, Any]) -> PublishedStudy:
    content = {key: value if value is not None else "" for key, value in content.items()}
    figures = []
    for item in content.pop("figures"):
        matches = tuple(
            Match(**(match | {key: tuple(match[key]) for key in ("datasets", "conditions")}))
            for match in item["runs"]
        )
        figures.append(Figure(**(item | {"runs": matches, "source": item["source"] or ""})))
    return PublishedStudy(name=name, figures=tuple(figures), **content)
