"""Stands for `occlufer train` in a sweep: `fake_train.py FOLDER`; what it does stands in asked.json, by seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

SLEEPER = [sys.executable, "-c", "import time; time.sleep(120)"]


def main() -> None:
    """Do what the file `asked` says; by default finish the run at once."""
    folder = Path(sys.argv[1])
    asked = json.loads((folder.parent / "asked.json").read_text()).get(folder.name.split("_")[-2], "finish")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "attempts").open("a").write("x")
    (folder / "environment").write_text(json.dumps(dict(os.environ)))
    print("hello from", folder.name, flush=True)
    if asked == "fail":
        print("Error: the dog ate it.", file=sys.stderr)
        raise SystemExit(1)
    if asked == "killed":
        os.kill(os.getpid(), 9)
    if asked == "rank":  # a ddp job whose first process dies while another one hangs
        child = subprocess.Popen(SLEEPER)
        (folder / "child").write_text(str(child.pid))
        os.kill(os.getpid(), 9)
    if asked == "sleep":
        child = subprocess.Popen(SLEEPER)
        (folder / "child").write_text(str(child.pid))
        (folder / "pid").write_text(str(os.getpid()))
        time.sleep(120)
    summary = json.loads((folder.parent / "summary.json").read_text()) | {"name": folder.name}
    (folder / "config.yaml").write_text("trainer: {max_epochs: 1}\n")
    (folder / "run.json").write_text(json.dumps(summary))


if __name__ == "__main__":
    main()
