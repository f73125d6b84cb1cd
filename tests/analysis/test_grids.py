"""Re-runs of a published study: folds, grids, published figures, model x condition, extra images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fakes_runs
from occlufer.analysis.core import metrics
from occlufer.analysis.core.metrics import STUDY_METRICS
from occlufer.analysis.core.scores import scores_table
from occlufer.analysis.core.study import load_study
from occlufer.analysis.sections import study_tables
from occlufer.analysis.sections.matrix import fold_metrics
from occlufer.studies.published import published_studies

TWO = {"vgg16": 0.0, "resnet50": 0.1}


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fakes_runs.make_grid(tmp_path_factory.mktemp("outputs"), models=TWO, folds=range(3), n=100)


@pytest.fixture(scope="module")
def tables(grid: Path) -> dict[str, pd.DataFrame]:
    return study_tables(load_study(grid), resamples=200)


def test_folds_are_averaged_like_seeds_and_missing_ones_are_named(grid: Path, tables) -> None:
    study = load_study(grid)
    assert [(block.model, block.variant) for block in study.blocks] == [("resnet50", ""), ("vgg16", "")]
    matrix = tables["matrix"]
    assert (matrix[["trainings", "seeds", "folds"]] == [3, 1, 3]).all(axis=None)
    assert matrix["accuracy_sd"].notna().all()
    # The fake configurations say fold_count 5.
    assert len(study.warnings) == 2
    assert "seed 0: folds 3, 4 of 0 to 4 are missing" in study.warnings[0]
    assert "trained on none, study_a_headset, study_a_mask" in study.warnings[0]


def test_paired_tests_are_made_fold_by_fold(tables) -> None:
    own = tables["comparisons"]
    assert set(own["kind"]) == {"own"}
    assert (
        own.groupby(["model", "test_first", "test_second"])["fold"].agg(list).map(sorted).tolist()
        == [[0, 1, 2]] * 6
    )
    assert ("study_a_mask", "study_a_headset") in set(zip(own["test_first"], own["test_second"], strict=True))


def test_the_file_of_the_eight_metrics_has_full_precision(grid: Path) -> None:
    study = load_study(grid)
    table = fold_metrics(study, scores_table(study.runs)).set_index("run")
    assert len(table) == 18
    run = study.runs[0]
    scores = metrics.score(run.rows(run.conditions[0]))
    assert {name: table.loc[run.run.name, name] for name in STUDY_METRICS} == {
        name: scores[name] for name in STUDY_METRICS
    }


def test_confusions_of_single_runs_sum_to_those_of_the_cell_and_rows_to_one(tables) -> None:
    names = [name for name in tables["confusion"] if name.startswith("as_")]
    keys = ["model", "train", "test", "truth"]
    summed = tables["confusion_runs"].groupby(keys)[names].sum().sort_index()
    pd.testing.assert_frame_equal(summed, tables["confusion"].set_index(keys)[names].sort_index())
    shares = tables["confusion_runs"][[f"share_{name}" for name in names]]
    assert shares.sum(axis=1).to_numpy() == pytest.approx(1)


def test_published_figures_stand_beside_ours_and_gaps_stay_empty(tables) -> None:
    table = tables["published"].set_index(["model", "condition"])
    row = table.loc["resnet50", "mask"]
    assert (row["published"], row["printed"], row["source"], row["ours"]) == (
        0.752,
        ".7520",
        "abstract",
        "study_a_mask",
    )
    assert row["difference"] == pytest.approx(row["mean"] - 0.752)
    assert row["inside"] == (row["low"] <= 0.752 <= row["high"])
    unknown = table.loc["resnet50", "headset"]
    assert unknown[["published", "difference", "inside"]].isna().all()
    assert unknown["printed"] == "0.7x, last digit unreadable"
    assert unknown["mean"] > 0


@pytest.mark.parametrize(
    ("dataset", "condition", "figures", "remark"),
    [
        ("masked_fer2023", "as_is", ["MaskedFER2023"], ""),
        ("ckplus", "study_b_mask", ["MaskedCK+"], "masks drawn by this project on CK+"),
        ("fer2013", "mask", ["MaskedFER2023"], "no run of this condition yet"),
        ("synthetic", "study_b_mask", ["MaskedFER2023", "MaskedCK+"], "other faces than the study's"),
    ],
)
def test_a_figure_is_set_only_beside_runs_on_its_own_faces(
    tmp_path: Path, dataset: str, condition: str, figures: list[str], remark: str
) -> None:
    fakes_runs.make_run(
        tmp_path / "s", dataset=dataset, condition=condition, tests=(condition,), published="study_b", n=40
    )
    table = study_tables(load_study(tmp_path / "s"), resamples=50)["published"]
    assert table["published_dataset"].tolist() == figures
    assert table["remark"].str.contains(remark, regex=False).all()
    comparable = "difference" in table and table["difference"].notna().all()
    assert comparable == (remark == "" or "drawn" in remark)


def test_what_is_not_known_is_empty_in_the_file_of_published_figures() -> None:
    """The figures as they were read, so that nobody fills a gap unseen."""
    values = {
        (name, figure.dataset, figure.condition): figure.value
        for name, study in published_studies().items()
        for figure in study.figures
    }
    assert values == {
        ("study_a", "RAF-DB", "none"): 0.8780,
        ("study_a", "RAF-DB", "mask"): 0.7520,
        ("study_a", "RAF-DB", "headset"): None,
        ("study_b", "MaskedFER2023", "mask"): 0.6189,
        ("study_b", "MaskedCK+", "mask"): 0.6356,
    }
    assert all(study.doi.startswith("10.1109/") for study in published_studies().values())


def test_the_file_of_published_figures_names_datasets_and_occlusions_that_exist() -> None:
    conf = Path(__file__).parents[2] / "conf"
    for study in published_studies().values():
        for match in (match for figure in study.figures for match in figure.runs):
            for group, names in (("dataset", match.datasets), ("occlusion", match.conditions)):
                assert all((conf / group / f"{name}.yaml").is_file() for name in names), names


@pytest.fixture
def make_tuned(tmp_path: Path) -> Callable[[str], Path]:
    """Two settings: SGD has the better validation score, Adam the better test accuracy."""

    def make(protocol: str) -> Path:
        for fold in range(2):
            for optimizer, validation, skill in (("SGD", 0.6, -0.2), ("Adam", 0.4, 0.2)):
                fakes_runs.make_run(
                    tmp_path / "s", tests=("none",), fold=fold, optimizer=optimizer, best_score=validation, skill=skill,
                    published="study_a", protocol=protocol, n=60,
                )  # fmt: skip
        return tmp_path / "s"

    return make


@pytest.mark.parametrize(
    ("protocol", "chosen", "by"),
    [("honest", "SGD", "validation macro F1"), ("published", "Adam", "test accuracy")],
)
def test_a_grid_keeps_one_setting_by_the_protocols_rule(
    make_tuned, protocol: str, chosen: str, by: str
) -> None:
    study = load_study(make_tuned(protocol))
    assert {run.setting for run in study.runs} == {chosen}
    assert len(study.runs) == len(study.not_chosen) == 2
    assert [block.variant for block in study.blocks] == [""]
    tables = study_tables(study, resamples=20)
    assert tables["matrix"]["trainings"].tolist() == [2]
    row = tables["settings"].set_index("setting").loc[chosen]
    assert (row["chosen"], row["chosen_by"], row["trainings"]) == (True, by, 2)
    assert tables["settings"]["setting"].tolist()[0] == chosen
    assert set(tables["runs"]["reason"]) == {"", "Another setting of the grid was chosen."}
    assert fold_metrics(study, scores_table(study.runs)).groupby("setting")["chosen"].all().to_dict() == {
        "SGD": chosen == "SGD",
        "Adam": chosen == "Adam",
    }


def test_a_setting_that_lacks_a_fold_is_not_chosen(make_tuned) -> None:
    folder = make_tuned("honest")
    run = next(run for run in load_study(folder).runs if run.training.fold == 1)
    (run.run.folder / "run.json").unlink()
    study = load_study(folder)
    assert {run.setting for run in study.runs} == {"Adam"}
    reasons = {choice.setting: choice.reason for choice in study.choices}
    assert reasons == {"SGD": "only 1 of 2 trainings are finished", "Adam": ""}


def test_model_by_condition_is_tested_both_ways(tables) -> None:
    assert set(tables["anova"]["metric"]) == set(STUDY_METRICS)
    assert tables["anova"].groupby("metric").size().eq(4).all()
    mixed = tables["mixed_model"]
    assert mixed["term"].tolist() == ["model", "condition", "model × condition"]
    assert (mixed[["faces", "trainings"]] == [100, 3]).all(axis=None)
    contrasts = tables["contrasts"]
    # 3 pairs of conditions, for both models and averaged; 1 pair of models, for 3 conditions and averaged.
    assert contrasts["factor"].value_counts().to_dict() == {"condition": 9, "model": 4}
    pooled = contrasts["at"] == "all"
    assert contrasts["mcnemar_significant"].isna().equals(pooled)
    change = contrasts["accuracy_second"] - contrasts["accuracy_first"]
    assert change.to_numpy() == pytest.approx(contrasts["difference"].to_numpy())
    assert (contrasts["p_holm"] >= contrasts["p"]).all()
    averaged = contrasts[pooled & (contrasts["factor"] == "condition")].set_index(["first", "second"])[
        "difference"
    ]
    single = (
        contrasts[~pooled & (contrasts["factor"] == "condition")]
        .groupby(["first", "second"])["difference"]
        .mean()
    )
    assert np.allclose(averaged.sort_index(), single.sort_index())


@pytest.mark.parametrize(
    ("models", "folds", "reason"),
    [({"vgg16": 0.0}, range(2), "at least two models"), (TWO, range(1), "at least two seeds or folds")],
)
def test_where_no_analysis_of_variance_is_possible_the_honest_tests_still_are(
    tmp_path: Path, models: dict[str, float], folds: range, reason: str
) -> None:
    folder = fakes_runs.make_grid(tmp_path, models=models, folds=folds, n=60)
    tables = study_tables(load_study(folder), resamples=50)
    assert reason in tables["anova"]["refused"].iloc[0]
    assert "tukey" not in tables
    assert tables["mixed_model"]["p"].notna().all()
    assert len(tables["contrasts"])


def test_a_missing_cell_leaves_the_pairs_that_are_there(tmp_path: Path) -> None:
    folder = fakes_runs.make_grid(tmp_path, models=TWO, folds=range(2), n=60)
    for path in folder.glob("study_a_mask_vgg16*/run.json"):
        path.unlink()
    tables = study_tables(load_study(folder), resamples=50)
    assert "missing: vgg16 under study_a_mask" in tables["anova"]["refused"].iloc[0]
    assert "share no seed and fold" in tables["mixed_model"]["refused"].iloc[0]
    pairs = tables["contrasts"]
    assert ("vgg16", "study_a_headset") in set(zip(pairs["at"], pairs["second"], strict=True))
    assert not ((pairs["at"] == "vgg16") & (pairs["second"] == "study_a_mask")).any()


def test_a_baseline_that_learns_nothing_is_no_model_among_the_networks(tmp_path: Path) -> None:
    folder = fakes_runs.make_grid(tmp_path, models=TWO, folds=range(2), n=60)
    for condition in ("none", "study_a_mask", "study_a_headset"):
        fakes_runs.make_run(
            folder, model="uniform", condition=condition, tests=(condition,), fold=0, dataset="rafdb", skill=-0.6,
            published="study_a", learns=False, n=60,
        )  # fmt: skip
    tables = study_tables(load_study(folder), resamples=50)
    assert "uniform" in set(tables["matrix"]["model"])
    assert tables["anova"]["refused"].eq("").all()
    for name in ("contrasts", "published", "tukey"):
        assert "uniform" not in tables[name].to_string()


def test_runs_with_and_without_extra_images_are_paired(tmp_path: Path) -> None:
    for extra, skill in ((None, 0.0), ("/somewhere/made", 0.15)):
        for seed in (0, 1):
            fakes_runs.make_run(
                tmp_path / "s", seed=seed, extra=extra, skill=skill, tests=("none", "mask"), n=150
            )
    study = load_study(tmp_path / "s")
    assert [block.variant for block in study.blocks] == ["dataset.extra=made", "dataset.extra=none"]
    table = study_tables(study, resamples=100)["extra_images"]
    assert table[["variant", "extra", "train", "test", "trainings"]].to_numpy().tolist() == [
        ["", "made", "none", "none", 2],
        ["", "made", "none", "mask", 2],
    ]
    by_arm = {run.block.variant[-4:]: [] for run in study.runs}
    for run in study.runs:
        by_arm[run.block.variant[-4:]].append(metrics.score(run.rows("none"))["accuracy"])
    row = table.iloc[0]
    assert row["accuracy_with"] == pytest.approx(np.mean(by_arm["made"]))
    assert row["accuracy_difference"] == pytest.approx(np.mean(by_arm["made"]) - np.mean(by_arm["none"]))
    assert row["accuracy_low"] <= row["accuracy_difference"] <= row["accuracy_high"]
    assert row["p"] <= row["p_holm"]


def test_ordinary_studies_have_none_of_these_tables(study_folder: Path) -> None:
    tables = study_tables(load_study(study_folder), resamples=20)
    assert not set(tables) & {
        "published",
        "settings",
        "mixed_model",
        "contrasts",
        "anova",
        "tukey",
        "extra_images",
    }


def test_faces_that_came_covered_have_no_share_and_are_scored_all_the_same(tmp_path: Path) -> None:
    run = fakes_runs.make_run(tmp_path / "s", tests=("none",), n=40)
    rows = run.predictions()
    run.write_predictions(rows.assign(covered_share=np.float32("nan")))
    tables = study_tables(load_study(tmp_path / "s"), resamples=20)
    assert tables["matrix"]["n"].tolist() == [40]
    assert tables["matrix"]["accuracy_low"].notna().all()
