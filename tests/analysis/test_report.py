from __future__ import annotations

import base64
import io
import itertools
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

import fakes_runs
from fakes.figures import undrawn
from occlufer.analysis.core.metrics import STUDY_METRICS
from occlufer.analysis.core.study import load_study
from occlufer.analysis.report import Report, write_report
from occlufer.analysis.sections import study_tables
from occlufer.types import RunError


class Links(HTMLParser):
    """Collects what a browser would fetch or follow, and every tag."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "srcset", "href", "action", "data", "poster", "background"):
                self.found.append(value or "")


@pytest.fixture(scope="module")
def report(study_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return write_report(study_folder, output=tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return report.path.read_text(encoding="utf-8")


def test_the_page_asks_for_nothing_outside_itself(page: str, report: Report) -> None:
    links = Links()
    links.feed(page)
    assert "script" not in links.tags
    assert "link" not in links.tags
    pictures = [link for link in links.found if link.startswith("data:image/")]
    others = [link for link in links.found if not link.startswith("data:image/")]
    assert len(pictures) > 7
    for link in others:
        assert link.startswith("#") or (report.path.parent / link).is_file(), link
    anchors = set(re.findall(r'id="([^"]+)"', page))
    assert {link[1:] for link in others if link.startswith("#")} <= anchors
    assert not re.findall(r"(?:https?:)?//[a-z]", re.sub(r"data:image/[^\"]+", "", page))
    assert "@import" not in page
    assert "url(" not in page


def test_inlined_vector_images_fetch_nothing(page: str) -> None:
    for encoded in re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", page):
        svg = base64.b64decode(encoded).decode()
        assert not re.findall(r'(?:href|src)="(?!#)', svg)


def test_the_page_holds_what_a_reader_needs(page: str) -> None:
    for words in ("What is lost", "How sure", "What wins it back", "Also found", "Macro F1",
                  "Recall by class", "Confusion matrices",
                  "Training curves", "Faces dropped", "What was run", "How to read it", "largest class",
                  "occlufer train occlusion=mask seed=1", "torch 2.14.1", "max_epochs: 8", "samples.png"):  # fmt: skip
        assert words in page, words


def test_incomplete_runs_are_named_with_the_reason(page: str, report: Report) -> None:
    assert "1 run is left out of every number" in page
    assert re.search(r"none_small_cnn_seed2_\w+</code>: Unfinished after 3 epochs", page)
    assert "Unfinished after 3 epochs" in report.summary


def test_the_csvs_are_the_tables(report: Report, study_folder: Path) -> None:
    tables = study_tables(load_study(study_folder))
    assert sorted(report.tables) == sorted(tables)
    for name, table in tables.items():
        assert report.tables[name].parent == report.path.parent / "tables"
        found = pd.read_csv(report.tables[name])
        again = pd.read_csv(io.StringIO(table.to_csv(index=False)))
        pd.testing.assert_frame_equal(found, again)
        assert len(found) == len(table)


def test_printed_numbers_are_those_of_the_csv(page: str, report: Report) -> None:
    for _, row in pd.read_csv(report.tables["matrix"]).iterrows():
        assert f"{100 * row['accuracy_mean']:.1f} ± {100 * row['accuracy_sd']:.1f}" in page


@pytest.mark.usefixtures("undrawn_figures")
def test_the_report_goes_into_the_study_folder_and_leaves_nothing_else(tmp_path: Path) -> None:
    folder = fakes_runs.make_study(tmp_path, conditions=("none",), n=30)
    report = write_report(folder)
    assert report.path == folder / "report.html"
    assert not list(folder.rglob("*.tmp"))
    assert len(load_study(folder).found) == 1
    assert "one seed" in report.summary


@pytest.mark.usefixtures("undrawn_figures")
def test_names_are_escaped(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    run = fakes_runs.make_run(
        tmp_path / "s", model=evil, dataset=evil, condition="no<b>ne", tests=("no<b>ne",), n=30
    )
    run.write_json("environment.json", {"packages": {evil: evil}, "command": [evil], "platform": evil})
    shutil.copytree(run.folder, tmp_path / "s" / "copy & <i>")
    (tmp_path / "s" / "copy & <i>" / "run.json").unlink()
    page = write_report(tmp_path / "s").path.read_text(encoding="utf-8")
    links = Links()
    links.feed(page)
    assert not {"script", "b", "i"} & set(links.tags)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert all(
        path.parent == tmp_path / "s" / "figures" for path in (tmp_path / "s").rglob("confusion_*.svg")
    )


@pytest.fixture(scope="module")
def grid_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two networks whose names a browser could take for markup, two folds, two settings, extra images."""
    root = tmp_path_factory.mktemp("outputs")
    fakes_runs.make_grid(
        root, models={"a<b>": 0.0, "c & d": 0.1}, conditions=("none", "study_a_mask"), folds=range(2), n=40,
        settings={("SGD", 0.1): 0.0, ("Adam", 0.01): 0.05},
    )  # fmt: skip
    for condition, fold in itertools.product(("none", "study_a_mask"), range(2)):
        fakes_runs.make_run(
            root / "grid", model="a<b>", condition=condition, tests=(condition,), fold=fold, dataset="rafdb", n=40,
            published="study_a", optimizer="Adam", extra="/x/<i>made", best_score=0.5,
        )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        undrawn(patch, "svg")
        return write_report(root / "grid", run_figures=False).path.read_text(encoding="utf-8")


def test_a_rerun_of_a_published_study_has_its_sections(grid_page: str) -> None:
    for words in ("Reproduced beside published", "10.1109/ACCESS.2024.3380439", "Settings chosen",
                  "which test to believe", "Believe the mixed model", "analysis of variance over folds",
                  "With and without extra training images", "more runs tried other settings", "mean ± sd over 2 folds",
                  "Honest protocol"):  # fmt: skip
        assert words in grid_page, words
    assert "Published protocol" not in grid_page
    anchors = set(re.findall(r'id="([^"]+)"', grid_page))
    assert set(re.findall(r'href="#([^"]+)"', grid_page)) <= anchors


def test_names_are_escaped_in_those_sections_too(grid_page: str) -> None:
    links = Links()
    links.feed(grid_page)
    assert not {"b", "i", "script"} & set(links.tags)
    assert "a&lt;b&gt;" in grid_page


@pytest.mark.usefixtures("undrawn_figures")
def test_single_runs_get_their_own_figures_and_a_file_of_eight_metrics(tmp_path: Path) -> None:
    folder = fakes_runs.make_grid(tmp_path, models={"vgg16": 0.0}, conditions=("none",), folds=(0, 3), n=40)
    page = write_report(folder).path.read_text(encoding="utf-8")
    files = sorted(
        path.relative_to(folder).as_posix() for path in (folder / "figures" / "runs").rglob("*.png")
    )
    assert len(files) == 4
    assert all(f'href="{name}"' in page for name in files)
    found = pd.read_csv(folder / "tables" / "metrics.csv", sep=";")
    assert found["fold"].tolist() == [0, 3]
    assert list(found.columns[-8:]) == list(STUDY_METRICS)
    assert "With and without" not in page
    assert "Settings chosen" not in page


def test_ordinary_studies_have_no_section_of_the_published_ones(page: str, report: Report) -> None:
    assert "as the predictions do not say who is shown" in page
    for words in (
        "People are resampled",
        "covered share",
        "Reproduced beside",
        "Settings chosen",
        "Model × condition",
        "With and without",
        "Mixed model",
    ):
        assert words not in page, words
    assert not (report.path.parent / "figures" / "runs").exists()


@pytest.mark.usefixtures("undrawn_figures")
def test_tables_of_an_earlier_report_are_cleared(tmp_path: Path) -> None:
    folder = fakes_runs.make_study(tmp_path, conditions=("none",), n=30)
    stale = folder / "tables" / "anova.csv"
    stale.parent.mkdir()
    stale.write_text("model\n")
    write_report(folder)
    assert not stale.exists()


def test_a_study_with_nothing_finished_gets_a_page_that_says_so(tmp_path: Path) -> None:
    fakes_runs.break_run(fakes_runs.make_run(tmp_path / "s", n=30), "failed")
    report = write_report(tmp_path / "s")
    assert "No run of this study is finished" in report.path.read_text(encoding="utf-8")
    assert "no space left on device" in report.summary


@pytest.mark.usefixtures("undrawn_figures")
def test_bare_runs_are_enough(tmp_path: Path) -> None:
    run = fakes_runs.make_run(tmp_path / "s", n=30)
    for name in ("environment.json", "coverage.csv", "history.csv", "metrics.json", "figures/samples.png"):
        (run.folder / name).unlink()
    page = write_report(tmp_path / "s").path.read_text(encoding="utf-8")
    assert "No run of this group kept a history.csv" in page


@pytest.mark.usefixtures("undrawn_figures")
def test_several_models_and_conditions_get_their_own_section(tmp_path: Path) -> None:
    folder = fakes_runs.make_study(tmp_path, conditions=("veil",), models=("a", "b"), n=30)
    report = write_report(folder)
    page = report.path.read_text(encoding="utf-8")
    assert page.count("<h3>b on fakefaces</h3>") == page.count("<h3>a on fakefaces</h3>") >= 6
    assert (folder / "figures" / "confusion_veil_2.svg").is_file()


def test_an_empty_study_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run folder"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_terminal_shows_the_matrix(study_folder: Path, report: Report) -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(report.matrix)
    text = console.file.getvalue()
    row = study_tables(load_study(study_folder), resamples=5)["matrix"].iloc[1]
    assert f"{100 * row['accuracy_mean']:.1f} ±{100 * row['accuracy_sd']:.1f}" in text
    assert "small_cnn on fakefaces" in text
    assert "Left out: none_small_cnn_seed2" in text
