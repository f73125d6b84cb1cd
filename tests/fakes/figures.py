"""Reports without the rendering of their figures, which takes four fifths of their time."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from occlufer.analysis.sections import drawing

_HEADS = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}


def undrawn(patch: pytest.MonkeyPatch, *but: str) -> None:
    """Figures are made and their files written, without pictures in them; those of the kinds `but` are real."""
    real = drawing._render

    def render(figure: Figure, kind: str) -> bytes:
        return real(figure, kind) if kind in but else _HEADS[kind]

    patch.setattr(drawing, "_render", render)
    if not but:
        patch.setattr(drawing, "_fix_layout", lambda figure: None)
