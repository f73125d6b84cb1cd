"""A training: data, network, fit, test, record, in this order."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytorch_lightning as pl

from occlufer.building import build
from occlufer.console import say
from occlufer.inference.network import fill, scored_checkpoint
from occlufer.learning.callbacks import History
from occlufer.learning.models.weights import unused_weights
from occlufer.runs import Run
from occlufer.tasks.assemble import check_parts, data_advice, make_classifier, make_datamodule
from occlufer.tasks.faces import make_faces, prepare_landmarks
from occlufer.tasks.loading import loading
from occlufer.tasks.recording import Recorder, check_sweep, interruption, left_out, open_run, resume_point
from occlufer.tasks.scoring import (
    headline,
    record_facts,
    record_samples,
    record_scores,
    score,
    training_grid,
    validation_rows,
)
from occlufer.tasks.trainer import make_trainer


def train(settings: dict[str, Any]) -> float:
    """One training run, or nothing where it is finished already: see `occlufer.commands.train`.

    Args:
        settings: those of `training_settings`, checked.

    Returns:
        Validation macro F1, 0..1, of the checkpoint that was tested; NaN for a run that retry=failed leaves out.
    """
    check_sweep(settings["trainer"])
    with open_run(settings) as run:
        if left_out(run, retry=settings["retry"]):
            return math.nan
        return run.summary().best_score if run.finished else _train(run, settings)


def _train(run: Run, settings: dict[str, Any]) -> float:
    teacher = check_parts(settings)
    mirror = build(settings["logger"])
    recorder = Recorder(run, settings)
    history = History(recorder.write_history)
    trainer = make_trainer(settings, run, mirror, history)
    with recorder.failures():
        faces = make_faces(settings)
        cache, _ = prepare_landmarks(settings, faces)
        data = make_datamodule(settings, faces, cache, settings["condition_occluders"])
        data.require("train", "validation", "test")

        if said := unused_weights(settings["model"]):
            say(said)
        pl.seed_everything(settings["seed"], verbose=False)
        classifier = make_classifier(settings, data.class_counts(), teacher)
        data.pairs = classifier.objective.wants_pairs
        data.tests_validation = True

        with contextlib.ExitStack() as stack:
            if trainer.is_global_zero:
                recorder.begin(data)
                for told in data_advice(settings, data):
                    say(told)
                mirror.begin(folder=run.folder, study=settings["study"], name=run.name, config=settings)
                stack.callback(mirror.close)
                mirror.log_grid("training faces", training_grid(data), "occluded and augmented, epoch 1")
            if recorder.trained:
                for row in run.history().to_dict("records"):
                    mirror.log_metrics(row)
            else:
                with interruption(trainer), loading():
                    trainer.fit(classifier, datamodule=data, ckpt_path=resume_point(run), weights_only=True)
                recorder.end_training(history, trainer)
            fill(classifier.network, scored_checkpoint(run, settings), str(run.folder))
            predictions = score(trainer, classifier, data)
            if not trainer.is_global_zero:
                return recorder.best_score
            record_scores(run, predictions, mirror)
            if (validation := validation_rows(classifier, data)) is not None:
                run.write_predictions(validation, "validation.parquet")
            record_facts(run, data)
            record_samples(run, data)
            recorder.finish(data, classifier)  # before the tracker is closed: a dead one may keep us waiting
        say(f"{run.name}: {headline(predictions)} -> {run.folder}")
    return recorder.best_score
