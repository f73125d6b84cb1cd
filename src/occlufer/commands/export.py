"""`occlufer export`: a trained network as one file, ONNX or safetensors, that says itself how it wants its images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from occlufer.types import ConfigError, OccluferError


def main() -> None:
    """Write the file; exit status 2 for a wrong call."""
    parser = argparse.ArgumentParser(prog="occlufer export", add_help=False)
    parser.add_argument("source", metavar="RUN")
    parser.add_argument("output", metavar="FILE")
    parser.add_argument("--trusted", default="", metavar="PACKAGES")
    given = parser.parse_args(sys.argv[1:])
    try:
        _write(
            given.source, Path(given.output).expanduser(), [name for name in given.trusted.split(",") if name]
        )
    except OccluferError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _write(source: str, output: Path, trusted: list[str]) -> None:
    if output.suffix not in (".onnx", ".safetensors"):
        raise ConfigError(f"The file must end in .onnx or .safetensors, found {output.name!r}.")
    from occlufer.inference.description import SHIPPED
    from occlufer.inference.network import load_network, write_weights
    from occlufer.inference.onnx_file import write_onnx

    if source == "shipped":
        found = sorted(SHIPPED.glob("*.safetensors"))
        if not found:
            raise ConfigError("No network comes with this build of occlufer. Give a run: outputs/STUDY/RUN.")
        source = str(found[0])
    loaded = load_network(source, trusted=trusted)
    if output.suffix == ".onnx":
        write_onnx(loaded.network, loaded.description, output)
    else:
        write_weights(loaded, output)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
