"""What holds for the whole suite."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How fast examples are made says how busy the machine is and nothing of the code.
settings.register_profile("here", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")

# A shell starts jobs in the background with the interrupt ignored, and so would every process started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Tests run two at a time; one that is marked `quiet` has the machine for itself, its fixtures included.

    Who waits for the machine holds the turnstile, so that no newcomer overtakes.
    """
    here = Path(__file__)
    turnstile, machine = os.open(here.parent, os.O_RDONLY), os.open(here, os.O_RDONLY)
    try:
        fcntl.flock(turnstile, fcntl.LOCK_EX)
        alone = item.get_closest_marker("quiet") is not None
        fcntl.flock(machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(turnstile, fcntl.LOCK_UN)
        return (yield)
    finally:
        os.close(machine)
        os.close(turnstile)
