"""Model x condition: the honest tests, and the published analysis of variance beside them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from occlufer.analysis.core.cells import training_bootstrap
from occlufer.analysis.core.conditions import mask_and_headset
from occlufer.analysis.core.crossed import contrasts, crossed_test, pair_contrast
from occlufer.analysis.core.factors import OWN, Factors, Key, crossed_cells, scores_of
from occlufer.analysis.core.metrics import (
    STUDY_METRICS,
    accuracy_of,
    f1_macro_of,
    records,
)
from occlufer.analysis.core.paired import paired_test
from occlufer.analysis.core.statistics import holm
from occlufer.analysis.core.trainings import Training
from occlufer.analysis.core.words import p_value, points, signed
from occlufer.analysis.sections.base import Section
from occlufer.analysis.sections.parts import (
    Details,
    Entry,
    Grid,
    Heading,
    Text,
)
from occlufer.studies import anova

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


class Models(Section):
    """Several models or a re-run of a published study: is an effect larger than chance would make it?"""

    anchor, title, nav = "models", "Model × condition, and which test to believe", "Model × condition"

    def make_tables(self) -> dict[str, pd.DataFrame]:
        designs = crossed_cells(self.core.counted)
        return {
            "mixed_model": crossed_table(designs),
            "contrasts": comparedtable(designs),
            "anova": anova_table(designs, self.core.scores),
            "tukey": tukey_table(designs, self.core.scores),
        }

    def parts(self) -> list[Any]:
        mixed = self.tables["mixed_model"]
        columns = ["dataset", "variant", "tested"]
        keys = list(mixed[columns].drop_duplicates().itertuples(index=False)) if len(mixed) else []
        found: list[Any] = [Text(WHICH_TO_BELIEVE)] if keys else []
        for key in keys:
            part = {name: table[(table[columns] == list(key)).all(axis=1)] if len(table) else table
                    for name, table in self.tables.items()}  # fmt: skip
            found += [
                *([Heading(design_title(part["mixed_model"]))] if len(keys) > 1 else []),
                *_design(part),
            ]
        return found

    def terms(self) -> list[tuple[str, str]]:
        return [
            ("Effect sizes of the analysis of variance", "η² = SS / SS total; partial η² = SS / (SS + SS "
                                                         "residual); ω² = "
             "(SS − df · MS residual) / (SS total + MS residual) (Olejnik & Algina, Psychological Methods 8, 2003).")
        ]  # fmt: skip


def _design(part: dict[str, pd.DataFrame]) -> list[Any]:
    """One model x condition design: the honest tests, then the published one."""
    refused = {name: str(part[name]["refused"].iloc[0]) for name in ("mixed_model", "anova")}
    parts: list[Any] = [
        Text(refused["mixed_model"]) if refused["mixed_model"] else mixed_grid(part["mixed_model"])
    ]
    compared = part["contrasts"]
    factors: list[str] = list(compared["factor"].unique()) if len(compared) else []
    for place, factor in enumerate(factors):
        grid = comparedgrid(part["contrasts"], factor)
        parts.append(Details(f"{factor.capitalize()}s in pairs ({len(grid.rows)})", [grid], open=place == 0))
    if refused["anova"]:
        words = "No analysis of variance over folds, the published way, is possible."
        return [*parts, Text(f"{words} {refused['anova']}")]
    published = "The published way:"
    return [*parts, Details(f"{published} analysis of variance over folds", [anova_grid(part["anova"])]),
            Details(f"{published} Tukey’s comparisons", [tukey_grid(part["tukey"])])]  # fmt: skip


def anova_table(designs: Sequence[Factors], scores: pd.DataFrame) -> pd.DataFrame:
    """Two-way analysis of variance per metric: see `anova.two_way`; `balanced`, and `refused` where there is none."""
    frames = []
    for factors in designs:
        found = scores_of(factors, scores)
        if reason := anova.refusal(found):
            frames.append(pd.DataFrame([factors.identity | {"refused": reason}]))
            continue
        for metric in STUDY_METRICS:
            table = anova.two_way(found, metric)
            head = factors.identity | {"metric": metric, "balanced": anova.is_balanced(found)}
            frames.append(pd.DataFrame([head] * len(table)).join(table).assign(refused=""))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def tukey_table(designs: Sequence[Factors], scores: pd.DataFrame) -> pd.DataFrame:
    """Tukey's comparisons per metric of models, of conditions, and of all cells: see `anova.tukey`."""
    frames = []
    for factors in designs:
        found = scores_of(factors, scores)
        if anova.refusal(found):
            continue
        for metric, factor in itertools.product(STUDY_METRICS, anova.TERMS):
            table = anova.tukey(found, metric, factor)
            head = pd.DataFrame([factors.identity | {"metric": metric}] * len(table))
            frames.append(head.join(table))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def crossed_table(designs: Sequence[Factors]) -> pd.DataFrame:
    """The mixed model with random faces and trainings: one row a term (`crossed.crossed_test`), on shared trainings."""
    rows: list[dict[str, Any]] = []
    for factors in designs:
        trainings = factors.shared_trainings(factors.keys)
        if not trainings:
            reason = (
                "The models and conditions share no seed and fold, so nothing can be compared face by face."
            )
            rows.append(factors.identity | {"trainings": 0, "refused": reason})
            continue
        right_NRK = factors.right_answers(factors.keys, trainings)
        for term, contrast_QK in contrasts(len(factors.models), len(factors.conditions)).items():
            found = crossed_test(right_NRK, contrast_QK)
            rows.append(
                factors.identity
                | {"term": term, "F": found.F, "df": found.df[0], "df_error": found.df[1], "p": found.p,
                   "face_variance": found.face_variance, "training_variance": found.training_variance,
                   "faces": len(right_NRK), "trainings": len(trainings), "refused": ""}
            )  # fmt: skip
    return pd.DataFrame(rows)


def comparedtable(designs: Sequence[Factors]) -> pd.DataFrame:
    """Models against models and conditions against conditions, paired on faces and trainings.

    Columns: factor (`model` or `condition`), at (the level of the other factor, or `all`), first, second, the mean
    accuracies, difference with low and high (95 % bootstrap over faces x trainings), the same for macro F1 as
    `f1_macro_`, p of the mixed model and p_holm (corrected for all rows of one design), and how many of the `trainings`
    differ in exact McNemar tests (p < .05, Holm-corrected for all tests of one design); empty where cells are pooled.
    """
    frames = []
    for factors in designs:
        rows: list[dict[str, Any]] = []
        tests: list[list[float]] = []
        for names, first, second in _pairs(factors):
            if trainings := factors.shared_trainings([*first, *second]):
                rows.append(factors.identity | names | _contrast(factors, first, second, trainings))
                tests.append(_paired_tests(factors, first, second, trainings))
        corrected = iter(holm([p for found in tests for p in found]))
        counts = [sum(next(corrected) < 0.05 for _ in found) if found else None for found in tests]
        if rows:
            table = pd.DataFrame(rows)
            p_holm = holm(table["p"].fillna(1.0).tolist())
            frames.append(table.assign(p_holm=p_holm, mcnemar_significant=pd.array(counts, dtype="Int64")))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _contrast(
    factors: Factors, first: list[Key], second: list[Key], trainings: list[Training]
) -> dict[str, Any]:
    right_NRK = factors.right_answers([*first, *second], trainings)
    sides = [list(range(len(first))), list(range(len(first), len(first) + len(second)))]
    row: dict[str, Any] = {"faces": len(right_NRK), "trainings": len(trainings)}
    row |= {
        f"accuracy_{name}": float(right_NRK[:, :, side].mean())
        for name, side in zip(("first", "second"), sides, strict=True)
    }
    items = [
        [[factors.cells[key][training] for training in trainings] for key in side] for side in (first, second)
    ]
    bootstrap = training_bootstrap(items[0][0])
    cells = [[{item.training: item.cell for item in cell} for cell in side] for side in items]
    for metric, statistic in (("", accuracy_of), ("f1_macro_", f1_macro_of)):
        change = bootstrap.difference(statistic, *cells)
        row |= {f"{metric}difference": float(change.value), f"{metric}low": float(change.low),
                f"{metric}high": float(change.high)}  # fmt: skip
    return row | {"p": crossed_test(right_NRK, pair_contrast(len(first) + len(second), *sides)).p}


def _paired_tests(
    factors: Factors, first: list[Key], second: list[Key], trainings: list[Training]
) -> list[float]:
    """p of the exact McNemar test of each training; none where cells are pooled, as a face then has no one answer."""
    if len(first) > 1:
        return []
    right_NR2 = factors.right_answers([*first, *second], trainings)
    return [paired_test(right_NR2[:, place, 0], right_NR2[:, place, 1]).p for place in range(len(trainings))]


def _pairs(factors: Factors) -> Iterator[tuple[dict[str, str], list[Key], list[Key]]]:
    """Names of a row and the cells of both its sides: every factor, averaged over the other one and at each level."""
    models, conditions = factors.models, factors.conditions
    wanted = [("none", name) for name in conditions if name != "none" and "none" in conditions]
    wanted = wanted + mask_and_headset(conditions) or list(itertools.combinations(conditions, 2))
    for at in (["all"] if len(models) > 1 else []) + list(models):
        over = models if at == "all" else (at,)
        for first, second in wanted:
            names = {"factor": "condition", "at": at, "first": first, "second": second}
            yield names, [(model, first) for model in over], [(model, second) for model in over]
    for at in (["all"] if len(conditions) > 1 else []) + list(conditions):
        over = conditions if at == "all" else (at,)
        for first, second in itertools.combinations(models, 2):
            names = {"factor": "model", "at": at, "first": first, "second": second}
            yield (
                names,
                [(first, condition) for condition in over],
                [(second, condition) for condition in over],
            )


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
        f"Mixed model of correct and wrong answers: {int(first['faces'])} test faces and {trainings} trainings "
        "(seeds, folds) a cell are random, crossed with model and condition (quasi-F, Clark 1973)."
        if trainings > 1
        else f"Mixed model of correct and wrong answers: {int(first['faces'])} test faces are random. "
        "With one training a cell it knows nothing of other trainings."
    )
    return Grid(caption, ["effect", "F", "degrees of freedom", "p"], rows, "mixed_model")


def comparedgrid(table: pd.DataFrame, factor: str) -> Grid:
    """Models, or conditions, against each other on the same faces and trainings."""
    rows = []
    for row in records(table[table["factor"] == factor]):
        mcnemar = row["mcnemar_significant"]
        rows.append([
            Entry("averaged" if row["at"] == "all" else row["at"]), Entry(f"{row['first']} → {row['second']}"),
            Entry(f"{100 * row['accuracy_first']:.1f} → {100 * row['accuracy_second']:.1f}"),
            Entry(signed(row["difference"]), points(row["low"], row["high"])),
            Entry(signed(row["f1_macro_difference"]), points(row["f1_macro_low"], row["f1_macro_high"])),
            Entry("–" if math.isnan(row["p"]) else p_value(row["p"])), Entry(p_value(row["p_holm"])),
            Entry("" if pd.isna(mcnemar) else f"{int(mcnemar)} of {int(row['trainings'])}"),
        ])  # fmt: skip
    other = {"condition": "model", "model": "condition"}[factor]
    header = [
        other,
        factor,
        "accuracy, %",
        "difference, points",
        "macro F1, points",
        "p",
        "p (Holm)",
        "McNemar",
    ]
    caption = (
        f"{factor.capitalize()}s compared on the same faces and trainings; 95 % intervals over both, each by itself. "
        "p: mixed model, by itself as the interval is, and Holm-corrected for all pairs of this design. "
        "McNemar: trainings in which the exact test finds a difference "
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
