"""A methods paragraph from the runs' own configuration, with citations as [@key]: what was done, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from occlufer.analysis.core.conditions import condition_order
from occlufer.analysis.core.scored import ScoredRun, packages_of
from occlufer.analysis.core.study import Study
from occlufer.analysis.core.trainings import repetitions
from occlufer.analysis.core.words import condition_phrase, joined
from occlufer.analysis.paper.latex import escape
from occlufer.analysis.paper.references import DATASETS

_CITED = re.compile(r"\[(@[a-z0-9]+(?:; @[a-z0-9]+)*)\]")


def methods(study: Study, tables: Mapping[str, Any]) -> str:
    """One paragraph a block of runs, and one on the statistics; a setting that runs differ in is given by its values.

    Args:
        tables: the tables of the report by name: what is there is what was computed.
    """
    paragraphs = [_training_words(study.of(block)) for block in study.blocks]
    return "\n\n".join([*paragraphs, _statistics_words(study, tables)])


def citations(text: str) -> list[str]:
    """The keys that a text cites."""
    return [key.strip("@ ") for found in _CITED.findall(text) for key in found.split(";")]


def latex_text(text: str) -> str:
    r"""The paragraph for LaTeX: escaped, with `\cite`."""
    return "\n\n".join(map(_paragraph, text.split("\n\n")))


def _paragraph(text: str) -> str:
    return "".join(
        f"\\cite{{{','.join(key.strip('@ ') for key in part.split(';'))}}}" if place % 2 else escape(part)
        for place, part in enumerate(_CITED.split(text))
    )


def _training_words(runs: Sequence[ScoredRun]) -> str:
    first = runs[0]
    trains = joined(
        [condition_phrase(name) for name in condition_order(run.summary.condition for run in runs)]
    )
    tests = joined(
        [condition_phrase(name) for name in condition_order(name for run in runs for name in run.conditions)]
    )
    cited = "; ".join(f"@{key}" for key in DATASETS.get(first.summary.dataset, ()))
    counts = first.summary.counts
    splits = joined([f"{counts[name]} {name}" for name in ("train", "validation", "test") if name in counts])
    trainings = {run.training for run in runs}
    folds = len({training.fold for training in trainings} - {None})
    repeated = repetitions(len(trainings), len({training.seed for training in trainings}), folds)
    sentences = [
        f"We trained {first.block.title.split(' on ')[0]}{_network(runs)} on {first.summary.dataset}"
        f"{f' [{cited}]' if cited else ''} ({splits} faces) for {_said(runs, 'trainer.max_epochs')} epochs on "
        f"{trains}, with {repeated} each, and tested on {tests}, the same faces under every condition.",
        f"Landmarks of each face (468 points) were found once, on the uncovered image [@kartynnik2019]; "
        f"faces without landmarks ({counts.get('dropped', 0)}) left every condition. Occluders were drawn from "
        "these landmarks anew for each training face and epoch, and once for each test face.",
        f"Images were {_size(runs)} pixels{_augmented(first)}.",
        f"We used {_name(runs, 'objective')} and {_name(runs, 'optimizer')} (learning rate "
        f"{_said(runs, 'optimizer.lr')}"
        f"{_option(runs, 'optimizer.weight_decay', ', weight decay {}')}) with a batch size of "
        f"{_said(runs, 'loader.batch_size')}{_option(runs, 'scheduler._target_', ' and the schedule {}')}"
        f"{_option(runs, 'objective.label_smoothing', ', label smoothing {}')}"
        f"{_option(runs, 'objective.class_weights', ', class weights {}')}.",
        _protocol(runs),
        _software(first),
    ]
    return " ".join(filter(None, sentences))


def _network(runs: Sequence[ScoredRun]) -> str:
    sizes = sorted({run.summary.parameters for run in runs})
    cited = " [@wightman2019]" if _values(runs, "model.backbone") != [None] else ""
    return f" ({' or '.join(f'{size:,}' for size in sizes)} weights){cited}"


def _size(runs: Sequence[ScoredRun]) -> str:
    size = _values(runs, "image.size")
    sides = [value if isinstance(value, list) and len(value) == 2 else [value, value] for value in size]
    return " or ".join(f"{high} × {wide}" for high, wide in sides)


def _augmented(run: ScoredRun) -> str:
    target = str(_value(run.config, "augmentation._target_") or "")
    if not target:
        return ""
    names = {"flip": "mirroring", "rotation_range": "rotation", "scale_range": "scaling", "shift_range": "shifts",
             "shear_range": "shear", "brightness_range": "brightness", "contrast_range": "contrast"}  # fmt: skip
    settings = run.config["augmentation"]
    used = [words for name, words in names.items() if name in settings and _changes(name, settings[name])]
    return f", augmented by {joined(used)} [@buslaev2020]" if used else ""


def _changes(name: str, value: Any) -> bool:
    if isinstance(value, list):
        return value != ([1.0, 1.0] if name == "scale_range" else [0.0, 0.0])
    return bool(value)


def _protocol(runs: Sequence[ScoredRun]) -> str:
    if _said(runs, "protocol") == "published":
        return "The last epoch was scored, as in the published study."
    return "The epoch with the best macro F1 on validation faces was scored once on the test faces."


def _software(run: ScoredRun) -> str:
    packages = packages_of(run.run)
    cited = {"torch": "PyTorch", "pytorch-lightning": "PyTorch Lightning"}
    keys = {"torch": "paszke2019", "pytorch-lightning": "falcon2019"}
    used = [f"{cited[name]} {packages[name]} [@{keys[name]}]" for name in cited if name in packages]
    own = [f"OccluFER {packages['occlufer']}"] if "occlufer" in packages else []
    return f"Software: {joined(own + used)}." if own + used else ""


def _statistics_words(study: Study, tables: Mapping[str, Any]) -> str:
    people = tables["matrix"]["people"].dropna() if "matrix" in tables and len(tables["matrix"]) else []
    unit = "people, each with all their faces [@davison1997]," if len(people) else "test faces"
    several = len({run.training for run in study.runs}) > 1
    too = " and, independently, over trainings [@owen2007]," if several else ""
    sentences = [
        f"Intervals (95 %) of scores are percentile bootstrap intervals over {unit}{too} with 1000 resamples "
        "[@efron1993]."
    ]
    if len(tables.get("effects", ())):
        sentences.append(
            f"Differences in accuracy take {'people' if len(people) else 'faces'} and trainings as crossed random "
            "effects, the spread of trainings pooled over the contrasts [@searle1992]: their intervals are t "
            "intervals; p values of the primary family, "
            "which was declared beforehand, are Holm-corrected "
            "[@holm1979], and equivalence is tested by two one-sided tests [@schuirmann1987]."
        )
    if len(tables.get("recovery", ())):
        sentences.append(
            "Recovery is the share of the accuracy lost under an occluder that a training wins back, with an interval "
            "by the delta method."
        )
    if len(tables.get("comparisons", ())):
        sentences.append("Single trainings are compared by exact McNemar tests [@mcnemar1947].")
    if len(tables.get("calibration", ())):
        sentences.append("Calibration is the expected calibration error over 15 bins [@guo2017].")
    if "published" in tables and len(tables["published"]):
        sentences.append("Published figures are those of the study that was run again [@casasortiz2024].")
    return " ".join(sentences) if study.runs else ""


def _value(config: Mapping[str, Any], name: str) -> Any:
    value: Any = config
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _values(runs: Sequence[ScoredRun], name: str) -> list[Any]:
    """The different values of a setting, in the order of the runs."""
    found: list[Any] = []
    for run in runs:
        if (value := _value(run.config, name)) not in found:
            found.append(value)
    return found


def _said(runs: Sequence[ScoredRun], name: str) -> str:
    """A setting as text: `not recorded` where no run says it, `a or b` where runs differ."""
    known = [str(value) for value in _values(runs, name) if value is not None]
    return " or ".join(known) if known else "not recorded"


def _name(runs: Sequence[ScoredRun], group: str) -> str:
    """What a group builds, by the last part of its `_target_`."""
    known = [
        str(value).rsplit(".", 1)[-1] for value in _values(runs, f"{group}._target_") if value is not None
    ]
    if group == "objective":  # CrossEntropy in words; an optimiser keeps its name
        known = [re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower() for name in known]
    return " or ".join(known) if known else f"{group} (not recorded)"


def _option(runs: Sequence[ScoredRun], name: str, words: str) -> str:
    """Words on a setting that is in use: not empty, zero or off."""
    known = [str(value).rsplit(".", 1)[-1] if name.endswith("_target_") else str(value)
             for value in _values(runs, name) if value not in (None, 0, 0.0, False)]  # fmt: skip
    return words.format(" or ".join(known)) if known else ""
