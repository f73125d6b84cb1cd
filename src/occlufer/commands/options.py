"""What a user can choose, read from the conf folder without Hydra, for `--help`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class CommandInfo:
    """A command: what it does, the groups it reads, and an example."""

    purpose: str
    groups: tuple[str, ...]
    example: str
    settings: tuple[tuple[str, str], ...] = ()


_WORK = (
    ("paths.outputs=DIR", "where studies go (default: outputs)"),
    ("paths.cache=DIR", "where landmarks and drawn faces are kept (default: outputs/cache)"),
)
_DATA = (("dataset.root=DIR", "where the dataset lies"), *_WORK)

COMMANDS: dict[str, CommandInfo] = {
    "prepare": CommandInfo(
        "find landmarks once and print coverage by split and class",
        ("dataset", "landmarks"),
        "occlufer prepare dataset=fer2013 dataset.root=PATH",
        (("landmarks.workers=N", "processes (default: all cores)"), *_DATA),
    ),
    "preview": CommandInfo(
        "draw a contact sheet of faces under an occlusion",
        ("dataset", "view", "occlusion"),
        "occlufer preview dataset=fer2013 dataset.root=PATH occlusion=mask",
        (
            ("count=N", "faces on the sheet (default 48)"),
            ("split=NAME", "train, validation or test (default test)"),
            ("side_by_side=true", "the bare face beside the covered one"),
            ("seed=N", "which faces, and which draw of the occluder"),
            ("output=FILE", "where to write the PNG"),
            *_DATA,
        ),
    ),
    "train": CommandInfo(
        "train one network and score it under every condition; -m for a sweep",
        (
            "dataset",
            "view",
            "occlusion",
            "augmentation",
            "model",
            "objective",
            "optimizer",
            "scheduler",
            "trainer",
            "logger",
            "experiment",
        ),
        "occlufer train -m dataset=fer2013 dataset.root=PATH occlusion=none,mask,headset seed=0,1 study=first",
        (
            ("study=NAME", "the folder under the outputs that the run belongs to"),
            ("seed=N", "weights, order and draws"),
            ("conditions=[none,mask,headset]", "what the best checkpoint is tested under"),
            ("trainer.max_epochs=N", "length of the training"),
            ("trainer.devices=N", "devices, or CPU processes with trainer=ddp"),
            ("loader.batch_size=N", "faces a step and device"),
            ("image.size=N", "side of the network's input in pixels"),
            ("model.backbone=NAME", "any timm network, with model=timm"),
            *_DATA,
        ),
    ),
    "evaluate": CommandInfo(
        "score a finished run again, under other conditions",
        ("trainer",),
        "occlufer evaluate run=outputs/STUDY/RUN conditions=[none,mask,headset]",
        (
            ("run=DIR", "the run folder"),
            ("conditions=[...]", "names from the occlusion group: " + "see `occlufer train --help`"),
            ("dataset_root=DIR", "if the dataset has moved since"),
            *_WORK,
        ),
    ),
    "report": CommandInfo(
        "make report.html of a study, and the tables behind it",
        (),
        "occlufer report study=first",
        (
            ("study=NAME|DIR", "a folder under the outputs, or a path"),
            ("paths.outputs=DIR", "where studies are"),
        ),
    ),
}


def conf_folder() -> Path:
    """The conf folder: beside the package in a wheel, at the top of the repository in a checkout."""
    shipped = _PACKAGE / "conf"
    return shipped if shipped.is_dir() else _PACKAGE.parents[1] / "conf"


def group_options(group: str) -> list[str]:
    """Names that a group can take, by file name."""
    return sorted(path.stem for path in (conf_folder() / group).glob("*.yaml"))


def overview() -> str:
    """The text of `occlufer --help`."""
    width = max(map(len, COMMANDS))
    lines = [
        "How much of a facial expression can a network still read under a mask or a headset?",
        "",
        "Usage: occlufer COMMAND [key=value ...]",
        "",
        "Commands:",
        *(f"  {name:<{width}}  {info.purpose}" for name, info in COMMANDS.items()),
        "",
        "`occlufer COMMAND --help` lists what can be chosen. The syntax of key=value is Hydra's.",
    ]
    return "\n".join(lines)


def command_help(name: str) -> str:
    """The text of `occlufer NAME --help`: the groups as they stand in the conf folder, and the usual settings."""
    info = COMMANDS[name]
    lines = [f"occlufer {name}: {info.purpose}", "", f"  {info.example}"]
    if info.groups:
        width = max(map(len, info.groups))
        lines += ["", "Groups (group=option):"]
        lines += [f"  {group:<{width}}  {', '.join(group_options(group)) or '-'}" for group in info.groups]
    if info.settings:
        width = max(len(key) for key, _ in info.settings)
        lines += ["", "Settings (key=value):"]
        lines += [f"  {key:<{width}}  {meaning}" for key, meaning in info.settings]
    lines += ["", "Print the whole configuration with `--cfg job`; Hydra's own flags with `--hydra-help`."]
    return "\n".join(lines)
