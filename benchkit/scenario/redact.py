"""Keeps passwords and home folders out of messages and records."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic import SecretBytes, SecretStr
from pydantic_core import to_jsonable_python

from benchkit.hiding import HIDDEN, hide, is_secret_name

_LAYERS = 8
_MAX_CHARACTERS = 4096
# Up to the last @ of the run: a password may hold / : @ itself, and hiding too much is the safe mistake.
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:/{1,2})\S*@")
_PARAMETER = re.compile(
    r"((?:^|[?&;,\s])(?:password|passwd|pwd|pass|token|secret|api[_-]?key|access[_-]?key|auth)=)[^&;,\s'\"]+",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """`redis://user:pw@host` -> `redis://***@host`; also where it is percent-encoded, several times over."""
    text = hide(text)
    if len(text) > _MAX_CHARACTERS:
        return f"{HIDDEN} ({len(text)} characters)"
    layer = text
    for _ in range(_LAYERS):
        hidden = _PARAMETER.sub(rf"\1{HIDDEN}", _USERINFO.sub(rf"\1{HIDDEN}@", layer))
        if hidden != layer:
            return redact(hidden)
        decoded = unquote(layer)
        if decoded == layer:
            return text
        layer = decoded
    return HIDDEN


def redact_lines(text: str) -> str:
    """Each line by itself: for tracebacks, which quote what libraries said."""
    return "\n".join(map(redact, text.split("\n")))


def show(value: Any, limit: int = 60) -> str:
    """A value as a message quotes it: redacted, one line, at most `limit` characters."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list() | tuple():
            text = f"[{', '.join(show(item, 20) for item in value[:8])}{', ...' if len(value) > 8 else ''}]"
        case str():
            text = repr(redact(value))
        case _:
            text = str(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def recorded(value: Any, folder: Path) -> Any:
    """Plain JSON-able data without secrets; paths as seen from `folder` where that is possible."""
    match value:
        case SecretStr() | SecretBytes():
            return HIDDEN
        case Mapping():
            return {redact(str(key)): _recorded(str(key), item, folder) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [recorded(item, folder) for item in value]
        case Path():
            return redact(seen_from(value, folder))
        case str():
            return redact(_without_home(value))
        case _:
            return to_jsonable_python(value, fallback=str)


def _recorded(key: str, item: Any, folder: Path) -> Any:
    # A plug-in may have taken a password as plain text.
    return HIDDEN if isinstance(item, str) and item and is_secret_name(key) else recorded(item, folder)


def seen_from(path: Path, folder: Path) -> str:
    """`path` relative to `folder` where both share more than the root, else with `~` for the home folder."""
    if not path.is_absolute():
        return str(path)
    root = folder.resolve()
    common = Path(os.path.commonpath((path, root)))
    if common != Path(path.anchor) and common != Path.home().parent:
        return os.path.relpath(path, root)
    return _without_home(str(path))


def _without_home(text: str) -> str:
    home = str(Path.home())
    if len(home) > 1 and (text == home or text.startswith(home + os.sep)):
        return "~" + text[len(home) :]
    return text
