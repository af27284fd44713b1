"""Every transport that is registered keeps the promises of the seam, messages of 256 MiB included."""

import platform
import sys

import pytest

from benchkit.testing import check_transport
from benchkit.transports.base import registry

pytestmark = pytest.mark.quiet

NO_WHEEL = {"iceoryx2": (sys.platform, platform.machine()) not in {("linux", "x86_64"), ("darwin", "arm64")}}
"""Transports whose library the test extra does not install here."""


def skip_if_absent(kind: str) -> None:
    """Skips the test, with the remedy, where this machine has no library or no server for a transport."""
    if NO_WHEEL.get(kind):
        pytest.skip(f"there is no wheel of {kind} for this machine")
    if lacking := registry.load(kind).lacks():
        pytest.skip(f"{lacking.what}: {lacking.remedy}")


@pytest.mark.parametrize("kind", registry.entries())
def test_keeps_the_promises_of_the_seam(kind: str) -> None:
    skip_if_absent(kind)
    transport = registry.build({"kind": kind})
    report = check_transport(transport)
    promised = transport.capabilities()
    may_skip = {"limit", "killed"}
    if not promised.loans:
        may_skip |= {"loans", "places", "loans-end", "loans-limit"}
    if not promised.reroutable:
        may_skip |= {"link"}
    if not promised.many_producers:
        may_skip |= {"fan-in", "producer-gone", "come-again"}
    elif promised.delivery == "at-most-once":
        may_skip |= {"come-again"}
    assert set(report.skipped) <= may_skip
    assert len(report.held) >= 16
