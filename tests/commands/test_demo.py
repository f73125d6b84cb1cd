"""`occlufer demo` as a person uses it: in a browser that writes down every address it is asked to fetch."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from browser import Tab, browser, chromium
from inference.network_fakes import portrait
from occlufer.landmarks.model import model_file

_ANSWERED = "document.querySelectorAll('.bar').length >= 7 && !document.querySelector('#panels.waiting')"
_PROBABILITIES = (
    "JSON.stringify([...document.querySelectorAll('.bar')].map((bar) => bar.dataset.probability))"
)


@contextlib.contextmanager
def demo(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command in a folder of its own, and the port that it serves."""
    folder.mkdir()
    own = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), str(folder)) | {
        "CI": ""
    }  # some keep quiet under CI
    (folder / "occlufer").mkdir()
    (folder / "occlufer" / "face_mesh.task").write_bytes(model_file(None).read_bytes())
    command = [sys.executable, "-m", "occlufer", "demo", "--port", "0", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=folder, env=os.environ | own, text=True, **pipes) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("Open http://127.0.0.1:"), process.stderr and process.stderr.read()
            yield process, int(said.split(":")[2].split("/")[0])
        finally:
            process.kill()


def test_it_keeps_no_picture_and_ends_by_ctrl_c(tmp_path):
    Image.fromarray(portrait()).save(tmp_path / "face.png")
    with demo(tmp_path / "home") as (process, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/faces", (tmp_path / "face.png").read_bytes())
        assert b'"mesh": [[' in connection.getresponse().read()
        connection.close()
        taken = subprocess.run(
            [sys.executable, "-m", "occlufer", "demo", "--port", str(port)], capture_output=True, text=True
        )
        assert taken.returncode == 2
        assert "Traceback" not in taken.stderr
        assert f"cannot be served at 127.0.0.1:{port}: Address already in use" in taken.stderr
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=30)
        assert (process.returncode, said, complained) == (0, "", "\nEnded.\n")
    kept = {path.name for path in (tmp_path / "home").rglob("*") if path.is_file()}
    assert kept - {name for name in kept if name.startswith("fontlist")} == {"face_mesh.task"}  # matplotlib's


def answered(tab: Tab, before: str = "") -> str:
    """The probabilities that the page shows, when they are others than `before`."""
    tab.wait(f"{_ANSWERED} && {_PROBABILITIES} !== {before!r}")
    return str(tab.run(_PROBABILITIES))


@pytest.mark.slow
@pytest.mark.skipif(
    chromium() is None, reason="no Chromium is installed; test_server.py tests the page's answers"
)
def test_a_face_in_the_browser(tmp_path):
    """Upload a face, move the slider, read other probabilities; nothing but this machine is asked for."""
    Image.fromarray(portrait()).save(tmp_path / "face.png")
    Image.fromarray(np.full((300, 300, 3), 90, np.uint8)).save(tmp_path / "nobody.png")
    (tmp_path / "text.jpg").write_text("no picture")
    program = chromium()
    assert program is not None
    with demo(tmp_path / "home") as (_, port), browser(program, tmp_path / "profile") as tab:
        tab.open(f"http://127.0.0.1:{port}/")
        tab.wait("document.querySelectorAll('#samples img').length === 7")
        tab.choose_file("#file", tmp_path / "face.png")
        full = answered(tab)
        assert len(tab.run("[...document.querySelectorAll('.panel:not([hidden])')].length") * [0]) == 3
        tab.run(
            "const dial = document.querySelectorAll('.severity')[0]; dial.value = 30;"
            "dial.dispatchEvent(new Event('input'));"
        )
        assert answered(tab, full) != full
        tab.run(
            "const kind = document.querySelectorAll('.occluder')[1]; kind.value = 'sunglasses';"
            "kind.dispatchEvent(new Event('change'));"
        )
        tab.wait("document.querySelectorAll('h2')[2].textContent === 'Under sunglasses'")
        for name, message in (("nobody.png", "No face was found"), ("text.jpg", "is not an image")):
            tab.choose_file("#file", tmp_path / name)
            tab.wait(f"document.querySelector('#message.wrong')?.textContent.includes({message!r})")
        shown = tab.run(_PROBABILITIES)
        tab.run("document.querySelectorAll('#samples button')[3].click()")
        assert answered(tab, shown) != shown
        tab.run("document.querySelector('#explain').click()")
        tab.wait("document.querySelectorAll('.why:not([hidden]) .heat[src^=data]').length === 3", 120)
        tab.run("document.querySelector('#camera').click()")
        tab.wait("document.querySelector('#video').videoWidth > 0")
        tab.run("document.querySelector('#shoot').click()")
        seen = "performance.getEntriesByType('resource').filter(({name}) => name.endsWith('/faces')).length"
        tab.wait(f"{seen} === 5")
        assert tab.run("document.querySelector('#video').srcObject === null")
        asked = [urlsplit(address) for address in tab.requests]
        assert {address.hostname for address in asked if address.scheme not in ("data", "blob")} == {
            "127.0.0.1"
        }
        assert {"/", "/faces", "/under"} <= {address.path for address in asked}
        assert [said for said in tab.complaints if "400" not in said] == []
