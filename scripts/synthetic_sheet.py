"""Write docs/images/synthetic.png, the contact sheet of drawn faces in README.

python scripts/synthetic_sheet.py [--people 3 12 25 40 51] [--size 112] [--output FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from occlufer.synthesis.sheet import contact_sheet

OUTPUT = Path(__file__).parents[1] / "docs/images/synthetic.png"


def main() -> None:
    """Draw and write; 256 colours keep the file below 400 KB."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, nargs="+", default=[3, 12, 25, 40, 51])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--difficulty", default="default")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    sheet = contact_sheet(
        people=arguments.people, seed=arguments.seed, difficulty=arguments.difficulty, size=arguments.size
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(sheet).quantize(256, method=Image.Quantize.MEDIANCUT)
    picture.save(arguments.output, optimize=True)
    print(f"{arguments.output}: {arguments.output.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
