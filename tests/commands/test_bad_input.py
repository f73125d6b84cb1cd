"""Bad input at the level of a user: one clear sentence or a counted skip, nothing lost, no traceback."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import TINY_TRAINING, fill_cache, striped_face, tiny_fer2013
from fakes import fer2013 as fake_fer2013
from fakes import image_folder as fake_image_folder
from occlufer.datasets import image_folder
from occlufer.files import StorageError
from occlufer.landmarks.cache import LandmarkCache
from occlufer.landmarks.detector import DetectorSettings
from occlufer.runs import Run, find_runs
from occlufer.types import ConfigError, DatasetError, RunError

ONE_EPOCH = [*TINY_TRAINING, "trainer.max_epochs=1", "conditions=[none]"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return tiny_fer2013(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture
def run(run_command, inputs, outputs, tmp_path) -> Run:
    """A copy of a finished run, to be damaged; the first test that asks trains it, for the others it is skipped."""
    run_command("train", train_words(inputs, outputs))
    (finished,) = find_runs(outputs / "fer2013")
    return Run(Path(shutil.copytree(finished.folder, tmp_path / "fer2013" / finished.name)))


def train_words(inputs: list[str], outputs: Path, *words: str) -> list[str]:
    return [*inputs, *ONE_EPOCH, f"paths.outputs={outputs}", *words]


def evaluate_words(inputs: list[str], run: Run, *words: str) -> list[str]:
    paths = [word for word in inputs if word.startswith("paths.")]
    return [f"run={run.folder}", "conditions=[none]", "loader.num_workers=0", *paths, *words]


# Settings: refused before any work, with nothing left behind.


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("conditions=none", "must be a list"),
        ("conditions=null", "must be a list"),
        ("conditions=3", "must be a list"),
        ("conditions=[none,1]", "Unknown condition '1'"),
        ("conditions=[../view/face]", "Unknown condition"),
        ("seed=1.5", "seed must be a whole number"),
        ("seed=abc", "seed must be a whole number"),
        ("seed=null", "seed must be a whole number"),
        ("seed=true", "seed must be a whole number"),
        ("seed=99999999999", "at most 4294967295"),
        ("evaluation_seed=x", "evaluation_seed must be"),
        ("image.size=abc", "image.size must be a whole number"),
        ("image.size=32.5", "image.size must be a whole number"),
        ("image.size=100000", r"image\.size .* at most 4096"),
        ("image.mean=a", "image.mean must be one number"),
        ("image.mean=null", "image.mean must be one number"),
        ("+image.colour=1", "settings of image do not fit.*colour"),
        ("trainer.max_epochs=0", "trainer.max_epochs must be a whole number, at least 1"),
        ("trainer.max_epochs=null", "trainer.max_epochs"),
        ("trainer.max_epochs=1.5", "trainer.max_epochs"),
        ("trainer.accumulate_grad_batches=0", "accumulate_grad_batches"),
        ("trainer.precision=foo", "Precision 'foo' is invalid"),
        ("trainer.devices=abc", "Trainer cannot be made"),
        ("+trainer.nonsense=1", "nonsense"),
        ("loader.batch_size=abc", "loader.batch_size must be a whole number"),
        ("loader.batch_size=1", "loader.batch_size must be a whole number, at least 2"),
        ("loader.num_workers=-1", "loader.num_workers must be"),
        ("+loader.colour=1", "settings of loader do not fit.*colour"),
        ("+view.colour=1", "FullImage cannot be made"),
        ("+optimizer.colour=1", "optimizer or scheduler cannot be made.*colour"),
        ("optimizer.lr=-1", "optimizer.lr must be a number, at least 0; found -1"),
        ("optimizer.lr=abc", "optimizer.lr must be a number, at least 0; found 'abc'"),
        ("+scheduler.colour=1", "optimizer or scheduler cannot be made.*colour"),
        ("early_stopping.patience=0", "early_stopping.patience"),
        ("+sead=1", "Unknown setting 'sead'. Did you mean 'seed'"),
        ("+early_stopping.patense=1", "Did you mean 'patience'"),
        ("paths.outputs=null", "paths.outputs must be a folder"),
        ("study=..", "study must be the name of one folder"),
        ("study=a/b", "study must be the name of one folder"),
        ("study=/tmp", "study must be the name of one folder"),
        ("study=''", "study must be the name of one folder"),
        ("study=null", "study must be the name of one folder"),
        ("model.backbone=resnet99", "Unknown backbone"),
    ],
)
def test_settings_are_refused_before_any_work(run_command, tmp_path, word, message):
    """The dataset is not even looked into: its folder is empty."""
    words = [
        "dataset=fer2013",
        f"dataset.root={tmp_path}",
        *ONE_EPOCH,
        f"paths.outputs={tmp_path / 'o'}",
    ]
    with pytest.raises(ConfigError, match=message) as caught:
        run_command("train", [*words, word])
    assert len(str(caught.value)) < 800
    assert not list(tmp_path.rglob("failure.json"))


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("count=0", "count must be a whole number"),
        ("count=abc", "count must be a whole number"),
        ("columns=0", "columns must be a whole number"),
        ("tile=abc", "tile must be a whole number"),
        ("size=1", "size must be a whole number"),
        ("seed=-1", "seed must be a whole number"),
        ("output=null", "path of a .png"),
        ("output=sheet.jpg", "path of a .png"),
        ("paths.cache=null", "paths.cache must be a folder"),
    ],
)
def test_preview_settings_are_refused(run_command, inputs, word, message):
    with pytest.raises(ConfigError, match=message):
        run_command("preview", [*inputs, word])


@pytest.mark.usefixtures("undrawn_figures")
def test_a_study_may_have_any_name_that_a_folder_can_have(run_command, inputs, tmp_path):
    study = "größe [x] ✓"
    run_command("train", train_words(inputs, tmp_path, f"study='{study}'", "loader.batch_size=10000"))
    run_command("report", [f"study='{study}'", f"paths.outputs={tmp_path}"])
    assert (tmp_path / study / "report.html").is_file()


# Datasets: what an image can be, where the root can be.


def odd_images(folder: Path) -> set[str]:
    """Put files of every odd kind into a class folder; returns the names of those that hold a face."""
    face = Image.fromarray(striped_face(0, 1001))
    face.save(folder / "rgb.jpg")
    face.convert("RGBA").save(folder / "rgba.png")
    face.convert("L").save(folder / "grey.png")
    face.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(np.asarray(face)[..., 0].astype(np.uint16) * 257).save(folder / "sixteen.png")
    face.resize((1, 1)).save(folder / "one.png")
    Image.new("1", (9000, 9000)).save(folder / "huge.png")
    content = (folder / "rgb.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(content[: len(content) // 2])
    (folder / "zero.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("not an image", encoding="utf-8")
    (folder / "notes.txt").write_text("left alone", encoding="utf-8")
    (folder / "broken.jpg").symlink_to(folder / "nowhere")
    return {"rgb.jpg", "rgba.png", "grey.png", "cmyk.jpg", "sixteen.png"}


@pytest.mark.slow
def test_odd_images_are_used_or_counted(run_command, tmp_path, monkeypatch, capsys):
    """Under a relative root with a space and an umlaut; nothing stops the others from being used."""
    root = fake_image_folder.make_fake(tmp_path / "große photos", images=striped_face, per_class=2)
    good = odd_images(root / "train" / "anger")
    monkeypatch.chdir(tmp_path)
    faces = image_folder.ImageFolder(root=str(root))
    names = [str(key).rsplit("/", 1)[-1] for key in faces.manifest.keys]
    assert good <= set(names)
    # Those with a face are in the cache already; the others are looked at now.
    known = [index for index, name in enumerate(names) if name in good or "_" in name]
    cache = LandmarkCache(tmp_path / "cache" / "landmarks", DetectorSettings().fingerprint())
    chosen = image_folder.ImageFolder(root=str(root))
    chosen.manifest = faces.manifest.select(known)
    fill_cache(cache, chosen)
    words = ["dataset=image_folder", "dataset.root='große photos'", f"paths.outputs={tmp_path / 'o'}",
             f"paths.cache={tmp_path / 'cache'}", "landmarks.workers=0"]  # fmt: skip
    run_command("prepare", words)
    printed = capsys.readouterr()
    assert f"{len(known)} of {len(known) + 3} faces have landmarks" in printed.out
    assert "missed: unreadable 3" in printed.out
    for name in ("one.png", "huge.png", "truncated.jpg", "zero.jpg", "text.jpg", "broken.jpg", "notes.txt"):
        assert name in printed.err, name


@pytest.mark.parametrize("dataset", ["fer2013", "image_folder"])
@pytest.mark.parametrize(
    ("root", "message"), [("nowhere", "does not exist"), ("file", "file"), ("''", "no root was given")]
)
def test_a_root_that_is_none(run_command, tmp_path, dataset, root, message):
    (tmp_path / "file").write_text("", encoding="utf-8")
    given = root if root == "''" else str(tmp_path / root)
    with pytest.raises(DatasetError, match=message):
        run_command("prepare", [f"dataset={dataset}", f"dataset.root={given}", f"paths.outputs={tmp_path}"])


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train", ["dataset=fer2013", "dataset.root=nowhere"]),
        ("train", ["dataset=fer2013"]),
        ("train", ["dataset=fer2013", "dataset.root=''"]),
        ("train", ["dataset=fer2013", "dataset.root=5"]),
        ("train", ["dataset=fer2013", f"dataset.root={'long' * 75}"]),
        ("train", ["dataset=table", "dataset.table=nowhere.csv", "dataset.root=."]),
        ("augment", ["dataset=fer2013", "dataset.root=nowhere", "method=frontal", "output=more"]),
        ("preview", ["dataset=image_folder", "dataset.root=."]),
        ("prepare", ["dataset=image_folder", "dataset.root=."]),
    ],
)
def test_data_that_are_not_there_are_told_before_torch_is_loaded(tmp_path, command, words):
    """Torch, which cannot be imported here, and what comes with it take ten seconds of a processor."""
    code = "import sys; sys.modules['torch'] = None; from occlufer.cli import main; main()"
    asked = [sys.executable, "-c", code, command, *words]
    answer = subprocess.run(asked, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert answer.returncode == 1
    assert answer.stderr.startswith("Error: ")
    assert "dataset" in answer.stderr
    assert "torch" not in answer.stderr


def test_a_finished_run_is_skipped_where_its_faces_are_gone(run_command, inputs, outputs, run):
    (root,) = (Path(word.partition("=")[2]) for word in inputs if word.startswith("dataset.root="))
    away = root.rename(root.with_name("away"))
    try:
        command = [sys.executable, "-m", "occlufer.cli", "train", *train_words(inputs, outputs)]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=240)
    finally:
        away.rename(root)
    assert answer.returncode == 0, answer.stderr
    assert f"{run.name} is finished already" in answer.stderr


def no_face_of(expression: str, split: str) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        for path in (root / split / expression).iterdir():
            path.unlink()

    return edit


def unknown_class(root: Path) -> None:
    (root / "train" / "boredom").mkdir()
    shutil.copy(next((root / "train" / "fear").iterdir()), root / "train" / "boredom")


def leak(root: Path) -> None:
    shutil.copy(next((root / "train" / "fear").iterdir()), root / "test" / "fear" / "copy.png")


@pytest.mark.parametrize(
    ("edit", "words", "message"),
    [
        (no_face_of("fear", "train"), [], "empty class.*fear in train"),
        (lambda root: shutil.rmtree(root / "test" / "fear"), [], "empty class.*fear in test"),
        (unknown_class, [], r"unknown class folder 'boredom'.*dataset\.classes=\[.boredom: null.\]"),
        (leak, ["dataset.duplicates=error"], "two splits.*copy.png"),
        (leak, ["dataset.duplicates=dorp"], "Did you mean 'drop'"),
    ],
)
def test_a_tree_that_is_not_what_it_should_be(run_command, tmp_path, edit, words, message):
    root = fake_image_folder.make_fake(tmp_path / "tree", per_class=2)
    edit(root)
    words = ["dataset=image_folder", f"dataset.root={root}", f"paths.outputs={tmp_path / 'o'}", *words]
    with pytest.raises(DatasetError, match=message):
        run_command("prepare", words)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda lines: [lines[0], lines[1].replace(" ", "", 1), *lines[2:]], "line 2: 2303 pixels"),
        (lambda lines: [lines[0], "9" + lines[1][1:], *lines[2:]], "line 2: emotion '9'"),
        (lambda lines: ["emotion,Usage", *lines[1:]], "lacks the column pixels"),
        (lambda lines: lines[:1], "no rows"),
        (lambda lines: [], "lacks the columns"),
    ],
)
def test_a_csv_that_is_not_what_it_should_be(run_command, tmp_path, edit, message):
    path = fake_fer2013.make_fake(tmp_path, layout="fer2013.csv", per_class=1)
    path.write_text("\n".join(edit(path.read_text(encoding="utf-8").splitlines())), encoding="utf-8")
    words = ["dataset=fer2013", f"dataset.root={path}", "dataset.unreadable=error"]
    with pytest.raises(DatasetError, match=message):
        run_command("prepare", [*words, f"paths.outputs={tmp_path / 'o'}"])


# Folders that cannot be written.


@pytest.mark.parametrize("name", ["outputs", "cache"])
def test_a_folder_that_is_a_file(run_command, inputs, tmp_path, name):
    """For the cache a fresh one is needed: a filled one is only read."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match=r"Could not write .*file"):
        run_command("train", train_words(inputs, tmp_path, f"paths.{name}={tmp_path / 'file'}"))


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow over 200 kB, as on a disk that is nearly full (EFBIG in the place of ENOSPC)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_stops_the_run_with_its_reason(run_command, inputs, tmp_path, small_files):
    with pytest.raises(StorageError, match=r"best\.ckpt|last\.ckpt"):
        run_command("train", train_words(inputs, tmp_path))
    (run,) = find_runs(tmp_path / "fer2013")
    assert not run.finished
    assert "Could not write" in run.state()
    assert not list(run.folder.rglob("*.tmp"))


# Run folders that are damaged, older, newer, unfinished.


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: (run.folder / "config.yaml").unlink(), r"config\.yaml cannot be read"),
        (lambda run: (run.folder / "run.json").unlink(), "not a finished run"),
        (lambda run: edit_json(run, '"format": 3', '"format": 9'), "has format 9"),
        (lambda run: run.checkpoint_best.unlink(), r"best\.ckpt is missing"),
        (
            lambda run: run.checkpoint_best.write_bytes(b"xx"),
            r"best\.ckpt is damaged .* Delete the run folder",
        ),
        (lambda run: shutil.rmtree(run.folder), "There is no run folder"),
        (
            lambda run: change(run, "model", {"_target_": "occlufer.learning.models.gone.network"}),
            "older version",
        ),
        (lambda run: change(run, "dataset", "fer2013"), "older version"),
        (lambda run: change(run, "image", {"size": 32}), "older version.*|settings of image"),
        (lambda run: change(run, "landmarks", LANDMARKS | {"thresholds": [1]}), "thresholds.*older version"),
    ],
)
def test_evaluate_says_what_is_wrong_with_a_run(run_command, inputs, run, damage, message):
    damage(run)
    with pytest.raises(RunError, match=message) as caught:
        run_command("evaluate", evaluate_words(inputs, run))
    assert len(str(caught.value)) < 1000


def test_evaluate_says_where_moved_faces_are_not(run_command, inputs, run, tmp_path):
    with pytest.raises(ConfigError, match=r"dataset_root=.*gone does not exist\. Give dataset_root=DIR"):
        run_command("evaluate", evaluate_words(inputs, run, f"dataset_root={tmp_path / 'gone'}"))


LANDMARKS = {"_target_": "occlufer.landmarks.detector.DetectorSettings"}


def edit_json(run: Run, before: str, after: str) -> None:
    path = run.folder / "run.json"
    path.write_text(path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")


def change(run: Run, name: str, value: object) -> None:
    run.write_config(run.config() | {name: value})


@pytest.mark.parametrize("name", ["predictions.parquet", "conditions.json"])
def test_evaluate_mends_damaged_records_when_it_scores_all_conditions(run_command, inputs, run, name):
    before = run.predictions()
    (run.folder / name).write_bytes(b"garbage")
    with pytest.raises(RunError, match=r"conditions=\[none,mask\]"):
        run_command("evaluate", evaluate_words(inputs, run, "conditions=[mask]"))
    run_command("evaluate", evaluate_words(inputs, run))
    assert run.predictions().equals(before)


def test_a_damaged_trained_json_is_not_believed(run_command, inputs, tmp_path):
    run_command("train", train_words(inputs, tmp_path))
    (run,) = find_runs(tmp_path / "fer2013")
    (run.folder / "run.json").unlink()
    (run.folder / "trained.json").write_text("[1]", encoding="utf-8")
    run_command("train", train_words(inputs, tmp_path))
    assert run.finished


@pytest.mark.usefixtures("undrawn_figures")
def test_report_names_the_runs_that_are_half_written(run_command, run, tmp_path, capsys):
    for name, files in {
        "half": {"config.yaml": "a: 1"},
        "failed": {"config.yaml": "a: 1", "failure.json": "{"},
    }.items():
        (run.folder.parent / name).mkdir()
        for file, content in files.items():
            (run.folder.parent / name / file).write_text(content, encoding="utf-8")
    (run.folder.parent / "empty").mkdir()
    run_command("report", ["study=fer2013", f"paths.outputs={tmp_path}"])
    printed = capsys.readouterr().out
    assert "half. Unfinished after 0 epochs" in printed
    assert "failed. Failed" in printed


def test_a_run_is_found_again_from_another_folder(run_command, inputs, tmp_path, monkeypatch):
    """A relative root is kept as an absolute one, and names the same run."""
    root = Path(inputs[1].removeprefix("dataset.root="))
    monkeypatch.chdir(root.parent)
    run_command("train", train_words(inputs, tmp_path, f"dataset.root={root.name}"))
    monkeypatch.chdir(tmp_path)
    run_command("train", train_words(inputs, tmp_path))
    (run,) = find_runs(tmp_path / "fer2013")
    run_command("evaluate", evaluate_words(inputs, run))


# The command itself, in its own process.


def test_messages_on_the_terminal_are_sentences(occlufer, tmp_path):
    """A sweep whose study is left to its default, too: one sentence, no traceback."""
    answer = occlufer(
        "train", "-m", "dataset=fer2013", "dataset.root=/nowhere", "seed=0,1", *ONE_EPOCH, cwd=tmp_path
    )
    assert answer.returncode == 1
    assert "dataset.root=/nowhere does not exist" in answer.stderr
    assert "Traceback" not in answer.stderr + answer.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prepare", "dataset=fer2014"], "fer2013"),
        (["prepare", "datset=fer2013"], "datset"),
        (["evaluate", "conditions=[none"], "[none"),
    ],
)
def test_mistyped_words_fail_at_once(occlufer, tmp_path, words, message):
    answer = occlufer(*words, cwd=tmp_path)
    assert answer.returncode == 1
    assert message in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not list(tmp_path.iterdir())


def test_ctrl_c_leaves_a_run_that_goes_on(run_command, inputs, tmp_path):
    words = train_words(inputs, tmp_path, "trainer.max_epochs=500")
    log = tmp_path / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "occlufer.cli", "train", *words],
            stdout=stream, stderr=stream, env=os.environ | {"COLUMNS": "200"},
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 120
            while "epoch 2 of" not in log.read_text(encoding="utf-8"):
                assert process.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < deadline
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 130
        finally:
            process.kill()
            process.wait()
    printed = log.read_text(encoding="utf-8")
    assert "Interrupted. Finished work is kept" in printed
    assert "Traceback" not in printed
    (run,) = find_runs(tmp_path / "fer2013")
    assert not (run.folder / "failure.json").exists()
    assert run.state().startswith("Unfinished after")
    assert run.checkpoint_last.is_file()
