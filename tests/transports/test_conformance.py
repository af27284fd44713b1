"""Every transport that is registered keeps the promises of the seam, messages of 256 MiB included."""

import pytest

from benchkit.testing import check_transport
from benchkit.transports.base import registry


@pytest.mark.parametrize("kind", registry.entries())
def test_keeps_the_promises_of_the_seam(kind: str) -> None:
    report = check_transport(registry.build({"kind": kind}))
    assert set(report.skipped) <= {"limit", "killed"}
    assert len(report.held) >= 16
