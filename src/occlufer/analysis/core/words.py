"""Numbers and conditions in words, the same in tables, figures and sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

from occlufer.analysis.core.conditions import dial

# Condition -> how its faces are called, and what covers them, as the subject of a sentence.
_NAMED = {
    "none": ("bare faces", ""),
    "mask": ("masked faces", "masks"),
    "headset": ("faces wearing a headset", "headsets"),
    "mixed": ("mixed faces", "mixtures"),
    "random_erasing": ("faces with random boxes", "random boxes"),
    "mask_or_headset": ("faces under a mask or a headset", "masks or headsets"),
    "medical_masks": ("faces under medical masks", "medical masks"),
    "sunglasses": ("faces wearing sunglasses", "sunglasses"),
    "ar_glasses": ("faces wearing AR glasses", "AR glasses"),
    "gas_mask": ("faces wearing a gas mask", "gas masks"),
    "as_is": ("faces as they are", ""),
}


# What may be added to a training, after a plus: `mixed+distillation`.
_ADDED = {
    "flips": "flips at test time",
    "contrastive": "contrastive learning",
    "occlusion_aware": "an occlusion-aware head",
}


def condition_phrase(name: str) -> str:
    """`bare faces`, `masked faces (dial at 0.5)`, `mixed faces with distillation`; `faces under NAME` without words."""
    if name in _NAMED:
        return _NAMED[name][0]
    if "+" in name:
        base, *added = name.split("+")
        return f"{condition_phrase(base)} with {joined([_ADDED.get(item, item) for item in added])}"
    occluder, severity = dial(name)
    if occluder in _NAMED and occluder != name:
        return f"{_NAMED[occluder][0]} (dial at {severity:g})"
    return f"faces under {name}"


def occluder_phrase(name: str) -> str:
    """What covers the faces of a condition: `masks`, `headsets (dial at 0.5)`; `the occluder NAME` without words."""
    occluder, severity = dial(name)
    plural = _NAMED.get(occluder, ("", ""))[1]
    if not plural:
        return f"the occluder {name}"
    return plural if occluder == name else f"{plural} (dial at {severity:g})"


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def count(number: int, noun: str) -> str:
    """`1 face`, `2 faces`, `12,271 faces`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def percent(share: float) -> str:
    """A share as `71.2 %`; `–` for NaN."""
    return "–" if math.isnan(share) else f"{100 * share:.1f} %".replace("-", "−")


def points(low: float, high: float) -> str:
    """An interval of a change in percentage points, with signs: `−12.1 to −8.0`."""
    return f"{signed(low)} to {signed(high)}"


def signed(share: float) -> str:
    """A change in percentage points with a true minus sign; `–` for NaN."""
    if math.isnan(share):
        return "–"
    text = f"{100 * share:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text


def p_value(p: float) -> str:
    """`< .001`, three decimals, or `> .999`."""
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0") if p <= 0.999 else "> .999"


def joined(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
