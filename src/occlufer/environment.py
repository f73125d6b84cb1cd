"""What a run was made with: versions, platform, threads, command line, commit. Never an environment variable."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

from occlufer.runs import now

_PACKAGES = ("occlufer", "torch", "torchvision", "pytorch-lightning", "timm", "albumentations", "mediapipe", "numpy",
             "opencv-contrib-python-headless", "hydra-core", "pandas", "scikit-learn", "wandb")  # fmt: skip


def environment() -> dict[str, Any]:
    """What a reader needs to run it again: versions, platform, threads, command line, commit. No environment variables.

    `threads` has an entry for each BLAS and OpenMP library: the last bits of a training depend on the number of threads
    and on the kernel that a BLAS chose (`architecture`).
    """
    versions: dict[str, str | None] = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "packages": versions,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "threads": [
            {name: pool.get(name) for name in ("internal_api", "version", "architecture", "num_threads")}
            for pool in threadpool_info()
        ],
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "git_commit": _git_commit(),
        "written": now(),
    }


def _git_commit() -> str | None:
    """Commit of the checkout that this code runs from, with `+` when it has changes; None outside a checkout.

    An environment inside somebody's own repository is none: git does not know this file there.
    """
    file = Path(__file__).resolve()
    try:
        _, commit, changes = (
            subprocess.run(
                ["git", *words], cwd=file.parent, capture_output=True, text=True, check=True, timeout=10
            ).stdout
            for words in (
                ["ls-files", "--error-unmatch", file.name],
                ["rev-parse", "--short=12", "HEAD"],
                ["status", "--porcelain", "--untracked-files=no"],
            )
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return commit.strip() + ("+" if changes.strip() else "")
