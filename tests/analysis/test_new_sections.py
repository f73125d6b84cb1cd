"""Retention, calibration, answers, other datasets and leads: each number again by hand or by another library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, log_loss, precision_recall_fscore_support

import fakes_runs
from fakes.figures import undrawn
from occlufer.analysis.core import temperature
from occlufer.analysis.core.core import Core
from occlufer.analysis.core.study import load_study
from occlufer.analysis.report import write_report
from occlufer.analysis.sections import make_sections, tables_of
from occlufer.runs import PROBABILITY_COLUMNS, Run
from occlufer.types import EXPRESSIONS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("outputs")
    folder = fakes_runs.make_study(root, conditions=("none", "mask"), seeds=(0, 1), n=140)
    for seed in (0, 1):
        run = fakes_runs.make_run(folder, condition="mixed", tests=("none", "mask"), seed=seed, n=140)
    other = Run(run.folder / "elsewhere" / "wild")
    other.folder.mkdir(parents=True)
    other.write_predictions(fakes_runs.make_predictions(90, tests=("none",), seed=5, skill=-0.2, people=30))
    damaged = run.folder / "elsewhere" / "torn"
    damaged.mkdir()
    (damaged / "predictions.parquet").write_bytes(b"PAR1")
    return folder


@pytest.fixture(scope="module")
def sections(folder: Path):
    return make_sections(Core(load_study(folder), resamples=60))


@pytest.fixture(scope="module")
def tables(sections):
    return tables_of(sections)


def stored(folder: Path, train: str) -> list[pd.DataFrame]:
    return [pd.read_parquet(path) for path in sorted(folder.glob(f"{train}_*/predictions.parquet"))]


def accuracy(folder: Path, train: str, test: str) -> float:
    parts = [rows[rows["condition"] == test] for rows in stored(folder, train)]
    return float(np.mean([(part["label"] == part["prediction"]).mean() for part in parts]))


def test_retention_recovery_and_price(folder: Path, tables) -> None:
    row = tables["recovery"].set_index(["train", "test"]).loc[("mixed", "mask")]
    bare, masked, mixed = (accuracy(folder, train, test) for train, test in
                           (("none", "none"), ("none", "mask"), ("mixed", "mask")))  # fmt: skip
    labels = stored(folder, "none")[0].query("condition == 'none'")["label"]
    chance = labels.value_counts().max() / len(labels)
    assert row["retention"] == pytest.approx((mixed - chance) / (bare - chance))
    assert row["recovery"] == pytest.approx((mixed - masked) / (bare - masked))
    assert row["price"] == pytest.approx(accuracy(folder, "mixed", "none") - bare)
    assert row["retention_low"] < row["retention"] < row["retention_high"]
    assert row["recovery_low"] < row["recovery"] < row["recovery_high"]
    balanced = [
        np.mean(
            [
                balanced_accuracy_score(part["label"], part["prediction"])
                for part in _parts(folder, train, test)
            ]
        )
        for train, test in (("mixed", "mask"), ("none", "none"))
    ]
    assert row["retention_balanced"] == pytest.approx((balanced[0] - 1 / 7) / (balanced[1] - 1 / 7))


def test_what_plain_networks_keep_needs_no_other_design(tmp_path: Path) -> None:
    for seed in (0, 1):
        fakes_runs.make_run(tmp_path / "s", tests=("none", "mask"), seed=seed, n=140)
    (row,) = tables_of(make_sections(Core(load_study(tmp_path / "s"), resamples=5)))["recovery"].to_dict(
        "records"
    )
    assert row["retention_low"] < row["retention"] < row["retention_high"]
    assert np.isnan([row["recovery"], row["price"]]).all()


def _parts(folder: Path, train: str, test: str) -> list[pd.DataFrame]:
    return [rows[rows["condition"] == test] for rows in stored(folder, train)]


def test_intervals_of_shares_and_prices_by_hand_for_one_training(tmp_path: Path) -> None:
    """The delta method: the variance of (a - r b) / mean(b) over faces, r the ratio of the means."""
    for train in ("none", "mixed"):
        fakes_runs.make_run(tmp_path / "s", condition=train, tests=("none", "mask"), n=140)
    table = tables_of(make_sections(Core(load_study(tmp_path / "s"), resamples=5)))["recovery"]
    row = table.set_index(["train", "test"]).loc[("mixed", "mask")]
    correct = {
        (train, test): (part["label"] == part["prediction"]).to_numpy().astype(float)
        for train in ("none", "mixed")
        for test in ("none", "mask")
        for part in _parts(tmp_path / "s", train, test)
    }
    won, lost = (correct[place] - correct["none", "mask"] for place in (("mixed", "mask"), ("none", "none")))
    ratio = won.mean() / lost.mean()
    interval = stats.ttest_1samp((won - ratio * lost) / lost.mean() + ratio, 0).confidence_interval()
    assert row["recovery"] == pytest.approx(ratio)
    assert (row["recovery_low"], row["recovery_high"]) == pytest.approx((interval.low, interval.high))
    price = stats.ttest_rel(correct["mixed", "none"], correct["none", "none"]).confidence_interval()
    assert (row["price_low"], row["price_high"]) == pytest.approx((price.low, price.high))


def test_the_findings_name_the_mixture_and_its_price(sections) -> None:
    (block,) = sections[0].core.study.blocks
    text = "\n".join(answer for section in sections for _, answer in section.answers(block))
    assert "training on mixed faces" in text
    assert "points on bare faces" in text


def test_calibration_by_hand(folder: Path, tables) -> None:
    row = tables["calibration"].set_index(["train", "test"]).loc[("none", "mask")]
    eces, losses = [], []
    for rows in stored(folder, "none"):
        part = rows[rows["condition"] == "mask"]
        probability = part[list(PROBABILITY_COLUMNS)].to_numpy(dtype=float)
        confidence, correct = probability.max(axis=1), part["label"] == part["prediction"]
        bins = pd.cut(confidence, np.linspace(0, 1, 16))
        groups = pd.DataFrame({"c": confidence, "a": correct.to_numpy()}).groupby(bins, observed=True)
        eces.append((groups.size() * (groups["a"].mean() - groups["c"].mean()).abs()).sum() / len(part))
        losses.append(log_loss(part["label"], probability / probability.sum(axis=1, keepdims=True)))
    assert row["ece"] == pytest.approx(np.mean(eces))
    assert row["nll"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert row["nll_low"] < row["nll"] < row["nll_high"]


def test_the_temperature_of_bare_validation_faces_by_hand(folder: Path, tables) -> None:
    row = tables["calibration"].set_index(["train", "test"]).loc[("none", "mask")]
    temperatures, losses = [], []
    for path in sorted(folder.glob("none_*")):
        validation = pd.read_parquet(path / "validation.parquet")
        probability = validation[list(PROBABILITY_COLUMNS)].to_numpy(dtype=float)
        grid = np.exp(np.linspace(-3, 3, 6001))
        powers = [
            log_loss(validation["label"], _power(probability, 1 / t), labels=range(7)) for t in grid[::60]
        ]
        near = grid[max(0, 60 * int(np.argmin(powers)) - 60) : 60 * int(np.argmin(powers)) + 60]
        fine = [log_loss(validation["label"], _power(probability, 1 / t), labels=range(7)) for t in near]
        temperatures.append(near[int(np.argmin(fine))])
        rows = pd.read_parquet(path / "predictions.parquet").query("condition == 'mask'")
        masked = rows[list(PROBABILITY_COLUMNS)].to_numpy(dtype=float)
        losses.append(log_loss(rows["label"], _power(masked, 1 / temperatures[-1]), labels=range(7)))
    assert row["temperature"] == pytest.approx(np.mean(temperatures), rel=2e-3)
    assert row["nll_scaled"] == pytest.approx(np.mean(losses), rel=1e-3)
    assert row["nll_scaled_low"] < row["nll_scaled"] < row["nll_scaled_high"]


def _power(probability: np.ndarray, power: float) -> np.ndarray:
    raised = probability**power
    return raised / raised.sum(axis=1, keepdims=True)


def test_a_temperature_is_found_again() -> None:
    """Labels drawn from the probabilities, which are then sharpened: the logits were multiplied by 2."""
    rng = np.random.default_rng(0)
    probability = rng.dirichlet(np.ones(7), 4000)
    labels = np.array([rng.choice(7, p=row) for row in probability])
    sharp = _power(probability, 2)
    assert temperature.fit(sharp, labels) == pytest.approx(2, rel=0.05)
    assert temperature.scaled(sharp, 2) == pytest.approx(probability)


def test_groups_of_faces_and_people_by_hand(tmp_path: Path) -> None:
    runs = [
        fakes_runs.make_run(tmp_path / "s", tests=("none", "mask"), seed=seed, n=140, people=28)
        for seed in (0, 1)
    ]
    rng = np.random.default_rng(0)
    keys = [f"test/{index:05d}" for index in range(140)]
    facts = pd.DataFrame(
        {
            "key": keys,
            "yaw": rng.uniform(-29, 29, 140),
            "skin_type": rng.integers(1, 7, 140),
            "near_duplicate": (rng.random(140) < 0.2).astype(int),
        }
    )
    for run in runs:
        run.write_table("faces.csv", facts.sample(frac=1, random_state=1))
    core = Core(load_study(tmp_path / "s"), resamples=60)
    tables = tables_of(make_sections(core))
    groups = tables["groups"].set_index(["train", "test", "by", "group"]).sort_index()
    assert set(groups.loc[("none", "mask", "pose (yaw)")].index) == {"turned by less than 15°", "15° to 30°"}
    (people_section,) = (section for section in make_sections(core) if section.anchor == "people")
    last = people_section.block_parts(core.study.blocks[0])[-1]
    assert last.text.endswith(
        "1 group with fewer than 10 faces, or with fewer outside: 30° and more (0 faces of 140)."
    )
    row = groups.loc[("none", "mask", "skin type", "types V and VI")]
    inside = dict(zip(facts["key"], facts["skin_type"] >= 5, strict=True))
    here, there = [], []
    for rows in stored(tmp_path / "s", "none"):
        part = rows[rows["condition"] == "mask"]
        correct, within = part["label"] == part["prediction"], part["key"].map(inside)
        here.append(correct[within].mean())
        there.append(correct[~within].mean())
    assert row["n"] == (facts["skin_type"] >= 5).sum()
    assert row["accuracy"] == pytest.approx(np.mean(here))
    assert row["gap"] == pytest.approx(np.mean(here) - np.mean(there))
    assert row["gap_low"] < row["gap"] < row["gap_high"]
    block = core.study.blocks[0]
    (text,) = (
        text for section in make_sections(core) for text in section.cautions(block) if "near-dup" in text
    )
    bare = groups.loc[("none", "none", "overlap", "test faces without near-duplicates")]
    assert text.startswith(
        f"{facts['near_duplicate'].sum()} of 140 test faces are near-duplicates of training or"
    )
    assert f"bare faces reach {100 * bare['accuracy']:.1f} %" in text
    alone = facts.loc[facts["near_duplicate"] == 0, "key"]
    parts = [
        rows[(rows["condition"] == "none") & rows["key"].isin(alone)]
        for rows in stored(tmp_path / "s", "none")
    ]
    assert bare["accuracy"] == pytest.approx(
        np.mean([(part["label"] == part["prediction"]).mean() for part in parts])
    )
    people = tables["people"].set_index(["train", "test"]).loc[("none", "mask")]
    both = pd.concat(stored(tmp_path / "s", "none")).query("condition == 'mask'")
    by_person = (both["label"] == both["prediction"]).groupby(both["subject"]).mean()
    assert people["people"] == 28
    assert people["sd"] == pytest.approx(by_person.std())
    assert people["tenth"] == pytest.approx(by_person.quantile(0.1))
    (runs[0].folder / "faces.csv").write_text("yaw\n1\n")
    assert [item.name for item in load_study(tmp_path / "s").left_out] == [runs[0].name]


def test_runs_without_validation_rows_have_no_temperature_and_damaged_ones_are_left_out(
    tmp_path: Path,
) -> None:
    older, damaged = (
        fakes_runs.make_run(tmp_path / "s", tests=("none", "mask"), seed=seed, n=60) for seed in (0, 1)
    )
    (older.folder / "validation.parquet").unlink()
    (damaged.folder / "validation.parquet").write_bytes(b"PAR1")
    study = load_study(tmp_path / "s")
    assert [item.name for item in study.left_out] == [damaged.name]
    table = tables_of(make_sections(Core(study, resamples=5)))["calibration"]
    assert table[["temperature", "ece_scaled", "nll_scaled_low"]].isna().all(axis=None)


def test_how_many_can_be_answered_as_well_as_bare_faces(folder: Path, tables) -> None:
    row = tables["calibration"].set_index(["train", "test"]).loc[("none", "mask")]
    shares = []
    for rows in stored(folder, "none"):
        parts = [rows[rows["condition"] == test] for test in ("none", "mask")]
        bare = (parts[0]["label"] != parts[0]["prediction"]).mean()
        order = (
            parts[1][list(PROBABILITY_COLUMNS)].max(axis=1).sort_values(ascending=False, kind="stable").index
        )
        wrong = (parts[1]["label"] != parts[1]["prediction"]).loc[order].expanding().mean()
        shares.append((wrong.to_numpy() <= bare).nonzero()[0].max(initial=-1) + 1)
    assert row["answered_as_bare"] == pytest.approx(np.mean(shares) / 140)
    assert 0 < row["answered_as_bare"] < 1


def test_risk_at_full_coverage_is_the_error(folder: Path, tables) -> None:
    risk = tables["risk_coverage"]
    cell = risk[(risk["train"] == "none") & (risk["test"] == "mask")].set_index("coverage")["risk"]
    assert cell[1.0] == pytest.approx(1 - accuracy(folder, "none", "mask"))
    assert len(cell) == 10
    assert tables["reliability"].groupby(["train", "test"])["faces"].sum().eq(2 * 140).all()


def test_precision_f1_and_share_of_answers_are_those_of_scikit_learn(folder: Path, tables) -> None:
    answers = tables["answers"]
    cell = answers[(answers["train"] == "none") & (answers["test"] == "mask")]
    found = cell.set_index("expression")
    parts = [rows[rows["condition"] == "mask"] for rows in stored(folder, "none")]
    scores = np.mean(
        [precision_recall_fscore_support(part["label"], part["prediction"], labels=range(7), zero_division=0)[:3]
         for part in parts], axis=0,
    )  # fmt: skip
    for place, name in enumerate(("precision", "recall", "f1")):
        assert found.loc[list(EXPRESSIONS), name].to_numpy() == pytest.approx(scores[place])
    shares = np.mean([np.bincount(part["prediction"], minlength=7) / len(part) for part in parts], axis=0)
    assert found.loc[list(EXPRESSIONS), "answered_share"].to_numpy() == pytest.approx(shares)


def test_one_directional_confusions(folder: Path, tables) -> None:
    rows = tables["one_directional"]
    row = rows[(rows["train"] == "none") & (rows["test"] == "mask")].iloc[0]
    both = pd.concat(part[part["condition"] == "mask"] for part in stored(folder, "none"))
    shares = pd.crosstab(both["label"], both["prediction"], normalize="index").to_numpy()
    excess = shares - shares.T
    assert row["excess"] == pytest.approx(excess.max())
    assert row["share"] == pytest.approx(
        shares[EXPRESSIONS.index(row["truth"]), EXPRESSIONS.index(row["answer"])]
    )


def test_other_datasets_reach_the_report_with_the_gap_to_the_own_faces(folder: Path, tables) -> None:
    row = tables["elsewhere"].iloc[0]
    rows = pd.read_parquet(next(folder.glob("mixed_*seed1*/elsewhere/wild/predictions.parquet")))
    there = (rows["label"] == rows["prediction"]).mean()
    own = stored(folder, "mixed")[1].query("condition == 'none'")
    assert (row["other"], row["n"], row["people"]) == ("wild", 90, 30)
    assert row["accuracy"] == pytest.approx(there)
    assert row["gap"] == pytest.approx(there - (own["label"] == own["prediction"]).mean())
    assert row["gap_low"] < row["gap"] < row["gap_high"]
    assert tables["elsewhere_left_out"]["other"].tolist() == ["torn"]


def test_the_page_has_every_new_section(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undrawn(monkeypatch, "svg")
    page = write_report(folder, output=tmp_path).path.read_text(encoding="utf-8")
    for words in ("Retention, recovery and price", "Calibration and abstention", "On other faces", "Left out: mixed_",
                  "share of answers", "What wins it back"):  # fmt: skip
        assert words in page, words
    assert "Leads: what looks wrong" not in page


def test_leads_come_with_their_numbers(tmp_path: Path) -> None:
    run = fakes_runs.make_run(tmp_path / "s", tests=("none",), n=140)
    rows = run.predictions()
    anger, fear, happy = (EXPRESSIONS.index(name) for name in ("anger", "fear", "happiness"))
    swapped = rows["label"].map({anger: fear, fear: anger}).fillna(rows["label"]).astype(int)
    run.write_predictions(rows.assign(prediction=swapped.where(rows["label"] != happy, anger)))
    run.write_table("history.csv", run.history().assign(train_loss=16936.0))
    found = tables_of(make_sections(Core(load_study(tmp_path / "s"), resamples=5)))["leads"]
    assert found["lead"].tolist() == [
        "anger and fear look exchanged",
        "happiness is never answered",
        "the training diverged",
    ]
    assert "100.0 % and 100.0 %" in found["numbers"][0]
    assert "1.694e+04" in found["numbers"][2]


def test_another_view_in_test_than_in_training_is_a_lead(tmp_path: Path) -> None:
    run = fakes_runs.make_run(tmp_path / "s", tests=("none",), n=140)
    config = run.config() | {"view": {"_target_": "occlufer.data.view.FaceCrop", "margin": 0.2}}
    (run.folder / "config.yaml").write_text(yaml.safe_dump(config))
    rows = fakes_runs.make_predictions(90, tests=("none",), seed=5)
    for name, view in (("same", config["view"]), ("wild", {"_target_": "occlufer.data.view.FullImage"})):
        other = Run(run.folder / "elsewhere" / name)
        other.folder.mkdir(parents=True)
        other.write_predictions(rows)
        other.write_json("view.json", view)
    found = tables_of(make_sections(Core(load_study(tmp_path / "s"), resamples=5)))["leads"]
    found = found[found["lead"].str.contains("view")]
    assert found["lead"].tolist() == ["wild was seen through another view than the training"]
    there, own = ((part["label"] == part["prediction"]).mean() for part in (rows, run.predictions()))
    assert found["numbers"].tolist() == [
        f"there FullImage(), in training FaceCrop(margin=0.2); on none, {100 * there:.1f} % classified correctly, "
        f"{100 * own:.1f} % on its own faces"
    ]
