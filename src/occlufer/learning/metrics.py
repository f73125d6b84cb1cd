"""Metrics watched during training. The numbers of a result come from the prediction rows (occlufer.analysis)."""

from __future__ import annotations

from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score


def training_accuracy(classes: int) -> MulticlassAccuracy:
    """Share of the training faces classified correctly during an epoch, augmented and under dropout."""
    # Its checks of the arguments would make a GPU wait.
    return MulticlassAccuracy(num_classes=classes, average="micro", validate_args=False)


def validation_metrics(classes: int) -> MetricCollection:
    """`val_accuracy` (micro) and `val_f1_macro`, from logits (B, K) and labels (B,)."""
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(num_classes=classes, average="micro"),
            "f1_macro": MulticlassF1Score(num_classes=classes, average="macro"),
        },
        prefix="val_",
    )
