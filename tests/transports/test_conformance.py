"""Every transport that is registered keeps the promises of the seam, messages of 256 MiB included."""

import platform
import sys

import pytest

from benchkit.testing import check_transport
from benchkit.transports.base import registry

NO_WHEEL = {"iceoryx2": (sys.platform, platform.machine()) not in {("linux", "x86_64"), ("darwin", "arm64")}}
"""Transports whose library the test extra does not install here."""


@pytest.mark.parametrize("kind", registry.entries())
def test_keeps_the_promises_of_the_seam(kind: str) -> None:
    if NO_WHEEL.get(kind):
        pytest.skip(f"there is no wheel of {kind} for this machine")
    report = check_transport(registry.build({"kind": kind}))
    assert set(report.skipped) <= {"limit", "killed"}
    assert len(report.held) >= 16
