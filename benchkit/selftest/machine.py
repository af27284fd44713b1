"""The machine on which a self-test ran, as its page tells it."""

from __future__ import annotations

from typing import Any

from benchkit.records.environment import environment


def machine() -> dict[str, Any]:
    """Of which class it is (`cpu`, `cores`, `kernel`); no name that would tell which."""
    found = environment()
    return {name: found[name] for name in ("cpu", "cores", "kernel")}


def told(of: dict[str, Any]) -> str:
    """In one line."""
    return f"{of['cpu']}, {of['cores']} cores, {of['kernel']}"
