"""Numbers and conditions in words, the same in tables, figures and sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

_NAMED = {
    "none": "bare faces",
    "mask": "masked faces",
    "headset": "faces wearing a headset",
    "mixed": "faces under mixed occlusion",
}


def condition_phrase(name: str) -> str:
    """`bare faces`, `masked faces`, `faces wearing a headset`; `faces under NAME` for any other condition."""
    return _NAMED.get(name, f"faces under {name}")


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
    """`< .001` or three decimals."""
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0") if p < 1 else "1"


def joined(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
