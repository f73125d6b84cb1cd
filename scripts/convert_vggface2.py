"""Convert a VGGFace2 pickle to a state dict: `python scripts/convert_vggface2.py resnet50_ft_weight.pkl FOLDER`.

Writes FOLDER/resnet50.pth or FOLDER/legacy_seresnet50.pth, and beside it a .json with the input that the network wants.
Then `occlufer train model=resnet50_vggface2 weights=FOLDER` (or senet50_vggface2) starts from them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import torch

from occlufer.files import atomic_path, write_text
from occlufer.learning.models.vggface2 import INPUT, read_pickle, to_timm
from occlufer.types import OccluferError


def convert(source: Path, folder: Path) -> Path:
    """Write the state dict and its description; returns the path of the former."""
    backbone, state = to_timm(read_pickle(source))
    target = folder / f"{backbone}.pth"
    with atomic_path(target) as temporary:
        torch.save(state, temporary)
    facts = {
        "backbone": backbone,
        "image": INPUT,
        "channels": "RGB (the first layer was turned from BGR)",
        "strides": "Caffe's: model=resnet50 and resnet50_vggface2 have them, timm's resnet50 has not",
        "source": source.name,
        "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
    }
    write_text(target.with_suffix(".json"), json.dumps(facts, indent=2) + "\n")
    return target


def main() -> None:
    """Read the command line, convert, say what was written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pickle", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    try:
        target = convert(given.pickle, given.folder)
    except OccluferError as error:
        sys.exit(f"Error: {error}")
    print(f"{target}: use it with weights={given.folder} and model=resnet50_vggface2 or senet50_vggface2.")


if __name__ == "__main__":
    main()
