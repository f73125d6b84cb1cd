"""docs/python.md runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"


def blocks() -> list[str]:
    return re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


def test_its_blocks_run_in_order(tmp_path: Path) -> None:
    """In a process and a folder of their own; warnings that the reader would see are errors."""
    code = "\n".join(f'print("block {place}")\n{block}' for place, block in enumerate(blocks()))
    script = tmp_path / "page.py"
    script.write_text('if __name__ == "__main__":\n' + "".join(f"    {line}\n" for line in code.splitlines()))
    (tmp_path / "here").mkdir()
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path / "here",
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "Warning" not in done.stderr, done.stderr
    assert f"block {len(blocks()) - 1}" in done.stdout
    assert "(468, 3)" in done.stdout
    assert "torch.Size([16, 1, 48, 48])" in done.stdout
    assert "0 mask" in done.stdout  # the predictor's row under an occluder
    names = {path.name for path in (tmp_path / "here").iterdir()}
    assert {"photo.png", "heat.png", "outputs"} <= names
