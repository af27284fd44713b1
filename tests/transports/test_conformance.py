"""Every transport that is registered keeps the promises of the seam."""

import os

import pytest

from benchkit.testing import check_transport
from benchkit.transports.base import registry

# `BENCHKIT_FULL=1`: more messages, 256 MiB ones, twenty open and close cycles.
QUICK = not os.environ.get("BENCHKIT_FULL")


@pytest.mark.parametrize("kind", registry.entries())
def test_keeps_the_promises_of_the_seam(kind: str) -> None:
    report = check_transport(registry.build({"kind": kind}), quick=QUICK)
    assert set(report.skipped) <= {"huge", "limit", "killed"}
    assert len(report.held) >= 15
