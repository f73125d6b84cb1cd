"""Every adapter in conf/dataset/, found by glob: all keys, the defaults of the code, and a fake that it reads."""

import importlib
import inspect
from pathlib import Path

import pytest
import yaml

from occlufer.types import DatasetError

CONFIGS = Path(__file__).resolve().parents[2] / "conf" / "dataset"
NAMES = sorted(path.stem for path in CONFIGS.glob("[!_]*.yaml") if "study" not in path.stem)


@pytest.mark.parametrize("file_name", [name for name in NAMES if name != "synthetic"])
def test_configs_hold_every_argument_with_its_default(file_name: str, tmp_path: Path):
    texts = [(CONFIGS / name).read_text() for name in ("_stored.yaml", f"{file_name}.yaml")]
    honest = [text.replace("${protocol:contradictions}", "drop") for text in texts]
    config = yaml.safe_load(honest[0]) | yaml.safe_load(honest[1])
    assert config.pop("defaults") == ["_stored", "_self_"]
    assert config.pop("crop") is None  # for `tasks.assemble.make_faces`
    module, _, adapter_name = config.pop("_target_").rpartition(".")
    adapter = getattr(importlib.import_module(module), adapter_name)
    make_fake = importlib.import_module(f"fakes.{module.rpartition('.')[2]}").make_fake
    parameters = inspect.signature(adapter).parameters
    assert set(config) == set(parameters)
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in parameters.values())
    for name, parameter in parameters.items():
        default = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        if default is not inspect.Parameter.empty:
            assert (config[name] or None) == (default or None), name
    with pytest.raises(DatasetError, match=r"dataset.root=DIR"):
        adapter(**config)
    with pytest.raises(TypeError, match="no_such_setting"):
        adapter(**config, no_such_setting=1)
    kind = {
        name: config[name]
        for name, parameter in inspect.signature(make_fake).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is inspect.Parameter.empty
    }
    assert len(adapter(**{**config, "root": str(make_fake(tmp_path, **kind))}))


def test_the_adapters_are_found():
    assert {"fer2013", "image_folder", "ckplus", "affectnet", "kdef", "jaffe", "emohevrdb"} <= set(NAMES)
