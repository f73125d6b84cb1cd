"""Draw docs/images/demo.png for README.md: the page of `occlufer demo` with a drawn face, by a headless Chromium.

    .venv/bin/python scripts/page_picture.py [PICTURE OUTPUT [WIDTH]]

With a picture of your own, to look at the page with it.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from browser import browser, chromium

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "demo.png"
WIDTH, SAMPLE = 1060, 6
ANSWERED = (
    "document.querySelector('#message.wrong') || "
    "(document.querySelectorAll('.bar').length >= 7 && !document.querySelector('#panels.waiting'))"
)


def main(picture: str = "", output: str = str(OUTPUT), width: str = str(WIDTH)) -> None:
    """Serve the page, show it a face, and keep what is seen."""
    if (program := chromium()) is None:
        raise SystemExit("Wanted: Chromium, as `chromium` on the PATH. Found none.")
    command = [sys.executable, "-m", "occlufer", "demo", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[1]
        with tempfile.TemporaryDirectory() as profile, browser(program, Path(profile)) as tab:
            tab.size(int(width))
            tab.open(url)
            tab.wait("document.readyState === 'complete'")
            tab.run("document.querySelector('#explain').checked = true")
            tab.wait("document.querySelectorAll('#samples img').length && "
                     "[...document.querySelectorAll('#samples img')].every((image) => image.complete)")  # fmt: skip
            if picture:
                tab.choose_file("#file", Path(picture).resolve())
            else:
                tab.run(f"document.querySelectorAll('#samples button')[{SAMPLE}].click()")
            tab.wait(ANSWERED)
            shot = Image.open(io.BytesIO(tab.picture())).convert("RGB")
        shot.save(output, optimize=True)
    finally:
        server.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
