"""Where a run's network looks, in numbers: `evaluate run=RUN explain=true` writes attention.parquet and its picture."""

from __future__ import annotations

import zlib

import numpy as np
import pandas as pd
from PIL import Image

from occlufer.attention import ATTENTION_COLUMNS, REGIONS, read_attention
from occlufer.console import progress
from occlufer.data.datamodule import FaceDataModule
from occlufer.data.rendered import RenderedFace
from occlufer.data.sheets import contact_sheet
from occlufer.files import atomic_path
from occlufer.inference.attribution import Attribution, untrained
from occlufer.inference.heat import area_shares, mass_shares, overlay, regions
from occlufer.inference.network import LoadedNetwork
from occlufer.runs import Run
from occlufer.types import EXPRESSIONS, ConfigError, FloatArray, RunError, UInt8Array

_BATCH = 64
_COPIES = 8
"""Untrained networks, each explained on an eighth of the faces: what one puts where hangs on its few random weights."""


def _untrained(loaded: LoadedNetwork, *, seed: int) -> Attribution:
    blank = untrained(loaded.description, seed=seed)
    blank.network.to(next(loaded.network.parameters()).device)
    return Attribution(blank)


def check_explainable(data: FaceDataModule) -> None:
    """Raise `ConfigError` for faces without meshes: nothing says where their eyes, mouths and occluders are."""
    if data.faces.covered:
        raise ConfigError(
            f"explain needs landmarks, and none are found in the faces of {data.faces.name}, which are covered "
            "already. Leave explain out, or explain the run on bare faces under drawn occluders."
        )


def explain(
    loaded: LoadedNetwork, data: FaceDataModule, predictions: pd.DataFrame, *, most: int | None, seed: int
) -> tuple[pd.DataFrame, UInt8Array]:
    """Heat maps of what the network answered, of each test condition of `data`, as shares on the parts of the face.

    Args:
        loaded: the network, on the device that it is to use.
        predictions: its rows, from `scoring.score`.
        most: test faces, the same ones in every run on the dataset; None for all.
        seed: of the untrained copies of the network.

    Returns:
        The rows of attention.parquet (see `occlufer.attention`), and a sheet of faces and their heat maps.
    """
    trained = Attribution(loaded)
    blanks = [_untrained(loaded, seed=1000 * seed + copy) for copy in range(_COPIES)]
    chosen = _chosen(data, most)
    tables, rows, names = [], [], []
    with progress("explaining") as update:
        for number, (name, occluder) in enumerate(data.conditions.items()):
            faces = data.condition(occluder, "test")
            of_condition = predictions[predictions["condition"] == name].set_index("key")
            shown: list[tuple[UInt8Array, UInt8Array]] = []
            for start in range(0, len(chosen), _BATCH):
                rendered = [faces.render(int(index), 0) for index in chosen[start : start + _BATCH]]
                table, heat_BHW = _explained(rendered, of_condition, data, trained, blanks)
                tables.append(table.assign(condition=name))
                shown += [
                    (face.occluded_HWC, overlay(face.occluded_HWC, heat_HW))
                    for face, heat_HW in zip(rendered, heat_BHW, strict=True)
                ][: len(EXPRESSIONS) if start == 0 else 0]
                update(number * len(chosen) + start + len(rendered), len(chosen) * len(data.conditions))
            rows += [[pair[place] for pair in shown] for place in (0, 1)]
            names += [name, f"{name}: what speaks for the answer"]
    found = pd.concat(tables, ignore_index=True).assign(
        method=trained.method, layer=trained.layer, cells=f"{trained.cells[0]}x{trained.cells[1]}"
    )
    return found, contact_sheet(rows, tile=96, row_names=names)


def _chosen(data: FaceDataModule, most: int | None) -> list[int]:
    """Manifest rows of the test faces: one of each expression first, for the picture, then by chance from the key."""
    manifest = data.faces.manifest
    drawn = sorted(
        map(int, data.indices["test"]),
        key=lambda index: zlib.crc32(f"{data.evaluation_seed} {manifest.row(index).key}".encode()),
    )
    drawn = drawn[:most]
    first = {int(manifest.labels[index]): index for index in reversed(drawn)}
    ahead = [first[label] for label in sorted(first)]
    return [*ahead, *(index for index in drawn if index not in set(ahead))]


def _explained(
    rendered: list[RenderedFace], predictions: pd.DataFrame, data: FaceDataModule, trained: Attribution,
    blanks: list[Attribution],
) -> tuple[pd.DataFrame, FloatArray]:  # fmt: skip
    image_BCHW = np.stack([data.image.to_array(face.occluded_HWC) for face in rendered])
    rows = predictions.loc[[face.key for face in rendered]]
    answers_B = rows["prediction"].to_numpy(dtype=np.int64)
    heats = trained(image_BCHW, answers_B), np.zeros((len(image_BCHW), *data.image.hw), np.float32)
    for copy, blank in enumerate(blanks):
        heats[1][copy::_COPIES] = blank(image_BCHW[copy::_COPIES], answers_B[copy::_COPIES])
    shares: dict[str, list[FloatArray]] = {"mass": [], "untrained": [], "area": []}
    for place, face in enumerate(rendered):
        regions_RHW = regions(face)
        shares["mass"].append(mass_shares(heats[0][place], regions_RHW))
        shares["untrained"].append(mass_shares(heats[1][place], regions_RHW))
        shares["area"].append(area_shares(regions_RHW))
    table = rows[["subject", "label", "prediction"]].reset_index()
    columns = {
        f"{kind}_{region}": np.stack(values)[:, place].astype(np.float32)
        for kind, values in shares.items()
        for place, region in enumerate(REGIONS)
    }
    return table.assign(**columns), heats[0]


def record_attention(run: Run, rows: pd.DataFrame, sheet: UInt8Array) -> None:
    """Write attention.parquet, in which rows under other conditions stay, and figures/attention.png."""
    try:
        before = read_attention(run)
    except RunError:  # damaged, or another version's: made again
        before = rows.iloc[:0]
    kept = before[~before["condition"].isin(rows["condition"])]
    with atomic_path(run.folder / "attention.parquet") as temporary:
        whole = pd.concat([kept, rows], ignore_index=True) if len(kept) else rows
        whole[list(ATTENTION_COLUMNS)].to_parquet(temporary, index=False)
    with atomic_path(run.folder / "figures" / "attention.png") as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")
