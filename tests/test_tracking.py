from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import wandb

from occlufer.tracking import Mirror, NoMirror, WandbMirror
from occlufer.types import EXPRESSIONS, ConfigError

SHEET = np.zeros((20, 30, 3), np.uint8)


class FakeRun:
    """What a mirror uses of a wandb run; `failing` names the call that raises."""

    def __init__(self, failing: str = "") -> None:
        self.failing, self.calls, self.logged = failing, [], []
        self.summary = SimpleNamespace(update=self._update, get=lambda name, default: default)
        self.numbers: dict[str, Any] = {}

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self.failing:
            raise OSError(28, "No space left on device")

    def _update(self, values: dict[str, Any]) -> None:
        self._call("summary")
        self.numbers.update(values)

    def define_metric(self, *args: Any, **kwargs: Any) -> None:
        self._call("define_metric")

    def log(self, values: dict[str, Any]) -> None:
        self._call("log")
        self.logged.append(values)

    def finish(self) -> None:
        self._call("finish")


def predictions() -> pd.DataFrame:
    """Three faces under a mask, the second of which is read wrongly."""
    frame = pd.DataFrame(np.full((3, 7), 0.05), columns=[f"prob_{name}" for name in EXPRESSIONS])
    frame["label"] = [0, 1, 6]
    frame["prediction"] = [0, 2, 6]
    for row, prediction in enumerate(frame["prediction"]):
        frame.loc[row, f"prob_{EXPRESSIONS[prediction]}"] = 0.7
    return frame.assign(key=["a", "b", "c"], condition="mask", covered_share=[0.41, 0.44, 0.52])


def tell_everything(mirror: Mirror, folder: Path) -> None:
    mirror.begin(folder=folder, study="first", name="a_run", config={"seed": 0, "model": {"backbone": "x"}})
    mirror.log_grid("training faces", SHEET, "epoch 0")
    for epoch in range(2):
        mirror.log_metrics({"epoch": epoch, "train_loss": 1.0 / (epoch + 1)}, step=epoch)
    recalls = [0.25, None, 1.0, None, None, None, None]
    mirror.log_scores({"mask": {"accuracy": 0.5, "confusion": [[1, 2], [3, 4]], "recall_by_class": recalls}})
    mirror.log_predictions(predictions())
    mirror.log_confusion("mask", [0, 1, 6], [0, 2, 6])
    mirror.close()


@pytest.fixture
def fake(monkeypatch):
    def start(failing: str = "") -> FakeRun:
        run = FakeRun(failing)
        monkeypatch.setattr(wandb, "init", lambda **settings: run)
        monkeypatch.setattr(wandb, "Image", lambda *args, **kwargs: "image")
        monkeypatch.setattr(wandb, "Table", lambda dataframe=None, columns=None, data=None: data or dataframe)
        monkeypatch.setattr(wandb.plot, "line", lambda table, *args, **kwargs: table)
        monkeypatch.setattr(wandb.plot, "confusion_matrix", lambda **kwargs: ("plot", kwargs))
        return run

    return start


def test_everything_reaches_wandb(fake, tmp_path):
    run = fake()
    tell_everything(WandbMirror(), tmp_path)
    assert {"epoch": 1, "train_loss": 0.5} in run.logged
    assert {"training faces": "image"} in run.logged
    assert run.numbers == {
        "test/mask/accuracy": 0.5, "test/mask/recall/anger": 0.25, "test/mask/recall/fear": 1.0,
    }  # fmt: skip
    (table,) = (values["test/predictions"] for values in run.logged if "test/predictions" in values)
    assert table["expression"].tolist() == ["anger", "disgust", "surprise"]
    assert table["correct"].tolist() == [True, False, True]
    (curve,) = (values["test/severity"] for values in run.logged if "test/severity" in values)
    np.testing.assert_allclose(curve, [[0.45, 0.5, 2], [0.55, 1.0, 1]])
    ((_, plot),) = (values["test/mask/confusion"] for values in run.logged if "test/mask/confusion" in values)
    assert plot["class_names"] == list(EXPRESSIONS)
    assert (plot["y_true"], plot["preds"]) == ([0, 1, 6], [0, 2, 6])
    assert run.calls[-1] == "finish"


def test_begin_hands_over_the_run(monkeypatch, tmp_path):
    seen: dict[str, Any] = {}
    config = {"seed": 4, "names": {"occlusion": "mask", "model": "tiny"}}
    monkeypatch.setattr(wandb, "init", lambda **settings: seen.update(settings) or FakeRun())
    WandbMirror(project="mine", mode="online").begin(folder=tmp_path, study="s", name="n", config=config)
    expected = {"project": "mine", "group": "s", "name": "n", "dir": str(tmp_path), "mode": "online"}
    assert {key: seen[key] for key in expected} == expected
    assert seen["config"]["seed"] == 4
    assert seen["config"]["condition"] == "mask"
    assert seen["config"]["model"] == "tiny"
    assert seen["config"]["settings"] == config


def test_a_wandb_that_cannot_start_is_told_once_and_left(monkeypatch, tmp_path):
    def refuse(**settings: Any) -> None:
        raise wandb.errors.CommError("nobody there")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.warns(UserWarning, match="wandb failed in") as told:
        tell_everything(WandbMirror(), tmp_path)
    (message,) = (str(warning.message) for warning in told)
    assert "wandb failed in begin (CommError: nobody there)" in message
    assert "the run goes on without it" in message


@pytest.mark.parametrize(
    ("failing", "method"),
    [("define_metric", "begin"), ("log", "log_grid"), ("summary", "log_scores"), ("finish", "close")],
)
def test_a_wandb_that_fails_on_the_way_is_told_once_and_left(fake, tmp_path, failing, method):
    run = fake(failing)
    with pytest.warns(UserWarning, match="wandb failed in") as told:
        tell_everything(WandbMirror(), tmp_path)
    assert [f"wandb failed in {method} " in str(warning.message) for warning in told] == [True]
    assert run.calls[-1] == failing, "nothing is asked of it any more"


def test_a_user_who_interrupts_is_not_held_up(fake, tmp_path, monkeypatch):
    def interrupt(**settings: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(wandb, "init", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tell_everything(WandbMirror(), tmp_path)


def test_only_the_first_process_speaks(fake, tmp_path, monkeypatch):
    run = fake()
    monkeypatch.setenv("LOCAL_RANK", "1")
    tell_everything(WandbMirror(), tmp_path)
    assert run.calls == []


def test_an_unknown_mode_is_refused():
    with pytest.raises(
        ConfigError, match=r"Unknown logger\.mode 'ofline'\. Did you mean 'offline'.*logger=csv"
    ):
        WandbMirror(mode="ofline")


def test_no_mirror_leaves_nothing(tmp_path):
    tell_everything(NoMirror(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_epochs_that_an_online_run_knows_are_left_out(monkeypatch, tmp_path):
    run = FakeRun()
    run.summary.get = lambda name, default: 1 if name == "epoch" else default
    monkeypatch.setattr(wandb, "init", lambda **settings: run)
    mirror = WandbMirror(mode="online")
    mirror.begin(folder=tmp_path, study="s", name="n", config={})
    for epoch in range(4):
        mirror.log_metrics({"epoch": epoch})
    assert run.logged == [{"epoch": 2}, {"epoch": 3}]


def history_of(record: Path) -> list[dict[str, Any]]:
    """What an offline run's file holds."""
    from wandb.proto.wandb_internal_pb2 import Record

    rows = []
    for data in records_of(record.read_bytes()):
        entry = Record()
        entry.ParseFromString(data)
        if entry.WhichOneof("record_type") == "history":
            items = entry.history.item
            rows.append({"/".join(item.nested_key) or item.key: item.value_json for item in items})
    return rows


def records_of(content: bytes) -> Iterator[bytes]:
    """Records of LevelDB's log format: blocks of 32 KiB, in them pieces of records (checksum 4, length 2, kind 1)."""
    at, parts = 7, b""  # wandb's own header
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:  # too little for a piece's head: filled with zeros
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack("<HB", content[at + 4 : at + 7])
        parts += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or a last piece
            yield parts
            parts = b""


def test_offline_needs_no_account_and_no_network_and_a_second_session_doubles_nothing(tmp_path, monkeypatch):
    """The real wandb, whose home is a fresh folder."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    folder = tmp_path / "run"
    folder.mkdir()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # wandb's own
        killed = WandbMirror()
        killed.begin(folder=folder, study="first", name="a_run", config={"seed": 0})
        killed.log_metrics({"epoch": 0, "train_loss": 1.0})
        killed.close()
        mirror = WandbMirror()
        tell_everything(mirror, folder)
        wandb.teardown()
    (record,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    told = history_of(record)
    assert [row["train_loss"] for row in told if "train_loss" in row] == ["1", "0.5"]
    assert any("test/predictions" in "".join(row) for row in told)
    assert mirror.run is None
    # What is staged for `wandb sync` lies in the run folder, which stays whole when it is copied.
    assert not [path for path in (tmp_path / "home").glob("**/staging/**/*") if path.is_file()]
    assert (folder / "wandb" / "artifacts" / "staging").is_dir()


def test_pictures_and_file_names_can_be_kept_here(fake, tmp_path):
    """`logger.images=false`: neither a sheet of faces nor a key of the manifest reaches wandb."""
    told = {}
    for images in (True, False):
        run = fake()
        tell_everything(WandbMirror(images=images), tmp_path)
        told[images] = run.logged
    names = {images: {name for values in logged for name in values} for images, logged in told.items()}
    assert names[True] - names[False] == {"training faces"}
    columns = {images: next(values["test/predictions"].columns for values in logged if "test/predictions" in values)
               for images, logged in told.items()}  # fmt: skip
    assert set(columns[True]) - set(columns[False]) == {"key"}
    with pytest.raises(ConfigError, match=r"logger\.images must be true or false"):
        WandbMirror(images="no")  # type: ignore[arg-type]
