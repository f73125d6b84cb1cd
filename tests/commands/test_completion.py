from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from occlufer.commands.completion import completions
from occlufer.commands.options import COMMANDS, group_options


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("occlufer tr", ["train"]),
        ("occlufer train occlusion=window", ["window_mask"]),
        ("occlufer train occlusion=none,kn", ["none,kn95"]),
        ("occlufer train hydra/launcher=s", ["slurm"]),
        ("occlufer train trainer.max", ["trainer.max_epochs="]),
        ("occlufer train protocol=h", ["honest"]),
        ("occlufer report run_figures=", ["true", "false"]),
        ("occlufer predict --js", ["--json"]),
        ("occlufer predict phot", []),
        ("occlufer nonsense a", []),
        ("occlufer train dataset.root=/da", []),
    ],
)
def test_a_word_is_completed(line, wanted):
    assert completions(line) == wanted


def test_all_are_offered_where_nothing_is_typed():
    assert completions("occlufer ") == list(COMMANDS)
    assert completions("occlufer train model=") == group_options("model")


def test_options_of_a_folder_of_ones_own_count(tmp_path):
    (tmp_path / "occlusion").mkdir()
    (tmp_path / "occlusion" / "scarf.yaml").touch()
    assert completions(f"occlufer train --config-dir {tmp_path} occlusion=sc") == ["scarf"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_after_the_printed_line(tmp_path):
    script = tmp_path / "occlufer"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m occlufer "$@"\n')
    script.chmod(0o755)
    code = (
        f'PATH="{tmp_path}:$PATH"; eval "$(occlufer completion bash)"\n'
        'COMP_LINE="occlufer train occlusion=kn9"; COMP_POINT=${#COMP_LINE}; _occlufer; echo "${COMPREPLY[@]}"\n'
        "complete -p occlufer"
    )
    told = subprocess.run(["bash", "-c", code], capture_output=True, text=True, timeout=120, cwd=Path.cwd())
    assert told.stdout.splitlines()[0] == "kn95", told.stderr
    assert "-F _occlufer occlufer" in told.stdout
