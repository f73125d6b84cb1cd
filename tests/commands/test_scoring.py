"""Prediction rows: what of the manifest reaches them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from occlufer.commands.scoring import score
from occlufer.datasets.manifest import Manifest


@pytest.mark.parametrize("subjects", [[f"person-{row % 3}" for row in range(14)], [None] * 14])
def test_rows_say_who_is_shown(subjects: list[str | None]) -> None:
    frame = pd.DataFrame({"key": [f"k{row}" for row in range(14)], "source": range(14), "label": np.arange(14) % 7,
                          "split": "test", "subject": subjects})  # fmt: skip
    index = np.arange(14)
    scored = {
        "index": index,
        "probabilities": np.full((14, 7), 1 / 7),
        "covered_share": np.zeros(14, np.float32),
    }
    data = SimpleNamespace(
        conditions={"none": None},
        indices={"test": index},
        faces=SimpleNamespace(
            manifest=Manifest.from_frame(frame, name="made up"),
            content_digest=lambda index: bytes([index]),
        ),
    )
    trainer = SimpleNamespace(test=lambda *_, **__: None)
    rows = score(trainer, SimpleNamespace(test_rows=[scored]), data)  # type: ignore[arg-type]
    assert rows["subject"].tolist() == subjects
    assert rows["key"].tolist() == frame["key"].tolist()
