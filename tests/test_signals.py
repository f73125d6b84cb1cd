from __future__ import annotations

import contextlib
import os
import signal
import threading

import pytest

from occlufer.signals import Terminated, termination


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_sigterm_ends_with_143_and_the_handler_is_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated) as raised, termination():
        terminate()
    assert raised.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def fail_while_cleaning_up() -> None:
    """Loader workers die of the same signal, and torch says so in the middle of the clean-up."""
    try:
        terminate()
    finally:
        raise RuntimeError("DataLoader worker is killed by signal: Terminated.")


def swallow() -> None:
    with contextlib.suppress(SystemExit):
        terminate()


@pytest.mark.parametrize("body", [fail_while_cleaning_up, swallow])
def test_whatever_follows_the_signal_is_the_signal(body):
    with pytest.raises(Terminated), termination():
        body()


def test_a_second_signal_does_not_disturb_the_clean_up():
    cleaned = []

    def clean_up_under_fire() -> None:
        try:
            terminate()
        finally:
            terminate()
            cleaned.append(True)

    with pytest.raises(Terminated), termination():
        clean_up_under_fire()
    assert cleaned == [True]


def test_other_errors_and_other_threads_are_left_alone():
    with pytest.raises(KeyError), termination():
        raise KeyError("x")
    seen = []

    def elsewhere() -> None:
        with termination():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
