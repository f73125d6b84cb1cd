"""The honest way: networks are compared on the same faces, and both faces and trainings are drawn by chance.

Every network meets every test face, and folds of one split share most of their training faces. So the scores of the
folds are no independent replicates: they carry the same lucky or unlucky test set. Here a face and a training (seed and
fold) are both random effects, crossed with the fixed effects of model and condition. On such complete tables the
moment estimates of that mixed model have a closed form, so there is nothing that could fail to converge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Crossed:
    """A test of one effect against faces and trainings.

    Attributes:
        F: the ratio of mean squares; NaN where nothing varies.
        df: degrees of freedom of numerator and denominator, after Satterthwaite.
        p: probability of a ratio as large when the effect is zero in the population.
        face_variance, training_variance: of the random effects on one orthonormal contrast, not below zero;
            `training_variance` is NaN with one training.
    """

    F: float
    df: tuple[float, float]
    p: float
    face_variance: float
    training_variance: float


def contrasts(models: int, conditions: int) -> dict[str, Array]:
    """Orthonormal contrasts of the cells (model-major order) for each term: name -> (q, models * conditions)."""
    mean_of = {count: np.full((1, count), 1 / np.sqrt(count)) for count in (models, conditions)}
    found = {
        "model": np.kron(_helmert(models), mean_of[conditions]),
        "condition": np.kron(mean_of[models], _helmert(conditions)),
        "model × condition": np.kron(_helmert(models), _helmert(conditions)),
    }
    return {name: rows for name, rows in found.items() if len(rows)}


def crossed_test(right_NRK: NDArray[np.bool_], contrast_QK: Array) -> Crossed:
    """Is an effect larger than other faces and other trainings would make it by chance?

    With the contrast's value d for every face i and training r, d_ir = mean + face_i + training_r + rest_ir. The
    quasi-F of crossed random effects, (MS_effect + MS_rest) / (MS_face + MS_training), is that of Clark, *Journal of
    Verbal Learning and Verbal Behavior* 12, 1973 (the "language-as-fixed-effect fallacy": items that all subjects share
    are no fixed effect); degrees of freedom after Satterthwaite, *Biometrics Bulletin* 2, 1946. With one training
    it is the usual ratio against faces, and knows nothing of other trainings. Terms with several contrasts assume that
    these vary alike (sphericity). Being right or wrong counts 1 or 0, so contrasts are differences of accuracy.

    Args:
        right_NRK: bool (faces, trainings, cells): was the face read rightly by this training's network of this cell.
        contrast_QK: float (q, cells), orthonormal rows that each sum to zero.
    """
    values_NRQ = right_NRK.astype(np.float64) @ contrast_QK.T
    faces, trainings, q = values_NRQ.shape
    mean_Q = values_NRQ.mean(axis=(0, 1))
    of_face_NQ, of_training_RQ = values_NRQ.mean(axis=1), values_NRQ.mean(axis=0)
    effect = faces * trainings * float((mean_Q**2).sum()) / q
    face_df, training_df = q * (faces - 1), q * (trainings - 1)
    by_face = trainings * float(((of_face_NQ - mean_Q) ** 2).sum()) / face_df if face_df else np.nan
    if trainings == 1:
        return Crossed(*_ratio((effect, q), (0.0, 1), (by_face, face_df), (0.0, 1)), by_face, float("nan"))
    by_training = faces * float(((of_training_RQ - mean_Q) ** 2).sum()) / training_df
    rest_NRQ = values_NRQ - of_face_NQ[:, None] - of_training_RQ[None] + mean_Q
    rest_df = q * (faces - 1) * (trainings - 1)
    rest = float((rest_NRQ**2).sum()) / rest_df if rest_df else np.nan
    found = _ratio((effect, q), (rest, rest_df), (by_face, face_df), (by_training, training_df))
    return Crossed(*found, max(0.0, (by_face - rest) / trainings), max(0.0, (by_training - rest) / faces))


def pair_contrast(cells: int, first: list[int], second: list[int]) -> Array:
    """The orthonormal contrast (1, cells): mean of the cells `second` minus mean of the cells `first`."""
    row = np.zeros(cells)
    row[first], row[second] = -1 / len(first), 1 / len(second)
    return np.asarray(row / np.linalg.norm(row))[None]


def _ratio(
    effect: tuple[float, int],
    rest: tuple[float, int],
    by_face: tuple[float, int],
    by_training: tuple[float, int],
) -> tuple[float, tuple[float, float], float]:
    """Quasi-F, its degrees of freedom and p from (mean square, degrees of freedom) pairs."""
    above, below = effect[0] + rest[0], by_face[0] + by_training[0]
    if not below > 1e-12:  # nothing varies, or there is one face
        return np.nan, (np.nan, np.nan), np.nan
    if not above > 1e-12:
        return 0.0, (float(effect[1]), np.nan), 1.0
    above_df, below_df = (
        total**2 / sum(square**2 / count for square, count in parts if square > 0)
        for total, parts in ((above, (effect, rest)), (below, (by_face, by_training)))
    )
    found = above / below
    return found, (above_df, below_df), float(stats.f.sf(found, above_df, below_df))


def _helmert(levels: int) -> Array:
    """Orthonormal contrasts (levels - 1, levels) between the levels of a factor."""
    rows = np.zeros((levels - 1, levels))
    for place in range(1, levels):
        rows[place - 1, :place], rows[place - 1, place] = -1.0, float(place)
        rows[place - 1] /= np.linalg.norm(rows[place - 1])
    return rows
