"""Anything the run knows, as data that JSON can hold."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchkit.hiding import hide


def storable(value: Any) -> Any:
    """Plain data: None for NaN and infinity, mended text, dataclasses as mappings, strangers as text.

    Nothing raises here: a measured run must not be lost for a value that somebody put into it.
    """
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return hide(value.encode("utf-8", "replace").decode())  # lone surrogates, which UTF-8 cannot carry
    if isinstance(value, np.generic):
        return storable(value.item())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: storable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {storable(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [storable(item) for item in value]
    return storable(str(value))
