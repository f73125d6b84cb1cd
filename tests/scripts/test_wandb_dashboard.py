"""The dashboard as code, made offline."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from occlufer.types import EXPRESSIONS, ConfigError

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "wandb_dashboard.py"


@pytest.fixture(scope="module")
def dashboard() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wandb_dashboard", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # wandb's own
def test_a_dashboard_is_written_offline(dashboard, tmp_path, capsys):
    path = tmp_path / "board.json"
    dashboard.main(
        ["--entity", "me", "--study", "first", "--conditions", "none", "mask@0.5", "--json", str(path)]
    )
    assert str(path) in capsys.readouterr().out
    text = path.read_text(encoding="utf-8")
    sections = json.loads(text)["spec"]["section"]["panelBankConfig"]["sections"]
    names = [section["name"] for section in sections]
    assert names[:3] == ["Matrix: trained on, tested under", "Severity", "Recall by class"]
    for condition in ("none", "mask@0.5"):
        assert f"test/{condition}/accuracy" in text
        for expression in EXPRESSIONS:
            assert f"test/{condition}/recall/{expression}" in text
    assert "test/severity_table" in text
    (chosen,) = json.loads(text)["spec"]["section"]["runSets"][0]["filters"]["filters"]
    assert (chosen["key"]["name"], chosen["value"]) == ("group", "first")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--study", "x", "--conditions", "maks"], "Unknown condition 'maks'. Did you mean 'mask'"),
        (["--study", "x' or 'y"], "must be a plain name"),
    ],
)
def test_odd_requests_are_refused(dashboard, words, message):
    with pytest.raises(ConfigError, match=message):
        dashboard.main(["--entity", "me", *words])


def test_a_missing_package_is_named(dashboard, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    monkeypatch.setitem(sys.modules, "wandb_workspaces.reports", None)
    monkeypatch.setitem(sys.modules, "wandb_workspaces.reports.v2", None)
    with pytest.raises(ConfigError, match=r"pip install 'occlufer\[dashboards\]'"):
        dashboard.main(["--entity", "me", "--study", "x"])
