"""Options of a transport whose server is the run's own, or yours by URL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field, SecretStr

from benchkit.errors import BrokerError
from benchkit.units import Bytes

Disk = Annotated[
    Bytes | None,
    Field(
        ge=1 << 20,
        le=64 << 30,
        description="the files of the run's own server are on a disk of so many bytes of its own, in memory (tmpfs), "
        "which can be full; for trials of faults",
    ),
]


def read(url: SecretStr | None, by: Callable[[str], object]) -> SecretStr | None:
    """The URL, once `by` could read it; raises ValueError with what is wrong with it and never with its password."""
    # The ends are built from a dump, in which the URL is masked.
    if url is not None and str(url) != url.get_secret_value():
        try:
            by(url.get_secret_value())
        except BrokerError as error:
            raise ValueError(f"{error.what}; {error.remedy}") from None
    return url


def in_clear(url: SecretStr | None) -> str | None:
    """None for the run's own server."""
    return None if url is None else url.get_secret_value()
