"""`occlufer <command>`: finds the command and hands over. Imports nothing heavy, so that `--help` is instant."""

from __future__ import annotations

import gc
import os
import runpy
import sys

from occlufer import __version__
from occlufer.commands.libraries import library_advice
from occlufer.commands.options import COMMANDS, command_help, overview
from occlufer.processes import SAFE_PATH, let_threads_sleep
from occlufer.types import unknown_name

# What a training loads before its first step stays: by default Python looks for garbage among it again and again, for a
# seventh of all its time.
_OBJECTS_A_COLLECTION = 50_000

_HELP = {"-h", "--help", "help"}


def main() -> None:
    """Entry point of the `occlufer` script: exits 2 for an unknown command, 130 after Ctrl-C."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in _HELP:
        _show(overview())
        return
    if arguments[0] in {"-V", "--version"}:
        _show(f"occlufer {__version__}")
        return
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        print(unknown_name("command", name, COMMANDS), "Try `occlufer --help`.", file=sys.stderr)
        raise SystemExit(2)
    if _HELP.intersection(rest):
        _show(command_help(name, rest))
        return
    # The command runs as `python -m occlufer.commands.<name>` would: Lightning's ddp children and spawned workers
    # find it again by that module name, with the same overrides.
    sys.argv = [name, *rest]
    gc.set_threshold(_OBJECTS_A_COLLECTION)
    let_threads_sleep()
    os.environ.update(SAFE_PATH)  # of ranks, workers and jobs
    try:
        runpy.run_module(f"occlufer.commands.{name}", run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:
        print("\nInterrupted. Finished work is kept: run the same command to go on.", file=sys.stderr)
        raise SystemExit(130) from None  # 128 + SIGINT, as shells have it
    except ImportError as error:
        if (advice := library_advice(error)) is None:
            raise
        print(advice, file=sys.stderr)
        raise SystemExit(1) from None


def _show(text: str) -> None:
    """Print, unless nobody reads on: `occlufer --help | head -1` closes the pipe early."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain at its end


if __name__ == "__main__":
    main()
