"""URLs of brokers: what of them may be shown."""

from __future__ import annotations

from collections.abc import Container
from urllib.parse import urlsplit


def shown(url: str, schemes: Container[str], broker: str) -> str:
    """The URL without user, password and options: safe to print, whatever people wrote."""
    hidden = f"the {broker} URL"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return hidden
    # An @ further right means that an unescaped character of the password ended the host too early.
    if parts.scheme not in schemes or "@" in parts.path + parts.query + parts.fragment:
        return hidden
    return f"{parts.scheme}://{parts.hostname or ''}{'' if port is None else f':{port}'}{parts.path}"
