"""Every codec that is registered keeps the promises of the seam."""

import pytest

from benchkit.tensors.codecs.base import registry
from benchkit.testing import check_codec


@pytest.mark.parametrize("kind", registry.entries())
def test_keeps_the_promises_of_the_seam(kind: str) -> None:
    assert check_codec(registry.build({"kind": kind})).skipped == {}
