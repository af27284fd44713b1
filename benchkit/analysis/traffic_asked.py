"""What a cell was asked to do about traffic, as its parameters tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DROPPING = ("deadline", "timeout", "retry")


def may_drop(parameters: Mapping[str, Any]) -> bool:
    """Traffic control was told to drop messages, so that dropped ones are no fault."""
    flow = _flow(parameters)
    policy = flow.get("policy", "block") != "block" or flow.get("excess") == "drop"
    return policy or any(flow.get(name) for name in _DROPPING)


def controlled(parameters: Mapping[str, Any]) -> bool:
    """Traffic control was asked for anything at all."""
    flow = _flow(parameters)
    return may_drop(parameters) or any(flow.get(name) for name in ("rate", "credits", "adapt"))


def _flow(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    found = parameters.get("flow")
    return found if isinstance(found, Mapping) else {}
