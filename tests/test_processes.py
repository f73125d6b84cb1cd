from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RANK = (
    "import time; from occlufer.processes import end_with_first_rank; end_with_first_rank(); time.sleep(TIME)"
)
FIRST = """
import subprocess, sys, time
from occlufer.processes import announce_first_rank
announce_first_rank()
subprocess.Popen([sys.executable, "-c", sys.argv[1]])
time.sleep(120)
"""


def test_a_rank_ends_when_the_process_that_started_it_is_killed():
    """Its standard output ends with it: nobody else holds the pipe by then."""
    first = subprocess.Popen(
        [sys.executable, "-c", FIRST, "print('rank', flush=True); " + RANK.replace("TIME", "600")],
        stdout=subprocess.PIPE,
    )
    assert first.stdout is not None
    assert first.stdout.readline() == b"rank\n"
    first.kill()
    assert first.stdout.read() == b""
    first.communicate()


@pytest.mark.parametrize(
    ("first", "code"), [("4194305", 1), (None, 0), (str(os.getpid()), 0)], ids=["gone", "none", "alive"]
)
def test_a_rank_that_comes_too_late_ends_at_once_and_that_of_another_launcher_does_not(
    tmp_path: Path, first, code
):
    environment = {name: value for name, value in os.environ.items() if name != "OCCLUFER_FIRST_RANK"}
    environment |= {} if first is None else {"OCCLUFER_FIRST_RANK": first}
    command = [sys.executable, "-c", RANK.replace("TIME", "600" if code else "0.1")]
    assert subprocess.run(command, env=environment).returncode == code
