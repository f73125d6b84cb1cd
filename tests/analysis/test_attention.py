"""The section on attention: its numbers again by hand, its sentences, and what it leaves out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import fakes_runs
from fakes.figures import undrawn
from occlufer.analysis.core.core import Core
from occlufer.analysis.core.study import load_study
from occlufer.analysis.report import write_report
from occlufer.analysis.sections import make_sections, tables_of
from occlufer.analysis.sections.attention import sentences
from occlufer.attention import ATTENTION_COLUMNS, REGIONS, read_attention
from occlufer.runs import Run, find_runs
from occlufer.types import seeded_rng


def add_attention(run: Run, *, n: int, seed: int, empty: int = 0) -> pd.DataFrame:
    """Rows as `evaluate explain=true` writes them, for the first `n` faces of every condition."""
    rng = seeded_rng(seed)
    rows = run.predictions().groupby("condition", sort=False).head(n)
    rows = rows[["key", "subject", "condition", "label", "prediction"]].reset_index(drop=True)
    for kind in ("mass", "untrained", "area"):
        drawn = rng.dirichlet(np.ones(5), len(rows))
        if kind == "area":
            drawn[rows["condition"] == "none"] = [0, 0.1, 0.05, 0.5, 0.35]
        rows[[f"{kind}_{region}" for region in REGIONS]] = drawn.astype(np.float32)
    rows.loc[: empty - 1, [f"mass_{region}" for region in REGIONS]] = np.nan
    rows.loc[rows.index[::9], [f"untrained_{region}" for region in REGIONS]] = np.nan
    rows = rows.assign(method="Grad-CAM", layer="layer3", cells="6x6")[list(ATTENTION_COLUMNS)]
    rows.to_parquet(run.folder / "attention.parquet")
    (run.folder / "figures").mkdir(exist_ok=True)
    Image.fromarray(rng.integers(0, 255, (200, 690, 3), dtype=np.uint8)).save(
        run.folder / "figures" / "attention.png"
    )
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("outputs")
    folder = fakes_runs.make_study(root, conditions=("none", "mask"), seeds=(0, 1), n=70)
    for place, run in enumerate(find_runs(folder)):
        add_attention(run, n=40 + place, seed=place, empty=3 if place == 0 else 0)
    return folder


@pytest.fixture(scope="module")
def table(folder: Path) -> pd.DataFrame:
    return tables_of(make_sections(Core(load_study(folder), resamples=80)))["attention"]


def test_its_means_are_those_of_the_rows(folder: Path, table: pd.DataFrame) -> None:
    assert len(table) == 2 * 2 * len(REGIONS)
    for train in ("none", "mask"):
        runs = [run for run in find_runs(folder) if run.summary().condition == train]
        for test in ("none", "mask"):
            rows = [read_attention(run) for run in runs]
            parts = [part[part["condition"] == test].set_index("key") for part in rows]
            keys = set(parts[0].dropna(subset="mass_eyes").index) & set(
                parts[1].dropna(subset="mass_eyes").index
            )
            here = table[(table["train"] == train) & (table["test"] == test)].set_index("region")
            for region in REGIONS:
                for kind in ("mass", "untrained", "area"):
                    by_hand = np.mean([part.loc[list(keys), f"{kind}_{region}"].mean() for part in parts])
                    assert here.loc[region, kind] == pytest.approx(by_hand, abs=1e-6)
                row = here.loc[region]
                assert row["learnt"] == pytest.approx(row["mass"] - row["untrained"])
                assert row["mass_low"] <= row["mass"] <= row["mass_high"]
            assert (here["faces"] == len(keys)).all()
            assert (here["trainings"] == 2).all()
            assert here["mass"].sum() == pytest.approx(1)
    without = table.groupby(["train", "test"])["without_map"].first()
    assert sorted(without) == [0, 0, 0, 3]  # said, not lost


def test_its_intervals_are_those_of_a_bootstrap_over_faces(tmp_path: Path) -> None:
    run = fakes_runs.make_run(tmp_path / "s", tests=("none",), n=140)
    rows = add_attention(run, n=140, seed=4)
    found = tables_of(make_sections(Core(load_study(tmp_path / "s"), resamples=3000)))["attention"]
    eyes = found.set_index("region").loc["eyes"]
    spread = rows["mass_eyes"].std() / np.sqrt(len(rows))
    assert eyes["mass_high"] - eyes["mass_low"] == pytest.approx(2 * 1.96 * spread, rel=0.08)


def test_people_are_resampled_where_they_are_known(tmp_path: Path) -> None:
    """Ten faces of each person that are all alike: the interval is that of the people."""
    run = fakes_runs.make_run(tmp_path / "s", tests=("none",), n=140, people=14)
    rows = add_attention(run, n=140, seed=4)
    columns = [f"mass_{region}" for region in REGIONS]
    alike = rows.groupby("subject")[columns].transform("first")
    rows[columns] = alike
    rows.to_parquet(run.folder / "attention.parquet")
    found = tables_of(make_sections(Core(load_study(tmp_path / "s"), resamples=3000)))["attention"]
    eyes = found.set_index("region").loc["eyes"]
    of_people = rows.groupby("subject")["mass_eyes"].first()
    spread = of_people.std(ddof=0) / np.sqrt(len(of_people))
    assert eyes["mass_high"] - eyes["mass_low"] == pytest.approx(2 * 1.96 * spread, rel=0.12)


def test_the_page_shows_it_and_names_what_it_leaves_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undrawn(monkeypatch, "svg")
    broken = find_runs(folder)[-1].folder / "attention.parquet"
    whole = broken.read_bytes()
    try:
        broken.write_bytes(b"PAR1")
        report = write_report(folder, output=tmp_path)
    finally:
        broken.write_bytes(whole)
    page = report.path.read_text(encoding="utf-8")
    for words in ("Where networks look", "random weights", "Left out: none_", "explain=true", "Examples (2)"):
        assert words in page, words
    assert (tmp_path / "figures" / "attention.svg").is_file()
    assert (tmp_path / "figures" / "attention_examples_mask.svg").is_file()
    assert report.tables["attention"].is_file()


@pytest.mark.usefixtures("undrawn_figures")
def test_a_study_without_it_has_no_section(study_folder: Path, tmp_path: Path) -> None:
    report = write_report(study_folder, output=tmp_path)
    assert "Where networks look" not in report.path.read_text(encoding="utf-8")
    assert "attention" not in report.tables


def test_its_sentences_hold_the_numbers(table: pd.DataFrame) -> None:
    (said,) = sentences(table)  # nothing is said of bare faces
    mask = table[(table["test"] == "mask") & (table["region"] == "occluder")].set_index("train")
    assert said.startswith(
        f"On masked faces the occluder is {100 * mask['area'].mean():.1f} % of the picture."
    )
    for train in ("none", "mask"):
        assert f"{100 * mask.loc[train, 'mass']:.1f} % (95 % interval" in said
        assert f"{100 * mask.loc[train, 'untrained']:.1f} % before their training" in said
