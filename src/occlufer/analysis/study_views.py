"""Tables of the page for re-runs of published studies: published figures, grids, model x condition, extra images."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from occlufer.analysis.core.metrics import STUDY_METRICS, records
from occlufer.analysis.core.selection import BY_TEST, BY_VALIDATION
from occlufer.analysis.factors import OWN
from occlufer.analysis.findings import p_value, percent, points, signed
from occlufer.analysis.views import Entry, Grid

NOT_KNOWN = "not known"
WHICH_TO_BELIEVE = (
    "Believe the mixed model and the paired tests: they ask whether an effect is larger than other faces and other "
    "trainings would make it by chance. The analysis of variance takes the folds as independent replicates, though all "
    "of them are scored on the same test faces and share most of their training faces, so its p values can be far too "
    "small, and they say nothing about new faces."
)
METRIC_NAMES = {"accuracy": "accuracy", "f1_macro": "F1, macro", "f1_weighted": "F1, weighted",
                "precision_macro": "precision, macro", "precision_weighted": "precision, weighted",
                "recall_macro": "recall, macro", "recall_weighted": "recall, weighted",
                "confusion_entropy_bits": "entropy"}  # fmt: skip


def published_grid(table: pd.DataFrame) -> Grid:
    """Reproduced beside published: the rows of one study of `published.published_table`."""
    several = table[["model", "variant"]].drop_duplicates()["variant"].ne("").any()
    rows = []
    for row in records(table):
        value = row["published"]
        known = value is not None and not math.isnan(value)
        rows.append([
            Entry(f"{row['published_dataset']}, {row['condition']}", row["metric"].replace("f1_macro", "macro F1")),
            Entry(row["model"], row["variant"] if several else ""),
            *_ours(row),
            Entry(row["printed"] if row["printed"] else NOT_KNOWN, row["source"] or "source not known"),
            Entry(signed(row.get("difference", math.nan)) if known else NOT_KNOWN),
            Entry(_inside(row, known)),
            Entry(_text(row.get("remark"))),
        ])  # fmt: skip
    header = ["figure", "network", "our runs", "reproduced, %", "published", "difference, points",
              "inside our interval", "remark"]  # fmt: skip
    if not any(row[-1].text for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    caption = (
        "Reproduced: mean ± sd over seeds and folds; below, the 95 % interval over test faces and trainings. "
        "Difference: reproduced minus published."
    )
    return Grid(caption, header, rows, "published", heads=2, words=(2, 6, 7))


def _ours(row: dict[str, Any]) -> list[Entry]:
    if not _text(row.get("ours")):
        return [Entry("–"), Entry("–")]
    sd = "" if math.isnan(row["sd"]) else f" ± {100 * row['sd']:.1f}"
    trainings = int(row["trainings"])
    return [
        Entry(row["ours"], f"{trainings} training{'s' * (trainings > 1)}"),
        Entry(f"{100 * row['mean']:.1f}{sd}", f"{100 * row['low']:.1f}–{100 * row['high']:.1f}"),
    ]


def _inside(row: dict[str, Any], known: bool) -> str:
    if not known:
        return NOT_KNOWN
    inside = row.get("inside")
    return "–" if not isinstance(inside, bool) else "yes" if inside else "no"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def chosen_grid(settings: pd.DataFrame) -> Grid:
    """Which setting of each grid was chosen, by what, and which one the other rule would have chosen."""
    rows = []
    for _, tried in settings.groupby(["dataset", "model", "variant", "train"], sort=False):
        chosen = tried[tried["chosen"]].iloc[0]
        able = tried[tried["reason"] == ""]
        other_rule = "validation_f1_macro" if chosen["chosen_by"] == BY_TEST else "test_accuracy"
        other = (
            able.sort_values(other_rule, ascending=False, na_position="last").iloc[0] if len(able) else chosen
        )
        rows.append([
            Entry(chosen["model"], chosen["variant"]), Entry(chosen["train"]),
            Entry(chosen["setting"], f"of {len(tried)} settings"), Entry(chosen["chosen_by"]),
            Entry(percent(chosen["validation_f1_macro"])), Entry(percent(chosen["test_accuracy"])),
            Entry(other["setting"] if other["setting"] != chosen["setting"] else "the same",
                  f"test accuracy {percent(other['test_accuracy'])}" if other["setting"] != chosen["setting"] else ""),
        ])  # fmt: skip
    rule = BY_TEST if (settings["chosen_by"] == BY_TEST).all() else BY_VALIDATION
    caption = (
        "The setting that is in all numbers of this page, for each network and train condition, averaged over seeds "
        "and folds. Last column: what the other rule would have chosen"
        f" ({BY_VALIDATION if rule == BY_TEST else BY_TEST})."
    )
    header = [
        "network",
        "trained on",
        "setting",
        "chosen by",
        "validation macro F1",
        "test accuracy",
        "other rule",
    ]
    return Grid(caption, header, rows, "settings", heads=2, words=(2, 3, 6))


def tried_grid(settings: pd.DataFrame) -> Grid:
    """Every setting that was tried."""
    rows = [
        [Entry(row["model"], row["variant"]), Entry(row["train"]),
         Entry(row["setting"], "chosen" if row["chosen"] else row["reason"], own=bool(row["chosen"])),
         Entry(str(row["trainings"])), Entry(percent(row["validation_f1_macro"])),
         Entry(percent(row["test_accuracy"]))]
        for row in records(settings)
    ]  # fmt: skip
    header = ["network", "trained on", "setting", "trainings", "validation macro F1", "test accuracy"]
    return Grid("Every setting that was tried, best first.", header, rows, "settings", heads=2, words=(2,))


def mixed_grid(table: pd.DataFrame) -> Grid:
    """The mixed model of one design."""
    rows = [
        [Entry(row["term"]), Entry(_number(row["F"])), Entry(f"{_number(row['df'])}, {_number(row['df_error'])}"),
         Entry("–", "nothing varies") if math.isnan(row["p"]) else Entry(p_value(row["p"]))]
        for row in records(table)
    ]  # fmt: skip
    first = table.iloc[0]
    trainings = int(first["trainings"])
    caption = (
        f"Mixed model of being right or wrong: {int(first['faces'])} test faces and {trainings} trainings "
        "(seeds, folds) a cell are random, crossed with model and condition (quasi-F, Clark 1973)."
        if trainings > 1
        else f"Mixed model of being right or wrong: {int(first['faces'])} test faces are random. "
        "With one training a cell it knows nothing of other trainings."
    )
    return Grid(caption, ["effect", "F", "degrees of freedom", "p"], rows, "mixed_model")


def contrasts_grid(table: pd.DataFrame, factor: str) -> Grid:
    """Models, or conditions, against each other on the same faces and trainings."""
    rows = []
    for row in records(table[table["factor"] == factor]):
        mcnemar = row["mcnemar_significant"]
        rows.append([
            Entry("averaged" if row["at"] == "all" else row["at"]), Entry(f"{row['first']} → {row['second']}"),
            Entry(f"{100 * row['accuracy_first']:.1f} → {100 * row['accuracy_second']:.1f}"),
            Entry(signed(row["difference"]), points(row["low"], row["high"])),
            Entry(signed(row["f1_macro_difference"]), points(row["f1_macro_low"], row["f1_macro_high"])),
            Entry(p_value(row["p_holm"])),
            Entry("" if pd.isna(mcnemar) else f"{int(mcnemar)} of {int(row['trainings'])}"),
        ])  # fmt: skip
    other = {"condition": "model", "model": "condition"}[factor]
    header = [other, factor, "accuracy, %", "difference, points", "macro F1, points", "p (Holm)", "McNemar"]
    caption = (
        f"{factor.capitalize()}s compared on the same faces and trainings; 95 % intervals over both. p: mixed model, "
        "Holm-corrected for all pairs of this design. McNemar: trainings in which the exact test finds a difference "
        "(p < .05, Holm-corrected)."
    )
    return Grid(caption, header, rows, "contrasts", heads=2)


def anova_grid(table: pd.DataFrame) -> Grid:
    """The published way: two-way analysis of variance of each metric."""
    rows = []
    for metric in STUDY_METRICS:
        part = table[table["metric"] == metric].set_index("term")
        residual = int(part["df"].loc["residual"])
        for row in records(part.drop(index="residual").reset_index()):
            known = not math.isnan(row["F"])
            rows.append([
                Entry(METRIC_NAMES[metric]), Entry(row["term"]),
                Entry(_number(row["F"]) if known else "–"), Entry(f"{int(row['df'])}, {residual}"),
                Entry(p_value(row["p"]) if known else "–"),
                *(Entry(_share(row[name])) for name in ("eta_sq", "partial_eta_sq", "omega_sq")),
            ])  # fmt: skip
    balanced = "" if table["balanced"].all() else " The cells hold unequal numbers of trainings."
    caption = (
        f"Two-way analysis of variance over folds and seeds, type II sums of squares, uncorrected.{balanced}"
    )
    header = ["metric", "effect", "F", "degrees of freedom", "p", "η²", "partial η²", "ω²"]
    return Grid(caption, header, rows, "anova", heads=2)


def tukey_grid(table: pd.DataFrame) -> Grid:
    """Tukey's comparisons of models and of conditions; those of all cells are in the file."""
    rows = [
        [Entry(METRIC_NAMES[row["metric"]]), Entry(f"{row['first']} → {row['second']}"),
         Entry(_change(row, "difference"), f"{_change(row, 'low')} to {_change(row, 'high')}"),
         Entry(p_value(row["p"]) if not math.isnan(row["p"]) else "–")]
        for row in records(table[table["factor"].isin(("model", "condition"))])
        if row["metric"] in ("accuracy", "f1_macro")
    ]  # fmt: skip
    caption = (
        "Tukey's comparisons after it, in points, with 95 % intervals for the family; the other metrics and all "
        "model × condition cells are in the file."
    )
    return Grid(caption, ["metric", "pair", "difference, points", "p (Tukey)"], rows, "tukey", heads=2)


def extra_grid(table: pd.DataFrame) -> Grid:
    """With and without extra training images."""
    rows = []
    for row in records(table):
        line = [
            Entry(row["model"], row["variant"]),
            Entry(row["extra"]),
            Entry(row["train"]),
            Entry(row["test"]),
        ]
        for metric in ("accuracy", "f1_macro"):
            line.append(Entry(f"{100 * row[f'{metric}_without']:.1f} → {100 * row[f'{metric}_with']:.1f}",
                              f"{signed(row[f'{metric}_difference'])} "
                              f"({points(row[f'{metric}_low'], row[f'{metric}_high'])})"))  # fmt: skip
        line += [Entry(p_value(row["p_holm"])), Entry(f"{row['mcnemar_significant']} of {row['trainings']}")]
        rows.append(line)
    caption = (
        "Without → with the extra images, on the same test faces; below, the difference in points with its paired 95 % "
        "interval over faces and trainings. p: mixed model, Holm-corrected for this table. McNemar: trainings in which "
        "the exact test finds a difference."
    )
    header = [
        "network",
        "extra images",
        "trained on",
        "tested on",
        "accuracy, %",
        "macro F1, %",
        "p (Holm)",
        "McNemar",
    ]
    return Grid(caption, header, rows, "extra_images", heads=2, words=(2, 3))


def design_title(table: pd.DataFrame) -> str:
    """Such as `rafdb (protocol=honest): each network on its own condition`."""
    first = table.iloc[0]
    tested = "each network tested on its own train condition" if first["tested"] == OWN else first["tested"]
    return f"{first['dataset']}{f' ({first.variant})' if first['variant'] else ''}: {tested}"


def _change(row: dict[str, Any], name: str) -> str:
    return signed(row[name])


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}".replace("0.", ".", 1).replace("-", "−")


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:,.1f}" if value >= 10 else f"{value:.2f}"
