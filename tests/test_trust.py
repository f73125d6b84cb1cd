"""What a stored run may build."""

from __future__ import annotations

import pytest

from fakes import TINY_TRAINING, tiny_fer2013
from occlufer.trust import check_targets
from occlufer.types import ConfigError, RunError


@pytest.mark.parametrize(
    "config",
    [
        {"_target_": "os.system"},
        {"a": [{"b": {"_target_": "subprocess.run"}}]},
        {"a": ({"_target_": "occluferous.thing"},)},
        {"_target_": "builtins.eval"},
        {"_target_": "torch.load"},
        {"_target_": "torch.hub.load"},
        {"_target_": ["os.system"]},
        {"_target_": 3},
        {"_target_": "occlufer.data.view.FullImage "},
        {"_target_": "occlufer.learning.callbacks.torch.load"},  # through our module into another
        {"_target_": "occlufer.data.view.cv2.imwrite"},
        {"_target_": "occlufer.learning.callbacks.io.open"},
        {"_target_": "occlufer.datasets.stores.ThreadPoolExecutor"},  # a class, but not one of ours
        {"_target_": "occlufer.datasets.near_duplicates.write_pairs"},  # ours, but it writes files
        {
            "_target_": "occlufer.datasets.synthetic.SyntheticFaces"
        },  # writes a cache: only as the dataset itself
        {"_target_": "occlufer.tracking.WandbMirror"},
        {"_target_": "pytorch_lightning.Trainer"},
        {"_target_": "sympy.sympify", "_args_": ["__import__('os')"]},
        {"_target_": "torch.nn.functional.handle_torch_function"},
    ],
    ids=str,
)
def test_foreign_targets_are_refused_at_any_depth(config):
    with pytest.raises(RunError, match=r"here asks to build .* may only build .* trusted=\[PACKAGE\]"):
        check_targets(config, "here")


@pytest.mark.parametrize("target", ["occlufer.data.nowhere.Thing", "occlufer.data.view.Nothing"])
def test_what_another_version_had_is_told_apart(target):
    with pytest.raises(RunError, match="this version of occlufer does not have: an older version"):
        check_targets({"_target_": target}, "here")


def test_our_targets_are_allowed():
    check_targets(
        {
            "_target_": "occlufer.data.view.FullImage",
            "inner": [{"_target_": "torch.optim.SGD"}, {"_target_": "torch.nn.modules.linear.Linear"}],
            "schedule": {"_target_": "occlufer.learning.schedules.one_cycle"},
            "n": None,
        },
        "here",
    )


def test_packages_of_ones_own_are_allowed_when_trusted():
    config = {"_target_": "mylab.occluders.Scarf"}
    with pytest.raises(RunError):
        check_targets(config, "here", trusted=["my"])
    check_targets(config, "here", trusted=["mylab"])


def test_interpolations_are_refused():
    with pytest.raises(RunError, match="holds the interpolation"):
        check_targets({"name": ["x", "${oc.env:HOME}"]}, "here")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # wandb's own
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_secrets_of_the_environment_reach_no_file(run_command, tmp_path, monkeypatch, capfd):
    secret = "d0n0tt3ll" * 5
    for name in ("WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, secret)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    inputs = tiny_fer2013(tmp_path)
    tiny = [word for word in TINY_TRAINING if not word.startswith(("logger", "trainer.max_epochs"))]
    run_command("train", [*inputs, *tiny, "logger=wandb", "trainer.max_epochs=1", "study=s"])
    files = [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in files)
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    shown = capfd.readouterr()
    assert secret not in shown.out + shown.err


def test_trust_is_given_to_a_list_of_packages(run_command):
    with pytest.raises(ConfigError, match=r"trusted must be a list of packages, found 'mylab'"):
        run_command("evaluate", ["run=anywhere", "trusted=mylab"])
