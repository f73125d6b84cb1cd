"""The arrows of docs/design: who may import whom, read from the source without running it."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

_ROOT = Path(__file__).resolve().parents[1]
_SOURCE = _ROOT / "src"
_PACKAGE = "occlufer"

# Room -> what it may import of the package. "" is the package's own __init__; a name stands for all below it.
ALLOWED: dict[str, set[str]] = {
    "": {"inference.predictor"},
    "__main__": {"cli"},
    "cli": {"", "commands.libraries", "commands.options", "processes", "types"},
    "types": set(),
    "settings": {"types"},
    "building": {"settings", "types"},
    "trust": {"building", "reading", "runs", "settings", "types"},
    "inference": {
        "inference",
        "attention",
        "building",
        "trust",
        "data",
        "datasets.images",
        "landmarks",
        "occlusion",
        "processes",
        "quiet",
        "runs",
        "settings",
        "files",
        "types",
    },
    "page": {
        "page",
        "building",
        "data",
        "datasets.images",
        "inference",
        "occlusion",
        "synthesis.faces",
        "types",
    },
    "files": {"types"},
    "reading": {"types"},
    "attention": {"runs", "types"},
    "runs": {"files", "reading", "settings", "types"},
    "environment": {"runs"},
    "signals": set(),
    "sweeps": {"reading", "runs", "files", "types"},
    "tracking": {"processes", "types"},
    "quiet": set(),
    "occlusion": {"occlusion", "types", "landmarks.topology", "landmarks.geometry"},
    "processes": {"types"},
    "progress": {"processes", "reading"},
    "landmarks": {"landmarks", "types", "files", "processes", "quiet"},
    "synthesis": {"synthesis", "types", "files", "processes", "landmarks.topology"},
    "datasets": {"datasets", "progress", "types", "files", "synthesis", "quiet"},
    "data": {"data", "datasets", "landmarks.cache", "occlusion", "types", "files"},
    "restoration": {"restoration", "types", "landmarks.topology", "landmarks.geometry"},
    "learning": {"learning", "progress", "types", "files"},
    # What the two published studies need: built by YAML, and read by the report.
    "studies": {
        "studies",
        "data.view",
        "occlusion",
        "landmarks.topology",
        "learning.models.timm_network",
        "learning.models.weights",
        "learning.schedules",
        "types",
    },
    "analysis": {
        "analysis",
        "attention",
        "studies.anova",
        "studies.published",
        "reading",
        "runs",
        "settings",
        "types",
        "files",
    },
    "console": {"progress", "reading"},
    # What the commands do: the only place that brings all parts together.
    "tasks": {
        "tasks",
        "attention",
        "analysis.core.metrics",
        "analysis.core.words",
        "console",
        "data",
        "datasets",
        "landmarks",
        "learning",
        "occlusion",
        "restoration",
        "inference",
        "page",
        "building",
        "trust",
        "reading",
        "runs",
        "settings",
        "environment",
        "signals",
        "tracking",
        "files",
        "types",
        "processes",
    },
    # Thin: a request is understood and checked here, before anything heavy is imported.
    "commands": {
        "commands",
        "tasks",
        "analysis.compare",
        "analysis.report",
        "console",
        "datasets.extra",
        "datasets.folds",
        "datasets.images",
        "inference",
        "building",
        "reading",
        "runs",
        "settings",
        "sweeps",
        "files",
        "types",
    },
    # Above the commands, for programs and notebooks.
    "notebook": {
        "building",
        "commands.app",
        "commands.checks",
        "data.datamodule",
        "landmarks.detector",
        "occlusion.base",
        "runs",
        "settings",
        "tasks",
        "types",
    },
    # Above the commands: a launcher plans what `train` will do, and starts it as a command of its own.
    "launchers": {
        "launchers",
        "commands.app",
        "commands.checks",
        "commands.held",
        "console",
        "building",
        "processes",
        "progress",
        "reading",
        "commands.hints",
        "runs",
        "settings",
        "signals",
        "sweeps",
        "files",
        "types",
    },
}

# Third-party package -> the only places that may import it.
CONFINED: dict[str, tuple[str, ...]] = {
    "mediapipe": ("landmarks.face_mesh", "landmarks.model"),
    "albumentations": ("data.transforms",),
    "wandb": ("tracking",),
    "hydra": ("building", "commands", "tasks.recording", "launchers"),
    "omegaconf": ("building", "commands", "launchers"),
    "timm": ("learning",),
    "captum": ("inference.attribution",),
    "ray": ("launchers.ray",),
    "submitit": ("launchers.slurm",),
    "pytorch_lightning": ("learning", "data.datamodule", "tracking", "tasks"),
    "torch": ("learning", "studies", "data", "inference", "tasks"),
}

# Module of the package -> the only places that may import it.
INNER: dict[str, tuple[str, ...]] = {
    "landmarks.detector": (
        "landmarks.build",
        "landmarks.pool",
        "tasks",
        "notebook",
        "inference.faces",
        "landmarks.crops",
    ),  # the pool: one detector a worker
    "synthesis": ("datasets.synthetic", "page", "synthesis"),
    "studies": ("analysis", "studies"),
    "cli": ("__main__",),
}

# Optional dependencies that the package imports, each in the one place above; `dev` is none of them.
_EXTRAS = ("ray", "slurm")

MOST_LINES = 350
LONGER: dict[str, str] = {}
"""Files that may be longer, with the reason."""


class Import(NamedTuple):
    """`importer` (without the package's name) imports `name` in `line` of its file."""

    importer: str
    name: str
    line: int


def _modules() -> dict[str, Path]:
    """Dotted name below the package -> file."""
    names = {}
    for path in sorted((_SOURCE / _PACKAGE).rglob("*.py")):
        parts = path.relative_to(_SOURCE / _PACKAGE).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


MODULES = _modules()


def _imports(tree: ast.AST, importer: str) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(importer, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{importer}:{node.lineno}: relative imports hide the arrow"
            assert node.module is not None
            for alias in node.names:
                inner = f"{node.module}.{alias.name}".removeprefix(f"{_PACKAGE}.")
                # `from occlufer.landmarks import topology` imports the module, not a name of the package.
                yield Import(
                    importer, f"{_PACKAGE}.{inner}" if inner in MODULES else node.module, node.lineno
                )


IMPORTS = [found for name, path in MODULES.items() for found in _imports(ast.parse(path.read_text()), name)]


def _inside(name: str, places: set[str] | tuple[str, ...]) -> bool:
    return any(name == place or (place != "" and name.startswith(f"{place}.")) for place in places)


def _room(module: str) -> str:
    return module.split(".")[0]


def _within() -> list[tuple[Import, str]]:
    """Imports of the package's own modules, with the module below the package."""
    own = [found for found in IMPORTS if found.name.split(".")[0] == _PACKAGE]
    return [(found, found.name.removeprefix(_PACKAGE).removeprefix(".")) for found in own]


def _told(found: Import) -> str:
    return f"{MODULES[found.importer].relative_to(_ROOT)}:{found.line} imports {found.name}"


def test_the_walk_sees_imports_of_every_kind():
    source = "import a.b\nfrom occlufer.landmarks import topology\ndef f():\n    from c.d import e\nif X:\n    import g"
    names = {found.name for found in _imports(ast.parse(source), "x")}
    assert names == {"a.b", "occlufer.landmarks.topology", "c.d", "g"}


def test_every_room_has_its_arrows():
    assert {_room(name) for name in MODULES} - set(ALLOWED) == set(), (
        "say in ALLOWED what the new room may import"
    )


@pytest.mark.parametrize("room", ALLOWED)
def test_arrows_run_one_way(room):
    wrong = [
        _told(found)
        for found, target in _within()
        if _room(found.importer) == room and not _inside(target, ALLOWED[room])
    ]
    assert not wrong


def test_the_rooms_have_no_circle():
    arrows = {name: {_room(target) for target in targets} - {name} for name, targets in ALLOWED.items()}
    while leaves := {name for name, targets in arrows.items() if not targets & set(arrows)}:
        for leaf in leaves:
            del arrows[leaf]
    assert not arrows


@pytest.mark.parametrize("package", CONFINED)
def test_third_party_packages_stay_where_they_are_tamed(package):
    users = [found for found in IMPORTS if _inside(found.name, (package,))]
    assert users, f"nobody imports {package}: take it out of CONFINED"
    assert not [_told(found) for found in users if not _inside(found.importer, CONFINED[package])]


@pytest.mark.parametrize("module", INNER)
def test_inner_modules_are_entered_by_their_door(module):
    users = [found for found, target in _within() if _inside(target, (module,))]
    assert not [_told(found) for found in users if not _inside(found.importer, INNER[module])]


def _third_party() -> dict[str, Import]:
    known = set(sys.stdlib_module_names) | {_PACKAGE, "__future__"}
    return {top: found for found in IMPORTS if (top := found.name.split(".")[0]) not in known}


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


def test_what_is_imported_is_declared():
    """What comes along with another package may be gone with its next version."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    declared = {
        _normal(line.split(";")[0].strip().split("[")[0].split("=")[0].rstrip("<>!~ "))
        for line in [
            *project["dependencies"],
            *(extra for name in _EXTRAS for extra in project["optional-dependencies"][name]),
        ]
    }
    distributions = importlib.metadata.packages_distributions()
    missing = [
        f"{_told(found)}, which is {' or '.join(distributions.get(top, ['not installed']))}"
        for top, found in _third_party().items()
        if not declared & {_normal(name) for name in distributions.get(top, [])}
    ]
    assert not missing


def test_what_is_declared_is_known_by_name():
    """Guards the parsing above: a dependency misread would make that test lie."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    assert all(
        line.split(">")[0].split("<")[0].split("=")[0].strip().replace("-", "").isalnum()
        for line in project["dependencies"]
    )


@pytest.mark.parametrize("room", ["occlusion", "types", "files", "runs"])
def test_light_rooms_load_nothing_heavy(room):
    """What the arrows promise, seen from outside: also through what the imported modules import."""
    names = [f"{_PACKAGE}.{name}" for name in MODULES if _inside(name, (room,))]
    heavy = ["torch", "pytorch_lightning", "hydra", "mediapipe", "albumentations", "wandb", "timm"]
    code = (
        f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_files_stay_short():
    lines = {
        str(path.relative_to(_ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in MODULES.values()
    }
    long = {name: count for name, count in lines.items() if count > MOST_LINES}
    assert set(long) == set(LONGER), f"longer than {MOST_LINES} lines: {long}; excused: {LONGER}"
