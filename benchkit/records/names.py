"""Names of a run's folder and files: computed from what the run is called, never read from a file."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import UTC, datetime
from typing import Final

SCHEMA: Final = "benchkit.run/1"
PARTIAL: Final = ".partial"
"""A run that is being measured, or whose runner died, is `.<name>.partial`."""

_SAFE: Final = re.compile(r"[A-Za-z0-9_+=,@][A-Za-z0-9_+=,@.-]*(/[A-Za-z0-9_+=,@][A-Za-z0-9_+=,@.-]*)*")
_LONGEST: Final = 180  # a file name may have 255 bytes; the digest and the suffix need room


def sample_file(cell_id: str) -> str:
    """`samples/<id with "/" as "--">.npy`; an id that is no safe file name is cleaned and gets a digest."""
    return f"samples/{_file_name(cell_id)}.npy"


def profile_file(cell_id: str, party: str, ending: str) -> str:
    """`profiles/<cell>--<party>.<ending>`, cleaned likewise."""
    return f"profiles/{_file_name(cell_id)}--{_clean(party, 'party')[:40]}.{_clean(ending, 'dat')[:40]}"


def _file_name(cell_id: str) -> str:
    name = cell_id.replace("/", "--")
    if not _SAFE.fullmatch(cell_id) or "--" in cell_id or len(name) > _LONGEST:
        digest = hashlib.sha256(cell_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        name = f"{_clean(name, 'cell')[:_LONGEST]}-{digest}"
    return name


def run_name(scenario: str, started_utc: str) -> str:
    """`<scenario>-<UTC time>-<6 hex>`, a new one each time."""
    return f"{_clean(scenario, 'run')[:80]}-{_stamp(started_utc)}-{secrets.token_hex(3)}"


def _clean(text: str, otherwise: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.") or otherwise


def _stamp(started_utc: str) -> str:
    try:
        started = datetime.fromisoformat(started_utc)
    except ValueError:
        started = datetime.now(UTC)
    if started.tzinfo is None:
        started = started.replace(tzinfo=UTC)
    return started.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
