"""Make src/occlufer/landmarks/mean_mesh.txt: the symmetric mean of the meshes found in a folder of photographs.

    .venv/bin/python scripts/mean_mesh_from_photos.py FOLDER OUTPUT.txt

The meshes are aligned by generalised Procrustes analysis (Gower 1975) and their median is made symmetric: each point is
averaged with the mirror image of its partner (`topology.MIRROR`). Only this average of many faces is kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from occlufer.datasets.images import EXTENSIONS, read_image
from occlufer.landmarks.detector import DetectorSettings, LandmarkDetector
from occlufer.landmarks.topology import MIRROR

Mesh = NDArray[np.float64]
_RIGHT_OUTER_EYE, _LEFT_OUTER_EYE, _FOREHEAD, _CHIN = 33, 263, 10, 152
_MIDLINE = [index for index, partner in enumerate(MIRROR) if index == partner]


def normalised(mesh: Mesh) -> Mesh:
    """Centred, of unit size."""
    centred = mesh - mesh.mean(axis=0)
    return centred / np.linalg.norm(centred)


def turned_onto(mesh: Mesh, target: Mesh) -> Mesh:
    """Rotated onto the target in the least-squares sense (Kabsch 1976), never mirrored."""
    u, _, vt = np.linalg.svd(mesh.T @ target)
    if np.linalg.det(u @ vt) < 0:
        u[:, -1] *= -1
    return mesh @ (u @ vt)


def mean_of(meshes: list[Mesh], rounds: int = 20) -> Mesh:
    """Generalised Procrustes: align all to the median, take the median anew."""
    mean = normalised(meshes[0])
    for _ in range(rounds):
        mean = normalised(np.median([turned_onto(normalised(mesh), mean) for mesh in meshes], axis=0))
    return mean


def in_face_frame(mesh: Mesh) -> Mesh:
    """x to the subject's left along the pairs, y down, origin between the outer eye corners, their distance 1."""
    across = mesh[list(MIRROR)] - mesh
    x = across[np.asarray(MIRROR) > np.arange(len(mesh))].mean(axis=0)
    x /= np.linalg.norm(x)
    x *= np.sign((mesh[_LEFT_OUTER_EYE] - mesh[_RIGHT_OUTER_EYE]) @ x)
    down = mesh[_CHIN] - mesh[_FOREHEAD]
    y = down - (down @ x) * x
    y /= np.linalg.norm(y)
    framed = mesh @ np.stack([x, y, np.cross(x, y)], axis=1)
    framed[:, 0] -= framed[_MIDLINE, 0].mean()
    symmetric = (framed + framed[list(MIRROR)] * [-1, 1, 1]) / 2
    eyes = symmetric[[_RIGHT_OUTER_EYE, _LEFT_OUTER_EYE]]
    return (symmetric - eyes.mean(axis=0)) / (eyes[1, 0] - eyes[0, 0])


def main() -> None:
    """Read the photographs, write the mean."""
    folder, output = Path(sys.argv[1]), Path(sys.argv[2])
    detector = LandmarkDetector(settings=DetectorSettings())
    photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in EXTENSIONS)
    found = [detector.detect(read_image(path)).landmarks_N3 for path in photos]
    meshes = [mesh.astype(np.float64) for mesh in found if mesh is not None]
    np.savetxt(
        output,
        in_face_frame(mean_of(meshes)),
        fmt="%.5f",
        header=f"median of {len(meshes)} faces, made symmetric",
    )
    print(f"{len(meshes)} of {len(photos)} photographs went into {output}")


if __name__ == "__main__":
    main()
