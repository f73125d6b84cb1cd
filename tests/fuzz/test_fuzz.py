"""Damaged input of every kind raises our errors or passes; nothing hangs, and nothing dies otherwise.

Each case is a pure function of its number, so that one that fails can be looked at: `damaged(content, number)`.
"""

from __future__ import annotations

import contextlib
import copy
import io
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import hydra
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict
from PIL import Image

from fakes import MemoryFaces, fill_cache, striped_face
from fakes import fer2013 as fake_fer2013
from fakes import image_folder as fake_image_folder
from fakes_runs import make_run
from occlufer.building import plain
from occlufer.commands.checks import anchored, check_train, settled
from occlufer.datasets.extra import LIST_NAME, WithExtra
from occlufer.datasets.fer2013 import FER2013
from occlufer.datasets.image_folder import ImageFolder
from occlufer.datasets.images import decode_image
from occlufer.datasets.manifest import Manifest
from occlufer.inference.network import fill
from occlufer.landmarks.cache import LandmarkCache
from occlufer.occlusion.templates.own import MaskPack, read_picture
from occlufer.runs import Run
from occlufer.settings import conf_folder
from occlufer.trust import stored_settings
from occlufer.types import OccluferError

_SECONDS = 30  # a case takes milliseconds; this is to tell a hang from a slow machine
_ODD = (
    None,
    float("nan"),
    float("inf"),
    -1,
    2**70,
    "",
    "\x00",
    "a" * 5000,
    "../../x",
    b"\xff",
    [],
    {},
    True,
    "${a}",
    "é\ud800",
)


def damaged(content: bytes, number: int) -> bytes:
    """Bytes flipped, cut, doubled, inserted or overwritten, in one to four places."""
    rng = np.random.default_rng([number, len(content)])
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, max(len(data), 1)))
        length = int(rng.integers(1, 40))
        junk = rng.integers(0, 256, length, np.uint8).tobytes()
        match rng.integers(0, 6):
            case 0:
                data[at : at + 1] = bytes([data[at] ^ (1 << int(rng.integers(0, 8)))]) if data else b""
            case 1:
                del data[at:]
            case 2:
                data[at:at] = data[max(at - length, 0) : at]
            case 3:
                data[at:at] = junk
            case 4:
                data[at : at + length] = junk
            case _:
                data[at : at + length] = b"\x00" * length
    return bytes(data)


@contextlib.contextmanager
def ours_or_nothing(case: object) -> Iterator[None]:
    """Our errors pass; another one, or a hang, names the case."""

    def hangs(signum: int, frame: object) -> None:
        raise TimeoutError(f"case {case} took over {_SECONDS} s")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(_SECONDS)
    words = None
    try:
        yield
    except OccluferError as error:
        words = str(error)
    except Exception as error:
        raise AssertionError(f"case {case}: {type(error).__name__}: {error}") from error
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert words is None or words.strip(), f"case {case}: an error without words"
    assert len(words or "") < 20_000, f"case {case}: nobody reads such a message"


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(striped_face(1, 2)).save(buffer, format=kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM"])
def test_images(kind):
    content = encoded(kind)
    for number in range(30):
        with ours_or_nothing((kind, number)):
            image = decode_image(damaged(content, number), where="here")
            assert image.dtype == np.uint8
            assert image.ndim == 3


def test_images_that_claim_to_be_huge(tmp_path):
    """The header alone decides: none of these may cost the memory that it asks for."""
    for width, height in ((2**31 - 1, 2**31 - 1), (60_000, 60_000), (0, 5), (1, 2**31 - 1)):
        header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
        content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header + b"\x00" * 4
        with pytest.raises(OccluferError):
            decode_image(content, where="here")
        path = tmp_path / "huge.png"
        path.write_bytes(content)
        with pytest.raises(OccluferError):
            read_picture(str(path))


def test_fer2013_tables(tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    pixels = [" ".join(map(str, striped_face(n % 7, n)[..., 0].ravel())) for n in range(42)]
    usage = ["Training"] * 28 + ["PublicTest"] * 7 + ["PrivateTest"] * 7
    table = pd.DataFrame({"emotion": [n % 7 for n in range(42)], "pixels": pixels, "Usage": usage})
    content = table.to_csv(index=False).encode()
    for number in range(60):
        (root / "fer2013.csv").write_bytes(damaged(content, number))
        with ours_or_nothing(number):
            faces = FER2013(root=str(root))
            faces.load_image(0)


def test_lists_of_extra_images(tmp_path):
    faces = ImageFolder(
        root=fake_image_folder.make_fake(tmp_path / "faces", per_class=1, images=striped_face)
    )
    folder = tmp_path / "extra"
    folder.mkdir()
    for name in "abc":
        Image.fromarray(striped_face(0, ord(name))).save(folder / f"{name}.png")
    source = str(faces.manifest.keys[0])
    content = (
        pd.DataFrame({"path": ["a.png", "b.png", "c.png"], "source": source}).to_csv(index=False).encode()
    )
    for number in range(40):
        (folder / LIST_NAME).write_bytes(damaged(content, number))
        with ours_or_nothing(number):
            WithExtra(faces, folder)


def test_manifests():
    frame = MemoryFaces().manifest.frame
    rng = np.random.default_rng(0)
    for number in range(80):
        odd = frame.astype(object).copy()
        for _ in range(rng.integers(1, 4)):
            column = rng.choice(odd.columns)
            if rng.random() < 0.15:
                odd = odd.drop(columns=column)
                break
            odd.at[int(rng.integers(len(odd))), column] = _ODD[rng.integers(len(_ODD))]
        with ours_or_nothing((number, odd.columns.tolist())):
            Manifest.from_frame(odd, name="odd").counts()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("study"), n=21, epochs=2)


def read_config(run: Run) -> None:
    stored_settings(run, trusted=[])


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("config.yaml", read_config),
        ("run.json", lambda run: run.summary()),
        ("predictions.parquet", lambda run: run.predictions()),
        ("history.csv", lambda run: run.history()),
        ("coverage.csv", lambda run: run.coverage()),
    ],
)
def test_files_of_a_run(run, name, read):
    path = run.folder / name
    content = path.read_bytes()
    try:
        for number in range(40):
            path.write_bytes(damaged(content, number))
            with ours_or_nothing((name, number)):
                read(run)
    finally:
        path.write_bytes(content)


@pytest.fixture
def settings_of_a_training() -> Iterator[dict[str, Any]]:
    """What `occlufer train` sees when nothing is set."""
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        config = hydra.compose("train", return_hydra_config=True)
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        yield plain(config) | {"condition_occluders": {}}
    HydraConfig.instance().cfg = None


def test_settings(settings_of_a_training):
    rng = np.random.default_rng(1)
    for number in range(120):
        settings = copy.deepcopy(settings_of_a_training)
        for _ in range(rng.integers(1, 3)):
            node: Any = settings
            name = str(rng.choice(list(node)))
            if isinstance(node[name], dict) and node[name] and rng.random() < 0.7:
                node = node[name]
                name = str(rng.choice(list(node)))
            node[name] = _ODD[rng.integers(len(_ODD))]
        with ours_or_nothing((number, settings)):
            check_train(settled(anchored(settings)))


def test_checkpoints(tmp_path):
    network = torch.nn.Linear(3, 2)
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    path = folder / "best.ckpt"
    weights = {f"network.{name}": value for name, value in network.state_dict().items()}
    torch.save({"state_dict": weights, "epoch": 1}, path)
    content = path.read_bytes()
    for number in range(60):
        path.write_bytes(damaged(content, number))
        with ours_or_nothing(number):
            fill(network, path, "here")


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return (Path.touch, (tmp_path / "ran",))

    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save({"state_dict": Evil()}, folder / "best.ckpt")
    with pytest.raises(OccluferError):
        fill(torch.nn.Linear(3, 2), folder / "best.ckpt", "here")
    assert not (tmp_path / "ran").exists()


def test_masks_cfg(tmp_path):
    picture = np.zeros((60, 80, 4), np.uint8)
    picture[10:50, 10:70] = (0, 0, 200, 255)
    ok, data = cv2.imencode(".png", picture)
    assert ok
    points = zip("abcdef", ((10, 15), (40, 10), (70, 15), (65, 40), (40, 50), (15, 40)), strict=True)
    lines = ["[red]", "template: red.png", *(f"mask_{letter}: {x}, {y}" for letter, (x, y) in points)]
    content = "\n".join(lines).encode()
    for number in range(40):
        (tmp_path / "red.png").write_bytes(data.tobytes() if number % 2 else damaged(data.tobytes(), number))
        (tmp_path / "masks.cfg").write_bytes(damaged(content, number) if number % 2 else content)
        with ours_or_nothing(number):
            pack = MaskPack(config=str(tmp_path / "masks.cfg"))
            for name in pack.entries:
                pack.template(name)


def test_landmark_caches(tmp_path):
    faces = MemoryFaces(per_class=1)
    fill_cache(LandmarkCache(tmp_path, "f"), faces)
    files = {path: path.read_bytes() for path in sorted((tmp_path / "f").iterdir()) if path.stat().st_size}
    assert {path.name for path in files} >= {"index.bin", "points.f32"}
    for number in range(60):
        for place, (path, content) in enumerate(files.items()):
            path.write_bytes(damaged(content, number) if number >> place & 1 else content)
        with ours_or_nothing(number):
            cache = LandmarkCache(tmp_path, "f")
            for index in range(len(faces)):
                if cache.contains(faces.content_digest(index)):
                    cache.landmarks(faces.content_digest(index))


def test_folders_of_odd_images(tmp_path):
    root = fake_fer2013.make_fake(tmp_path / "set", per_class=2, images=striped_face)
    paths = sorted(root.rglob("*.*"))
    for number, path in enumerate(paths[::2]):
        path.write_bytes(damaged(path.read_bytes(), number))
    with ours_or_nothing("folder"):
        faces = FER2013(root=str(root), duplicates="keep")
        for index in range(len(faces)):
            with ours_or_nothing(index):
                faces.load_image(index)


def test_yaml_bombs_and_deep_nesting_are_survived(run):
    path = run.folder / "config.yaml"
    content = path.read_bytes()
    bomb = "a: &a [x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(12)
    )
    try:
        for text in (
            bomb,
            "[" * 3000,
            "{a: " * 3000,
            yaml.safe_dump({"a": list(range(10_000))}),
            "!!python/object/apply:os.system [ls]",
        ):
            path.write_text(text, encoding="utf-8")
            with ours_or_nothing(text[:40]):
                read_config(run)
    finally:
        path.write_bytes(content)
