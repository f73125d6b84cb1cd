"""What a network file says of itself, so that it can be used without its run. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from occlufer.building import build
from occlufer.data.image_format import ImageFormat
from occlufer.data.view import View
from occlufer.trust import check_network, check_targets
from occlufer.types import EXPRESSIONS, ConfigError, RunError

METADATA_KEY = "occlufer"
FORMAT = 1
SHIPPED = Path(__file__).resolve().parent / "shipped"
"""The folder of the network that comes with the package: the same one as safetensors and as ONNX."""


@dataclass(frozen=True, slots=True)
class Description:
    """How an image becomes a network's input, and what its outputs mean.

    Attributes:
        image: size, channels and normalisation.
        view: which part of an image the network looks at.
        classes: names of the outputs, in order.
        model, view_node: what the configuration said of the network and of the view.
        channels_last: the memory format that it was trained in.
        source: which run it came from.
    """

    image: ImageFormat
    view: View
    classes: tuple[str, ...]
    model: Mapping[str, Any]
    view_node: Mapping[str, Any]
    channels_last: bool
    source: str

    def as_text(self) -> str:
        """JSON for the metadata of a file, with words for a reader who does not have this package."""
        return json.dumps(
            {
                "format": FORMAT,
                "size": list(self.image.hw),
                "channels": self.image.channels,
                "mean": list(self.image.mean),
                "std": list(self.image.std),
                "range": "values / 255, minus mean, divided by std; float32 (batch, channels, height, width)",
                "grey": "0.299 R + 0.587 G + 0.114 B, rounded to a whole number",
                "crop": _crop_in_words(self.view),
                "classes": list(self.classes),
                "model": dict(self.model),
                "view": dict(self.view_node),
                "channels_last": self.channels_last,
                "source": Path(self.source).name,  # not where it lay on somebody's machine
            }
        )


def from_config(config: Mapping[str, Any], source: str) -> Description:
    """The description of a run by its configuration, already checked by `trust`; raises `RunError` if it is too old."""
    try:
        model = _filled_later(config["model"])
        image = ImageFormat.create(**config["image"], channels=model.get("in_chans", 1))
        view: View = build(config["view"])
        return Description(
            image, view, EXPRESSIONS, model, config["view"], bool(config["channels_last"]), source
        )
    except KeyError as error:
        raise older(source, f"lacks {error}") from error
    except (TypeError, AttributeError) as error:
        raise older(source, f"holds a plain value where it must name something to build ({error})") from error
    except ConfigError as error:
        raise older(source, f"cannot be built by this one: {error}") from error


def from_text(text: str | None, path: Path, *, trusted: Sequence[str] = ()) -> Description:
    """The description in a file's metadata; raises `RunError` where there is none, or one that asks for too much."""
    try:
        found = json.loads(text or "")
        if found["format"] != FORMAT:
            raise RunError(f"{path} has format {found['format']!r}, this version of occlufer reads {FORMAT}.")
        check_network(found["model"], str(path), trusted=trusted)
        check_targets(found["view"], str(path), trusted=trusted)
        image = ImageFormat.create(
            size=found["size"], channels=found["channels"], mean=found["mean"], std=found["std"]
        )
        view, classes = build(found["view"]), tuple(map(str, found["classes"]))
        if not isinstance(view, View) or not classes or len(set(classes)) < len(classes):
            raise TypeError("its view is none, or its classes are not names that differ")
        return Description(
            image, view, classes, _filled_later(found["model"]), found["view"],
            bool(found["channels_last"]), str(found["source"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, RunError | ConfigError):
            raise
        raise RunError(
            f"{path} does not say how it wants its images ({type(error).__name__}: {error}). Wanted: a file that "
            "`occlufer export` wrote."
        ) from error


def _filled_later(model: dict[str, Any]) -> dict[str, Any]:
    """A network's node without the weights that its training began from: all weights come from the file itself."""
    inner = {name: _filled_later(value) for name, value in model.items() if isinstance(value, dict)}
    return model | inner | ({"pretrained": None} if "pretrained" in model else {})


def older(where: str, what: str) -> RunError:
    """The error for a configuration that another version wrote, or that somebody changed."""
    return RunError(
        f"{where}/config.yaml {what.removesuffix('.')}: an older version of occlufer wrote it (environment.json names "
        "it), or it was changed. Evaluate it with that version, or train the run again."
    )


def _crop_in_words(view: View) -> str:
    if view.needs_landmarks:
        return f"{type(view).__name__} of occlufer, by the 468 points of MediaPipe's face mesh"
    return (
        "a square around the face: 1.1 times the longer side of the box of MediaPipe's 468 points, its centre moved up "
        "by .05 of that side"
    )
