"""attention.parquet: where the network of a run looks, one row a test face and condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from occlufer.types import RunError, override

if TYPE_CHECKING:
    import pandas as pd  # imported where a table is read

    from occlufer.runs import Run

REGIONS = ("occluder", "eyes", "mouth", "face", "background")
"""What a picture is divided into: the occluder by its alpha; of what it leaves free the eyes with their brows, the
lips, the rest of the face, and what lies around the face."""

ATTENTION_COLUMNS: tuple[str, ...] = (
    "key",
    "subject",
    "condition",
    "label",
    "prediction",  # the answer that is explained
    *(
        f"mass_{name}" for name in REGIONS
    ),  # float32, share of what speaks for it; sum to 1, NaN where nothing does
    *(f"untrained_{name}" for name in REGIONS),  # the same of the network with random weights
    *(f"area_{name}" for name in REGIONS),  # share of the picture
    "method",  # "Grad-CAM" or "integrated gradients"
    "layer",  # where Grad-CAM looked; "" for the other
    "cells",  # height x width of that layer's map, or of the picture
)


def read_attention(run: Run) -> pd.DataFrame:
    """attention.parquet with `ATTENTION_COLUMNS`; empty where there is none, `RunError` for a damaged one."""
    import pandas as pd

    path = run.folder / "attention.parquet"
    if not path.is_file():
        return pd.DataFrame(columns=[*ATTENTION_COLUMNS])
    again = f"Make it again: occlufer evaluate {override('run', str(run.folder))} explain=true"
    try:
        frame = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises its own family for damaged files
        raise RunError(f"{path} cannot be read ({error}). {again}") from error
    if missing := [name for name in ATTENTION_COLUMNS if name not in frame.columns]:
        raise RunError(f"{path} lacks the columns {', '.join(missing)}. {again}")
    return frame[list(ATTENTION_COLUMNS)]
