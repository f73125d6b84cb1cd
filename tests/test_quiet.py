from __future__ import annotations

import contextlib
import os

import pytest

from occlufer.quiet import ANYTHING, GREETINGS, quiet_native_code


def test_only_known_greetings_are_held_back(capfd: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(ZeroDivisionError), quiet_native_code(GREETINGS):
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        os.write(2, b"W0000 00:00:1795314825.429591    4524 x.cc:114] Feedback manager\n")
        os.write(2, b"E0000 00:00:1795314825.429591    4524 x.cc:114] broken\n")
        os.write(2, b"ours\n")
        raise ZeroDivisionError
    os.write(2, b"INFO: Created TensorFlow Lite, later\n")
    said = capfd.readouterr().err.splitlines()
    assert said == [
        "E0000 00:00:1795314825.429591    4524 x.cc:114] broken",
        "ours",
        "INFO: Created TensorFlow Lite, later",
    ]


def test_everything_can_be_held_back(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_native_code(ANYTHING):
        os.write(2, b"TIFFReadDirectory: odd\n\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_what_is_held_back_twice_comes_through_once(capfd: pytest.CaptureFixture[str]) -> None:
    """A worker holds it for a batch of images, and its detector for the first."""
    with quiet_native_code(GREETINGS):
        with quiet_native_code(GREETINGS):
            os.write(2, b"W0000 00:00:1795314825.429591    4524 x.cc:114] aligned\nours\n")
        os.write(2, b"I0000 00:00:1795314825.429591    4524 x.cc:114] later\n")
    assert capfd.readouterr().err == "ours\n"
