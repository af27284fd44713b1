"""A stored baseline: a file that people review, so one cell stands on one line and keys are sorted.

::

    {"schema": "benchkit.baseline/1", "benchkit": "0.1.0", "scenario": {...}, "quick": false,
     "environment": {"fingerprint": "hex", "cpu": "", ...}, "runs": [{"started_utc": "", "git": null}, ...],
     "noise": {"log_sd": 0.24|null, "source": "stated"|"assumed"|"learned", "runs": 1, "span_s": 0.0},
     "floors": {"null_us": {"log_mean": 4.1, "log_sd": 0.01|null}, ...},
     "cells": {"<id>": {"p50_us": {"value": 0.0, "ci95": [0.0, 0.0], "log_sd": 0.02|null, "log_se": 0.01}, ...}},
     "replaces": "hex" | null, "digest": "hex"}

`digest` is SHA-256 over everything else: it finds a file that was damaged, merged badly or edited by hand. It is
no signature, and whoever may write the file may write a new digest too; review is what guards against that.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchkit.errors import RecordError
from benchkit.records import opening, writing

SCHEMA: Final = "benchkit.baseline/1"
_VERSION: Final = re.compile(r"benchkit\.baseline/([0-9]{1,4})")
_LARGEST_BYTES: Final = 16 << 20
_BY_LINE: Final = ("cells", "environment", "floors", "runs", "scenario")
"""What has a line for each of its entries."""

Content = dict[str, Any]


def sealed(content: Mapping[str, Any]) -> Content:
    """The content with figures of six digits and its digest."""
    plain: Content = rounded({key: value for key, value in content.items() if key != "digest"})
    return {**plain, "digest": digest(plain)}


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 over the content without its digest, in one way of writing it."""
    plain = {key: value for key, value in content.items() if key != "digest"}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def text_of(content: Mapping[str, Any]) -> str:
    """The file: sorted keys, one cell (run, floor, section of the scenario) a line."""
    parts = [f"{json.dumps(key)}: {_part(key, content[key])}" for key in sorted(content)]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Seal and write it, whole or not at all; raises OSError."""
    writing.write_text(path, text_of(sealed(content)))


def read(path: Path) -> Content:
    """A baseline whose digest is right; raises RecordError with what is wrong and the remedy."""
    try:
        text = opening.content(path.resolve(), _LARGEST_BYTES).decode("utf-8")
    except OSError as error:
        raise RecordError(
            f"cannot be read: {error.strerror}", where=str(path),
            remedy="name a baseline: benchkit baseline list",
        ) from error  # fmt: skip
    except ValueError as error:
        raise _damaged(path, "not UTF-8 text") from error
    try:
        content = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "not whole JSON (truncated?)") from error
    return _checked(content, path)


def _checked(content: Any, path: Path) -> Content:
    schema = content.get("schema") if isinstance(content, dict) else None
    match = _VERSION.fullmatch(schema) if isinstance(schema, str) else None
    if not match:
        raise RecordError(
            f"not a baseline: its schema is {schema!r:.60}, not {SCHEMA!r}", where=str(path),
            remedy="make one: benchkit baseline save RUN RUN...",
        )  # fmt: skip
    if schema != SCHEMA:
        raise RecordError(
            f"another schema: {schema}, this benchkit reads {SCHEMA}", where=str(path),
            remedy="install the benchkit that wrote it, or save a new baseline",
        )  # fmt: skip
    given = content.get("digest")
    if not isinstance(given, str) or digest(content) != given:
        raise RecordError(
            "changed since it was saved: its content is not that of its digest", where=str(path),
            remedy="take it from version control again, or save a new one: benchkit baseline save RUN RUN...",
        )  # fmt: skip
    missing = [
        key for key in ("scenario", "environment", "noise", "floors", "cells", "runs") if key not in content
    ]
    if missing:
        raise _damaged(path, f"it has no {missing[0]!r}")
    return dict(content)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _damaged(path: Path, what: str) -> RecordError:
    return RecordError(
        f"damaged: {what}", where=str(path),
        remedy="take it from version control again, or save a new one: benchkit baseline save RUN RUN...",
    )  # fmt: skip


def _part(key: str, value: Any) -> str:
    if key in _BY_LINE and isinstance(value, Mapping) and value:
        lines = [f" {json.dumps(name)}: {_line(value[name])}" for name in sorted(value)]
        return "{\n" + ",\n".join(lines) + "\n}"
    if key in _BY_LINE and isinstance(value, list) and value:
        return "[\n" + ",\n".join(f" {_line(each)}" for each in value) + "\n]"
    return _line(value)


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)


def rounded(value: Any) -> Any:
    """Six digits: more are noise, and a reviewer reads them."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(each) for each in value]
    return value
