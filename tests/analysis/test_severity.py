from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fakes_runs
from fakes.figures import undrawn
from occlufer.analysis.core.cells import Counted
from occlufer.analysis.core.core import Core
from occlufer.analysis.core.intervals import interval
from occlufer.analysis.core.metrics import informedness_of
from occlufer.analysis.core.study import load_study
from occlufer.analysis.report import write_report
from occlufer.analysis.sections import study_tables
from occlufer.analysis.sections.severity import severity_figure
from occlufer.types import EXPRESSIONS

DIAL = [f"{name}{place}" for name in ("mask", "headset") for place in ("@0.25", "@0.5", "@0.75", "")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks trained on none and mask, tested along two dials; 20 people of 7 faces."""
    return fakes_runs.make_study(
        tmp_path_factory.mktemp("outputs"),
        conditions=("none", "mask"),
        tests=("none", *DIAL),
        n=140,
        people=20,
    )


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, pd.DataFrame]:
    return study_tables(load_study(folder), resamples=50)


def test_every_place_has_the_share_that_was_measured(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    table = tables["severity"]
    assert len(table) == 2 * 2 * 5
    (run,) = [run for run in load_study(folder).runs if run.summary.condition == "mask"]
    row = table[(table["train"] == "mask") & (table["test"] == "headset@0.5")].iloc[0]
    rows = run.rows("headset@0.5")
    assert row["covered_share"] == pytest.approx(rows["covered_share"].mean())
    assert row["accuracy"] == pytest.approx((rows["label"] == rows["prediction"]).mean())
    assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
    assert (row["occluder"], row["severity"], row["n"]) == ("headset", 0.5, 140)
    starts = table[table["test"] == "none"]
    assert (starts["covered_share"] == 0).all()
    assert (starts["severity"] == 0).all()


def test_many_places_are_in_no_matrix_test_or_recall(tables: dict[str, pd.DataFrame]) -> None:
    for name in ("matrix", "recall", "confusion"):
        assert tables[name]["test"].unique().tolist() == ["none", "mask", "headset"], name
    assert not tables["comparisons"]["test_second"].str.contains("@").any()
    assert len(tables["scores"]) == 2 * 9


def test_a_panel_an_occluder_with_a_line_a_training(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["severity"]
    both = severity_figure(table)
    assert [axes.get_title(loc="left") for axes in both.axes] == ["mask", "headset"]
    line = both.axes[0].containers[1].lines[0]
    rows = table[(table["train"] == "mask") & (table["occluder"] == "mask")]
    assert line.get_xdata() == pytest.approx(100 * rows["covered_share"])
    assert line.get_ydata() == pytest.approx(100 * rows["accuracy"])
    (alone,) = severity_figure(table[table["train"] == "none"]).axes
    assert [container.get_label() for container in alone.containers] == ["mask", "headset"]


def test_the_page_shows_it_and_says_that_people_were_resampled(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undrawn(monkeypatch, "svg")
    report = write_report(folder, output=tmp_path)
    page = report.path.read_text(encoding="utf-8")
    for words in ("Accuracy and the covered share of the face", "tables/severity.csv", "mask@0.25, mask@0.5",
                  "People are resampled (20 of them)", "the 20 people of 140 test faces"):  # fmt: skip
        assert words in page, words
    assert "as the predictions do not say who is shown" not in page
    assert (tmp_path / "figures" / "severity.svg").is_file()


def test_where_an_expression_falls_to_chance(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    chance = tables["chance"].set_index(["train", "occluder", "expression"])
    assert len(chance) == 2 * 2 * 7
    (run,) = [run for run in load_study(folder).runs if run.summary.condition == "none"]
    rows = run.rows("mask")
    for name in ("happiness", "disgust"):
        own = rows["label"] == EXPRESSIONS.index(name)
        answered = rows["prediction"] == EXPRESSIONS.index(name)
        row = chance.loc[("none", "mask", name)]
        assert row["informedness"] == pytest.approx(answered[own].mean() - answered[~own].mean())
    severity = tables["severity"]
    shares = severity[(severity["train"] == "none") & (severity["occluder"] == "mask")][
        "covered_share"
    ].tolist()
    fallen = chance[chance["chance_from"].notna()]
    assert len(fallen)
    for (train, occluder, name), row in fallen.iterrows():
        low = [
            interval(informedness_of, {item.training: item.cell}).low[EXPRESSIONS.index(name)]
            for item in _counted(folder) if item.train == train
            and item.run.rows(item.test)["covered_share"].mean() == pytest.approx(row["chance_from"])
            and item.test.startswith(occluder)
        ]  # fmt: skip
        assert not low or low[0] <= 0
    assert chance.loc[("none", "mask", "happiness")]["above_until"] == pytest.approx(max(shares))


def _counted(folder: Path) -> list[Counted]:
    core = Core(load_study(folder), resamples=50)
    return [item for items in core.every.values() for item in items]


def test_an_occluder_is_set_against_a_box_of_equal_area(tmp_path: Path) -> None:
    tests = ("none", "box_random@0.5", "box_random", "mask")
    for seed in (0, 1):
        fakes_runs.make_run(tmp_path / "s", tests=tests, seed=seed, n=140)
    study = load_study(tmp_path / "s")
    row = study_tables(study, resamples=10)["area_matched"].iloc[0]
    correct, share = {}, {}
    for test in tests:
        parts = [run.rows(test) for run in study.runs]
        correct[test] = np.mean([(part["label"] == part["prediction"]).mean() for part in parts])
        share[test] = np.mean([part["covered_share"].mean() for part in parts])
    below, above = ("box_random@0.5", "box_random") if share["mask"] <= share["box_random"] else (None, None)
    assert (row["control_below"], row["control_above"]) == (below, above)
    control = np.interp(share["mask"], [share[below], share[above]], [correct[below], correct[above]])
    assert row["accuracy_control"] == pytest.approx(control)
    assert row["difference"] == pytest.approx(correct["mask"] - control)
    assert row["low"] < row["difference"] < row["high"]


def test_people_count_only_where_every_face_and_run_names_them(tmp_path: Path) -> None:
    study = fakes_runs.make_study(tmp_path, conditions=("none",), n=42, people=6)
    assert study_tables(load_study(study), resamples=5)["matrix"]["people"].tolist() == [6]
    (run,) = load_study(study).found
    rows = run.predictions()
    run.write_predictions(rows.assign(subject=rows["subject"].where(rows.index > 0, None)))
    found = study_tables(load_study(study), resamples=5)
    assert found["matrix"]["people"].isna().all()
    assert "severity" not in found
