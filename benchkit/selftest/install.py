"""The planting plug-ins, installed for as long as the self-test runs, in this process and those it starts."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchkit import __version__
from benchkit.tensors.codecs.base import registry as codecs
from benchkit.transports.base import registry as transports

_ENTRY_POINTS: Final = """\
[benchkit.transports]
selftest-planted = benchkit.selftest.parts.transport:PlantedTransport
selftest-planted-broker = benchkit.selftest.parts.transport:PlantedBrokerTransport

[benchkit.codecs]
selftest-planted = benchkit.selftest.parts.codec:PlantedCodec
"""


@contextmanager
def installed() -> Iterator[None]:
    """A folder with their entry points, on the path of modules; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="benchkit-selftest-") as folder:
        info = Path(folder) / f"benchkit_selftest-{__version__}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: benchkit-selftest\nVersion: {__version__}\n"
        )
        (info / "entry_points.txt").write_text(_ENTRY_POINTS)
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, before]))
        sys.path.insert(0, folder)
        _look_again()
        try:
            yield
        finally:
            sys.path.remove(folder)
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before
            _look_again()


def _look_again() -> None:
    for registry in (transports, codecs):
        registry.entries.cache_clear()
