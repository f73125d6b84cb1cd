"""scripts/fault_test.py, small: a training whose first process is killed; and that it would notice a difference."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        yield importlib.import_module("fault_test")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_a_killed_training_ends_as_an_undisturbed_one(script, tmp_path):
    """Under the cycle of learning rates; integration/test_same_result.py has the other schedule with a state."""
    console = Console(record=True, width=200)
    right = script.fault_test(tmp_path / "f", kills=1, seed=4, kinds=["training"], say=console)
    told = console.export_text()
    assert right, told
    assert "training" in told
    assert "yes" in told


def outputs(folder: Path) -> Path:
    run = folder / "faults" / "mask_plain_cnn_seed0_12345678"
    (run / "figures").mkdir(parents=True)
    (folder / "faults" / "tables").mkdir()
    (folder / "cache" / "synthetic" / "set").mkdir(parents=True)
    for path, content in {
        run / "config.yaml": "a: 1",
        run / "predictions.parquet": "rows",
        run / "history.csv": "epoch,loss,seconds\n0,1.5,3.2\n",
        run / "run.json": '{"best_score": 0.5, "seconds": 3.2, "finished": "now"}',
        folder / "faults" / "tables" / "runs.csv": "run,best,seconds\na,0.5,3.2\n",
        folder / "cache" / "synthetic" / "set" / "images.npy": "pixels",
    }.items():
        path.write_text(content)
    return folder


def replaced(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        (path,) = folder.rglob(name)
        path.write_text(path.read_text().replace(old, new))

    return edit


@pytest.mark.parametrize(
    ("edit", "kind", "expected"),
    [
        (replaced("predictions.parquet", "rows", "rowz"), "training", ["predictions.parquet"]),
        (replaced("history.csv", "1.5", "1.25"), "training", ["history.csv"]),
        (replaced("history.csv", "3.2", "9.9"), "training", []),
        (replaced("run.json", "0.5", "0.6"), "training", ["run.json"]),
        (replaced("run.json", "3.2", "9.9"), "training", []),
        (replaced("runs.csv", "0.5", "0.6"), "report", ["runs.csv"]),
        (replaced("runs.csv", "3.2", "9.9"), "report", []),
        (replaced("images.npy", "pixels", "pixel"), "drawing", ["images.npy"]),
        (lambda folder: next(folder.rglob("images.npy")).unlink(), "drawing", ["images.npy"]),
    ],
)
def test_a_difference_is_noticed_and_seconds_are_not_one(script, tmp_path, edit, kind, expected):
    first, second = (script.contents(outputs(tmp_path / name)) for name in ("first", "second"))
    assert first == second
    edit(tmp_path / "second")
    found = script.contents(tmp_path / "second")
    changed = {each: script.differences(first[each], found[each]) for each in first}
    assert [name.rsplit("/", 1)[-1] for name in changed.pop(kind)] == expected
    assert not any(changed.values())


def test_half_written_files_are_told(script, tmp_path):
    shop = script.Workshop(tmp_path / "shop")
    (shop.outputs / "faults").mkdir(parents=True)
    (shop.outputs / "faults" / ".run.json.17.tmp").touch()
    (shop.temporary / "torchinductor_somebody").mkdir()
    (shop.temporary / "odd").mkdir()
    assert script.leftovers(shop) == sorted(
        [str(shop.outputs / "faults" / ".run.json.17.tmp"), str(shop.temporary / "odd")]
    )


def test_every_kind_has_its_share_of_the_kills(script):
    for kills in (6, 50, 100):
        assert sum(script._shares(kills, script.STEPS)) == kills
        assert all(share >= 1 for share in script._shares(kills, script.STEPS))
