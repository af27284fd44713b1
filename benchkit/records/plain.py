"""Anything the run knows, as data that JSON can hold."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from pydantic_core import to_jsonable_python


def storable(value: Any) -> Any:
    """Plain data that JSON can hold: no NaN or infinity (None instead), no broken text, no foreign types."""
    return _scrubbed(to_jsonable_python(_unbroken(value), inf_nan_mode="constants", fallback=_foreign))


def _foreign(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)


def _unbroken(value: Any) -> Any:
    """Dataclasses opened and lone surrogates replaced, which JSON and UTF-8 cannot carry."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _unbroken(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [_unbroken(item) for item in value]
    if hasattr(value, "items"):
        return {_unbroken(key): _unbroken(item) for key, item in value.items()}
    return value


def _scrubbed(value: Any) -> Any:
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, list):
        return [_scrubbed(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _scrubbed(item) for key, item in value.items()}
    return value
