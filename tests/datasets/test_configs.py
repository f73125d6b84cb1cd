import inspect
from pathlib import Path

import pytest
import yaml

from occlufer.datasets.fer2013 import FER2013
from occlufer.datasets.fer2013 import make_fake as make_fer2013
from occlufer.datasets.image_folder import ImageFolder
from occlufer.datasets.image_folder import make_fake as make_folder
from occlufer.types import DatasetError

CONFIGS = Path(__file__).resolve().parents[2] / "conf" / "dataset"
CASES = [("fer2013", FER2013, make_fer2013), ("image_folder", ImageFolder, make_folder)]


@pytest.mark.parametrize(("file_name", "adapter", "make_fake"), CASES, ids=["fer2013", "image_folder"])
def test_configs_hold_every_argument_with_its_default(file_name, adapter, make_fake, tmp_path: Path):
    config = yaml.safe_load((CONFIGS / f"{file_name}.yaml").read_text())
    assert config.pop("_target_") == f"{adapter.__module__}.{adapter.__name__}"
    parameters = inspect.signature(adapter).parameters
    assert set(config) == set(parameters)
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in parameters.values())
    for name, parameter in parameters.items():
        if parameter.default is not inspect.Parameter.empty:
            assert (config[name] or None) == (parameter.default or None), name
    with pytest.raises(DatasetError, match=r"dataset.root=DIR"):
        adapter(**config)
    assert len(adapter(**{**config, "root": str(make_fake(tmp_path))}))
