"""What the ends of a transport counted of themselves, for the record; a transport is anybody's code."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from benchkit.transports.base import Receiver, Sender

_MOST = 64
"""Names that one end may count by, so that a soak's record stays small."""


def counted(end: Sender | Receiver) -> dict[str, int]:
    """By the end's own names, whole numbers alone; a plug-in's mistake in saying it costs no block."""
    said: Mapping[str, int] = {}
    with suppress(Exception):
        said = end.counts()
    if not isinstance(said, Mapping):
        return {}
    plain = {str(name): value for name, value in said.items() if type(value) is int}
    return dict(list(plain.items())[:_MOST])
