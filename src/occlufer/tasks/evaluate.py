"""A finished run scored again: under other conditions, or on another dataset."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd

from occlufer.analysis.core.words import count
from occlufer.console import out, say
from occlufer.data.datamodule import FaceDataModule
from occlufer.data.usable import left_out_notes
from occlufer.files import locked
from occlufer.inference.description import older
from occlufer.inference.network import load_network
from occlufer.learning.tested import TestedNetwork
from occlufer.occlusion.none import NoOcclusion
from occlufer.reading import check_size
from occlufer.runs import Run, RunSummary, refuse_links
from occlufer.settings import DRAWING
from occlufer.tasks.assemble import check_data_parts, make_datamodule
from occlufer.tasks.explaining import check_explainable, explain, record_attention
from occlufer.tasks.faces import make_faces, prepare_landmarks
from occlufer.tasks.scoring import LEFT_BARE, headline, record_samples, record_scores, score
from occlufer.tasks.trainer import make_tester
from occlufer.tracking import NoMirror
from occlufer.trust import stored_conditions, stored_settings
from occlufer.types import ConfigError, RunError


def evaluate(run: Run, given: dict[str, Any], asked: dict[str, Any]) -> None:
    """See `occlufer.commands.evaluate`.

    Args:
        run: a finished one.
        given: the settings of conf/evaluate.yaml, checked.
        asked: the occluder node of each condition.

    Raises:
        RunError: the run cannot be read or built, or its faces are not the same any more.
    """
    summary = run.summary()
    refuse_links(run.folder, "figures", "elsewhere", "checkpoints")
    settings = _settings(stored_settings(run, trusted=given["trusted"]), given, str(run.folder))
    tester = make_tester(settings["trainer"], run)
    try:
        check_data_parts(settings)
    except ConfigError as error:
        raise older(str(run.folder), f"cannot be built by this one: {error}") from error

    loaded = load_network(run.folder, trusted=given["trusted"])
    faces = make_faces(settings)
    cache, _ = prepare_landmarks(settings, faces)
    data = make_datamodule(settings, faces, cache, asked)
    if not given.get("dataset"):
        data.leave_out(_left_bare_before(run, data))
    data.require("test")
    if given["explain"]:
        check_explainable(data)
    classifier = TestedNetwork(
        loaded.network,
        channels_last=loaded.description.channels_last,
        flip=bool(settings.get("flip_test")),  # runs of earlier versions do not say
    )
    fresh = score(tester, classifier, data)
    redrawn = _redrawn(summary, asked)
    for told in redrawn:
        say(told)
    if not tester.is_global_zero:  # each ddp process holds all rows, and one writes them
        return
    explained = None
    if given["explain"]:
        loaded.network.to(tester.strategy.root_device)
        most = None if given["explain"] is True else int(given["explain"])
        explained = explain(loaded, data, fresh, most=most, seed=summary.seed)
    if given.get("dataset"):
        with locked(run.folder / ".lock"):
            other = Run(run.folder / "elsewhere" / faces.name)
            record_scores(other, fresh, NoMirror())
            other.write_json("conditions.json", asked)
            other.write_json("view.json", settings["view"])
            record_samples(other, data)
            if explained:
                record_attention(other, *explained)
        out.print(
            f"{run.name} on {faces.name}: {headline(fresh)} -> {other.folder}", markup=False, highlight=False
        )
        return
    with locked(run.folder / ".lock"):
        merged, nodes = _merged(run, fresh, asked, data, trusted=given["trusted"])
        # The occluders first: a kill between the two files then leaves no row whose occluder is unknown.
        run.write_json("conditions.json", nodes)
        record_scores(run, merged, NoMirror())
        left_out = data.left_out()
        run.write_table("dropped.csv", left_out)
        notes = tuple(dict.fromkeys([*summary.notes, *left_out_notes(left_out), *redrawn]))
        run.finish(dataclasses.replace(summary, conditions=tuple(nodes), notes=notes))
        record_samples(run, make_datamodule(settings, faces, cache, nodes))
        if explained:
            record_attention(run, *explained)
    out.print(f"{run.name}: {headline(fresh)}", markup=False, highlight=False)


def _redrawn(summary: RunSummary, asked: dict[str, Any]) -> list[str]:
    """That the run was trained under other drawings of the occluders than it is tested under now, if it was."""
    covering = [
        name for name, node in asked.items() if not node["_target_"].startswith(NoOcclusion.__module__)
    ]
    if summary.drawing == DRAWING or not covering:
        return []
    return [
        f"{', '.join(covering)}: scored under version {DRAWING} of the occluders' drawings, while {summary.name} was "
        f"trained under version {summary.drawing}; CHANGELOG.md says what moved. Rows of other conditions keep theirs."
    ]


def _left_bare_before(run: Run, data: FaceDataModule) -> dict[int, str]:
    """Faces that an occluder left bare when the run was scored: they are in no condition of it."""
    path = run.folder / "dropped.csv"
    if not path.is_file():  # a run of an earlier version
        return {}
    check_size(path)
    try:
        dropped = pd.read_csv(path, dtype=str, keep_default_na=False)
        bare = dropped.loc[dropped["reason"].str.startswith(LEFT_BARE), ["key", "reason"]]
    except (ValueError, KeyError) as error:
        raise RunError(
            f"{path} cannot be read ({error}). Delete it, and score all conditions again."
        ) from error
    reasons = dict(bare.itertuples(index=False, name=None))
    return {index: reasons[key] for index, key in enumerate(data.faces.manifest.keys) if key in reasons}


def _merged(
    run: Run, fresh: pd.DataFrame, asked: dict[str, Any], data: FaceDataModule, *, trusted: list[str]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The run's prediction rows with those of the asked conditions replaced, and the occluder of each condition.

    Which conditions there are is read from the rows: after a kill run.json may be older than they are.
    """
    known = run.summary().conditions
    try:
        kept, stored = run.predictions(), stored_conditions(run, trusted=trusted)
    except RunError as error:
        if not set(known) <= set(asked):
            every = ",".join(dict.fromkeys([*known, *asked]))
            raise RunError(f"{error} To mend it, score all of them again: conditions=[{every}].") from error
        kept, stored = fresh.iloc[:0], {}
    kept = kept[~kept["condition"].isin(asked)]
    # A face that one occluder leaves bare is taken out of the earlier conditions too: they are compared in pairs.
    bare = data.left_out()
    kept = kept[~kept["key"].isin(bare.loc[bare["reason"].str.startswith(LEFT_BARE), "key"])]
    lost = ~kept["condition"].isin(list(stored))
    if lost.any():
        unknown = sorted({str(name) for name in kept.loc[lost, "condition"]})
        say(
            f"{run.name}: {count(int(lost.sum()), 'row')} under {', '.join(unknown)} left out, as conditions.json does "
            "not name the occluder (an evaluation was killed). Score them again with conditions=[...]."
        )
        kept = kept[~lost]
    if len(kept):
        _same_faces(kept, fresh, str(run.folder))
        if kept["content"].isna().all():  # of an older version: the same faces, by their names
            kept = kept.assign(
                content=kept["key"].map(dict(zip(fresh["key"], fresh["content"], strict=True)))
            )
    merged = pd.concat([kept, fresh], ignore_index=True)
    found = set(merged["condition"])
    order = [name for name in dict.fromkeys([*known, *stored, *asked]) if name in found]
    merged["condition"] = pd.Categorical(merged["condition"], order)
    merged = merged.sort_values("condition", kind="stable").astype({"condition": str}).reset_index(drop=True)
    return merged, {name: (stored | asked)[name] for name in order}


def _settings(stored: dict[str, Any], given: dict[str, Any], where: str) -> dict[str, Any]:
    """The run's configuration, on this machine's paths, devices and workers."""
    try:
        settings = stored | {"paths": given["paths"], "trainer": given["trainer"]}
        settings["loader"] = stored["loader"] | given["loader"]
        if given.get("dataset"):
            settings |= {"dataset": given["dataset"], "fold": None, "occlusion": given["first_condition"]}
        elif given["dataset_root"] is not None:
            settings["dataset"] = stored["dataset"] | {"root": given["dataset_root"]}
        if given.get("view"):
            settings["view"] = given["view"]
        settings["dataset"] = settings["dataset"] | {"extra": None}  # it was for training
        if "cache" in settings["dataset"]:  # nothing is written where a stored run says
            settings["dataset"]["cache"] = str(Path(given["paths"]["cache"]) / "synthetic")
        for needed in ("dataset", "landmarks", "view", "occlusion", "augmentation", "model"):
            settings[needed]["_target_"]
        for needed in ("image", "seed", "evaluation_seed", "protocol"):
            settings[needed]
    except KeyError as error:
        raise older(where, f"lacks {error}") from error
    except TypeError as error:
        raise older(where, f"holds a plain value where it must name something to build ({error})") from error
    return settings


def _same_faces(kept: Any, fresh: Any, where: str) -> None:
    """Raise `RunError` unless new rows are of the same test faces: conditions are compared in pairs."""
    face = ["key", "content"] if kept["content"].notna().all() else ["key"]
    known, found = (set(rows[face].itertuples(index=False, name=None)) for rows in (kept, fresh))
    if known != found:
        raise RunError(
            f"The dataset is not the one that {where} was tested on: {len(known - found)} of {len(known)} test faces "
            f"are missing and {len(found - known)} are new. Give dataset_root=DIR of the same data."
        )
