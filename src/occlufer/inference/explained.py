"""Pictures of what speaks for an answer: each face as the network saw it, beside its heat map. Needs torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from occlufer.data.rendered import RenderedFace
from occlufer.data.sheets import contact_sheet
from occlufer.files import atomic_path
from occlufer.inference.attribution import Attribution, explainable
from occlufer.inference.heat import overlay
from occlufer.inference.predictor import Prediction, Predictor
from occlufer.types import UInt8Array

_TILE = 256


class Explainer:
    """Draws what speaks for the answers of a predictor.

    Args:
        predictor: the one that answered.
        source: its network; see `attribution.explainable`, also for what is raised.
        trusted: packages of the user's own that a run may build from.
    """

    def __init__(
        self, predictor: Predictor, source: str | Path | None, *, trusted: Sequence[str] = ()
    ) -> None:
        self._predictor = predictor
        self._attribution = Attribution(explainable(source, trusted=trusted))

    def sheets(
        self, shown: Sequence[Mapping[str, RenderedFace]], answers: Sequence[Prediction]
    ) -> dict[int, UInt8Array]:
        """By the number of each face a sheet, uint8 RGB: a row a condition, the face and its heat map.

        Args:
            shown: what `Predictor.render` made of each face of a picture.
            answers: of `Predictor.answers` for them.
        """
        image = self._predictor.network.description.image
        found = {}
        for number, conditions in enumerate(shown):
            rows, words = [], []
            for answer in (answer for answer in answers if answer.face == number):
                seen_HWC = conditions[answer.condition].occluded_HWC
                target = self._predictor.classes.index(answer.expression)
                (heat_HW,) = self._attribution(image.to_array(seen_HWC)[None], [target])
                rows.append([seen_HWC, overlay(seen_HWC, heat_HW)])
                words.append(f"{answer.condition}: {answer.expression} {answer.confidence:.0%}")
            if rows:
                found[number] = contact_sheet(rows, tile=_TILE, row_names=words)
        return found

    def write(
        self, folder: Path, stem: str, shown: Sequence[Mapping[str, RenderedFace]],
        answers: Sequence[Prediction],
    ) -> None:  # fmt: skip
        """Write FOLDER/STEM_face0.png and so on."""
        for number, sheet_HWC in self.sheets(shown, answers).items():
            with atomic_path(folder / f"{stem}_face{number}.png") as temporary:
                Image.fromarray(sheet_HWC).save(temporary, format="PNG")
