from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from occlufer.analysis.core.study import load_study
from occlufer.analysis.sections import drawing, study_tables
from occlufer.analysis.sections.confusion import confusion_figure
from occlufer.analysis.sections.curves import history_figure
from occlufer.analysis.sections.effects import effects_figure
from occlufer.analysis.sections.matrix import matrix_figure
from occlufer.analysis.sections.recall import recall_figure
from occlufer.types import EXPRESSIONS


@pytest.fixture(scope="module")
def tables(study_folder: Path):
    return study_tables(load_study(study_folder), resamples=50)


def texts(axes) -> set[str]:
    return {text.get_text() for text in axes.texts}


def test_the_heat_map_prints_every_value(tables) -> None:
    figure = matrix_figure(tables["matrix"], "accuracy")
    expected = {
        f"{100 * row['accuracy_mean']:.1f}\n± {100 * row['accuracy_sd']:.1f}"
        for _, row in tables["matrix"].iterrows()
    }
    assert texts(figure.axes[0]) == expected
    names = ["bare faces", "masked faces", "faces wearing a headset"]
    assert [label.get_text().replace("\n", " ") for label in figure.axes[0].get_yticklabels()] == names


def test_confusions_show_shares_of_the_true_class_and_counts(tables) -> None:
    rows = tables["confusion"][tables["confusion"]["train"] == "none"]
    panel = confusion_figure(rows).axes[0]
    first = rows[(rows["test"] == "none") & (rows["truth"] == "anger")].iloc[0]
    faces = sum(first[f"as_{name}"] for name in EXPRESSIONS)
    _, shares, counts = panel.collections
    filled = (rows[rows["test"] == "none"][[f"as_{name}" for name in EXPRESSIONS]] > 0).to_numpy().sum()
    assert len(shares.get_paths()) == len(counts.get_paths()) == filled
    assert shares.get_paths()[0] is drawing.outline(f"{100 * first['as_anger'] / faces:.0f}", 6.8)
    assert counts.get_paths()[0] is drawing.outline(str(first["as_anger"]), 4.8)
    assert shares.get_offsets()[0] == pytest.approx([0, -0.13])


@pytest.mark.parametrize("tests", [["none"], ["none", "mask"], ["none", "mask", "headset"]])
def test_anger_is_the_first_row_however_many_panels_share_an_axis(tables, tests: list[str]) -> None:
    rows = tables["confusion"]
    rows = rows[(rows["train"] == "none") & rows["test"].isin(tests)]
    for panel in confusion_figure(rows).axes:
        bottom, top = panel.get_ylim()
        assert (bottom, top) == (6.5, -0.5)


def test_recall_has_a_panel_a_train_condition_and_conditions_keep_their_colour(tables) -> None:
    figure = recall_figure(tables["recall"])
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "trained on bare faces",
        "trained on masked faces",
        "trained on faces wearing a headset",
    ]
    few = recall_figure(tables["recall"][tables["recall"]["test"] == "headset"])
    lines = [figure.axes[0].containers[2].lines[0], few.axes[0].containers[0].lines[0]]
    assert lines[0].get_color() == lines[1].get_color() == drawing.LIGHT.series[2]


def test_history_tolerates_missing_columns(tables) -> None:
    figure = history_figure(tables["history"].drop(columns=["val_loss", "val_f1_macro"]))
    upper, lower = figure.axes[:3], figure.axes[3:]
    assert [len(axes.lines) for axes in upper] == [2, 2, 2]
    assert not any(axes.lines for axes in lower)


def test_curves_tell_the_seeds_apart(tables) -> None:
    figure = history_figure(tables["history"])
    first = figure.axes[0]
    assert len({line.get_color() for line in first.lines}) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["seed 0", "seed 1"]


@pytest.mark.parametrize("width", [drawing.COLUMN, drawing.PAGE])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_every_panel_keeps_its_tick_labels(count: int, width: float) -> None:
    figure, axes, across = drawing.panels(count, 2.0, replace(drawing.LIGHT, width=width))
    for panel in axes:
        panel.plot([0, 1], [0, 1])
    figure.draw_without_rendering()
    assert len(axes) == count
    assert all(label.get_visible() for panel in axes for label in panel.get_xticklabels())
    assert all(label.get_visible() for panel in axes[::across] for label in panel.get_yticklabels())
    assert figure.get_figwidth() <= width


@pytest.mark.parametrize("width", [drawing.COLUMN, drawing.PAGE])
def test_nothing_of_a_figure_lies_outside_of_its_paper(tables, width: float, tmp_path: Path) -> None:
    """Names of conditions are long: the layout must see them as wide as they are printed."""
    theme = replace(drawing.LIGHT, width=width)
    effects = tables["effects"][tables["effects"]["family"] == "primary"]
    for figure in (
        effects_figure(effects, theme),
        matrix_figure(tables["matrix"], "accuracy", theme),
        recall_figure(tables["recall"], theme),
        history_figure(tables["history"], theme),
    ):
        drawing.save(figure, tmp_path, "figure", kinds=("pdf",))
        box = figure.get_tightbbox()
        assert min(box.x0, box.y0) > -0.02
        assert box.x1 < figure.get_figwidth() + 0.02
        assert box.y1 < figure.get_figheight() + 0.02


def test_saving_writes_the_three_formats_repeatably(tables, tmp_path: Path) -> None:
    heads = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}
    contents = []
    for folder in ("a", "b"):
        paths = drawing.save(matrix_figure(tables["matrix"], "f1_macro"), tmp_path / folder, "matrix")
        assert all(path.read_bytes().startswith(heads[path.suffix[1:]]) for path in paths)
        contents.append(paths[0].read_bytes())
    assert contents[0] == contents[1]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "matrix.pdf",
        "matrix.png",
        "matrix.svg",
    ]


def test_figures_do_not_load_pyplot() -> None:
    """Its global state would grow with every figure; asked of a fresh process, since other libraries load it too."""
    code = "import sys, occlufer.analysis.sections; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("share", [0, 0.25, 0.5, 0.75, 1])
def test_printed_values_stand_out_from_their_cell(share: float) -> None:
    theme = drawing.LIGHT

    def luminance(colour) -> float:
        from matplotlib.colors import to_rgb

        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(theme.colormap(share)), luminance(theme.text_on(share))])
    assert (high + 0.05) / (low + 0.05) >= 4.0
