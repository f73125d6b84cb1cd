"""What a user can choose, read from the conf folder without Hydra, for `--help`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from occlufer.settings import conf_folder


@dataclass(frozen=True, slots=True)
class CommandInfo:
    """A command: what it does, the groups it reads, and an example."""

    purpose: str
    groups: tuple[str, ...]
    example: str
    settings: tuple[tuple[str, str], ...] = ()
    by_hydra: bool = True
    """Whether it takes key=value, or else plain --options."""
    ends: str = ""
    """What its exit status says, where that is more than whether it failed."""


_WORK = (
    ("paths.outputs=DIR", "where studies go (default: outputs)"),
    ("paths.cache=DIR", "where landmarks and drawn faces are kept (default: outputs/cache)"),
)
_DATA = (("dataset.root=DIR", "where the dataset lies"), *_WORK)

COMMANDS: dict[str, CommandInfo] = {
    "prepare": CommandInfo(
        "find landmarks and near-duplicates once, print coverage by split and class",
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
            ("draws=N", "rows of the same faces, each another draw of the occluder"),
            ("severities=[0.5,1]", "rows of the same faces, each at another place of the dial"),
            (
                "scores=true",
                "print how well it sits on `score_count` faces (default 500), by other landmarks",
            ),
            ("columns=N, tile=N", "faces a row (default 12), and their side on the sheet in pixels"),
            ("seed=N", "which faces, and which draw of the occluder"),
            ("output=FILE", "where to write the PNG"),
            *_DATA,
        ),
    ),
    "augment": CommandInfo(
        "make more training images of rare expressions, de-occluded or turned to the front",
        ("dataset", "landmarks", "view", "occlusion"),
        "occlufer augment dataset=fer2013 dataset.root=PATH method=deocclude target=0.5 output=DIR",
        (
            ("method=NAME", "deocclude: cover a face and paint it back; frontal: turn it to the front"),
            ("target=SHARE", "faces of each expression, as a share of the most frequent one's (default 1)"),
            ("output=DIR", "give it to `occlufer train dataset.extra=DIR`"),
            ("seed=N", "which faces, and which draws of the occluder"),
            ("deoccluder.epochs=N", "length of the de-occluder's training"),
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
            "recovery",
            "grid",
        ),
        "occlufer train -m dataset=fer2013 dataset.root=PATH occlusion=none,mask,headset seed=0,1 study=first",
        (
            ("study=NAME", "the folder under the outputs that the run belongs to"),
            ("hydra/launcher=local|ray|slurm", "with -m: each job in a process of its own, side by side"),
            ("retry=failed", "of a sweep only the runs that failed; without it all that are not finished"),
            ("seed=N", "weights, order and draws"),
            ("fold=K", "hold fold K of the training part out for validation, 0 to fold_count-1"),
            ("protocol=honest|published", "published: a study's own way, such as scoring the last epoch"),
            ("weights=DIR|hub", "pretrained backbones, for the models of study A"),
            (
                "conditions=[none,mask,headset]",
                "what it is tested under; mask@0.5 is a mask at that place of its dial",
            ),
            ("flip_test=true", "test probabilities are the mean over each face and its mirror image"),
            ("trainer.max_epochs=N", "length of the training"),
            ("trainer.devices=N", "GPUs with trainer=ddp, or processes with trainer=ddp_cpu"),
            ("loader.batch_size=N", "faces a step and device"),
            ("image.size=N", "side of the network's input in pixels, or [height,width]"),
            ("model.backbone=NAME", "any timm network, with model=timm"),
            ("dataset.extra=DIR", "more training images, see `occlufer augment`"),
            ("dataset.size=N", "how many faces are drawn, with dataset=synthetic"),
            *_DATA,
        ),
    ),
    "evaluate": CommandInfo(
        "score a finished run again, under other conditions or on another dataset",
        ("trainer", "dataset", "view"),
        "occlufer evaluate run=outputs/STUDY/RUN conditions=[none,mask,headset]",
        (
            ("run=DIR", "the run folder"),
            ("conditions=[...]", "names from the occlusion group, see `occlufer train --help`"),
            ("dataset_root=DIR", "if the dataset has moved since"),
            (
                "dataset=NAME",
                "another dataset's test faces, such as emohevrdb; the scores go to RUN/elsewhere/NAME",
            ),
            ("dataset.root=DIR", "with dataset=: where it lies"),
            ("view=NAME", "with dataset=: how its faces are seen (default: as the run's own)"),
            ("explain=true|N", "also where the network looks, on all test faces or on N (attention.parquet)"),
            ("trusted=[PACKAGE]", "packages of your own that the run may build from, beside occlufer's"),
            *_WORK,
        ),
    ),
    "predict": CommandInfo(
        "read the expression of every face in images, folders and videos",
        (),
        "occlufer predict photo.jpg --occlude mask,headset",
        (
            ("PATH ...", "images, folders, globs, videos, or a camera's number"),
            (
                "--run RUN, --model FILE",
                "another network: a finished run, a checkpoint, .safetensors or .onnx",
            ),
            ("--occlude NAMES", "also under these occluders, such as mask,headset"),
            (
                "--config-dir DIR",
                "a folder of your own with more occluders, and the Python files that these name",
            ),
            ("--json", "one JSON object on standard output, with `rows`"),
            ("--csv FILE", "a row a face and condition, in a file instead of on the terminal"),
            (
                "--annotate DIR",
                "the pictures with a box and the answer at each face, under each occluder too",
            ),
            ("--explain DIR", "for each face what speaks for the answer, as a picture (needs torch)"),
            ("--min-confidence P", "below this probability the answer is `unsure`"),
            ("--every SECONDS", "of a video, a frame each so many seconds (default: all)"),
            (
                "--smooth SECONDS",
                "of a video, follow the faces and average over about so long (default: not at all)",
            ),
            ("--no-flip", "without the mirror image: half the time, a little less accurate"),
            ("--trusted PACKAGES", "packages of your own that a run may build from"),
        ),
        by_hydra=False,
        ends="Exit status: 0 where at least one face was read, 3 where none was, 2 for a wrong call.",
    ),
    "demo": CommandInfo(
        "serve a page on this machine to try a network with a photo or the camera",
        (),
        "occlufer demo --open",
        (
            ("--port N", "of 127.0.0.1 (default 7860); 0: any that is free"),
            ("--open", "open the page in the browser"),
            ("--run RUN, --model FILE", "another network, as for `occlufer predict`"),
            ("--config-dir DIR", "a folder of your own with more occluders, as for `occlufer predict`"),
            ("--trusted PACKAGES", "packages of your own that a run may build from"),
        ),
        by_hydra=False,
    ),
    "export": CommandInfo(
        "write a trained network as one file, ONNX or safetensors",
        (),
        "occlufer export outputs/STUDY/RUN network.onnx",
        (
            ("RUN", "a finished run, a checkpoint, a .safetensors file, or `shipped`"),
            ("FILE", "ends in .onnx or .safetensors"),
            ("--trusted PACKAGES", "packages of your own that the run may build from"),
        ),
        by_hydra=False,
    ),
    "status": CommandInfo(
        "list the runs of a study: done, running, failed and why, stopped, missing",
        (),
        "occlufer status study=first",
        (
            ("study=NAME|DIR", "a folder under the outputs, or a path"),
            ("paths.outputs=DIR", "where studies are"),
        ),
    ),
    "report": CommandInfo(
        "make report.html of a study, and the tables behind it",
        (),
        "occlufer report study=first",
        (
            ("study=NAME|DIR", "a folder under the outputs, or a path"),
            (
                "run_figures=true|false",
                "figures of every single run (default: of the runs of a cross-validation)",
            ),
            ("paper=true", "also paper/: LaTeX tables, figures at column widths, methods, references"),
            ("compare=[A,B]", "instead of study: several studies side by side, in A/compare.html"),
            ("equivalence_margin=0.03", "difference in accuracy below which conditions count as equivalent"),
            ("paths.outputs=DIR", "where studies are"),
        ),
    ),
    "completion": CommandInfo(
        "let the shell complete commands, options and settings",
        (),
        'occlufer completion bash    # in ~/.bashrc: eval "$(occlufer completion bash)"',
        (("bash|zsh", "the shell"),),
        by_hydra=False,
    ),
}


def given_folders(words: Sequence[str]) -> list[Path]:
    """Ours, and the conf folders that a command line adds by `--config-dir` and `hydra.searchpath`."""
    named = []
    for word, after in itertools.zip_longest(words, words[1:], fillvalue=""):
        name, _, value = word.partition("=")
        if name in ("--config-dir", "-cd"):
            named.append(value or after)
        elif name.lstrip("+") == "hydra.searchpath":
            named += [part.strip(" '\"").removeprefix("file://") for part in value.strip(" '\"[]").split(",")]
    return [conf_folder(), *(Path(name).expanduser() for name in named if name and "://" not in name)]


def group_options(group: str, folders: Sequence[Path] = ()) -> list[str]:
    """Names that a group can take, by file name, in our conf folder or all of `folders`; `_` begins parts of others."""
    found = (path for folder in folders or [conf_folder()] for path in (folder / group).glob("[!_]*.yaml"))
    return sorted({path.stem for path in found})


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


def command_help(name: str, words: Sequence[str] = ()) -> str:
    """The text of `occlufer NAME WORDS --help`: the groups as they stand in the conf folders, and usual settings."""
    info, folders = COMMANDS[name], given_folders(words)
    lines = [f"occlufer {name}: {info.purpose}", "", f"  {info.example}"]
    if info.groups:
        width = max(map(len, info.groups))
        lines += ["", "Groups (group=option):"]
        lines += [
            f"  {group:<{width}}  {', '.join(group_options(group, folders)) or '-'}" for group in info.groups
        ]
    if info.settings:
        width = max(len(key) for key, _ in info.settings)
        lines += ["", "Settings (key=value):" if info.by_hydra else "Options:"]
        lines += [f"  {key:<{width}}  {meaning}" for key, meaning in info.settings]
    if info.ends:
        lines += ["", info.ends]
    if info.by_hydra:
        lines += [
            "",
            "`--config-dir DIR`: a folder of your own with more options, and the Python files that these name.",
            "Print the whole configuration with `--cfg job`; Hydra's own flags with `--hydra-help`.",
        ]
    return "\n".join(lines)
