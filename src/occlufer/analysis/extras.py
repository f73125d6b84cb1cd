"""Sections of the page that only some studies have; each is there only when it has something to say."""

from __future__ import annotations

from typing import Any

import pandas as pd

from occlufer.analysis import study_views as views
from occlufer.analysis.core.selection import BY_TEST
from occlufer.studies.published import published_studies

Tables = dict[str, pd.DataFrame]


def extra_sections(tables: Tables) -> dict[str, Any]:
    """What the template needs for `published`, `settings`, `models` and `extra`; each empty without content."""
    return {
        "published": _published(tables.get("published")),
        "settings": _settings(tables.get("settings")),
        "models": _models(tables),
        "extra": views.extra_grid(tables["extra_images"]) if "extra_images" in tables else None,
    }


def _published(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    if table is None:
        return []
    studies = published_studies()
    return [
        {"study": studies[name], "grid": views.published_grid(table[table["study"] == name])}
        for name in table["study"].unique()
    ]


def _settings(table: pd.DataFrame | None) -> dict[str, Any] | None:
    if table is None:
        return None
    by_test = table["chosen_by"].eq(BY_TEST).any()
    return {"by_test": by_test, "chosen": views.chosen_grid(table), "tried": views.tried_grid(table)}


def _models(tables: Tables) -> list[dict[str, Any]]:
    """One entry a model x condition design: the honest tests, then the published one."""
    mixed = tables.get("mixed_model")
    if mixed is None:
        return []
    found = []
    columns = ["dataset", "variant", "tested"]
    for key in mixed[columns].drop_duplicates().itertuples(index=False):
        part = {
            name: table[(table[columns] == list(key)).all(axis=1)]
            for name in ("mixed_model", "contrasts", "anova", "tukey")
            if (table := tables.get(name)) is not None
        }
        refused = {name: str(part[name]["refused"].iloc[0]) for name in ("mixed_model", "anova")}
        contrasts = part.get("contrasts", pd.DataFrame({"factor": []}))
        found.append({
            "title": views.design_title(part["mixed_model"]),
            "refused": refused,
            "mixed": None if refused["mixed_model"] else views.mixed_grid(part["mixed_model"]),
            "contrasts": [views.contrasts_grid(contrasts, factor) for factor in contrasts["factor"].unique()],
            "anova": None if refused["anova"] else views.anova_grid(part["anova"]),
            "tukey": None if refused["anova"] else views.tukey_grid(part["tukey"]),
        })  # fmt: skip
    return found
