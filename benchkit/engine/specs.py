"""What a cell's arrays are called and shaped, for transports that must tell or ask the other side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from benchkit.tensors.message import Arrays
from benchkit.transports.base import ArraySpec

Plain = list[tuple[str, str, list[int]]]
"""Name, dtype and shape, as it crosses the control channel."""


def specs(messages: Iterable[Arrays]) -> Plain:
    """What the messages have in common, -1 where a side differs; nothing when they are not of one kind."""
    found: dict[str, tuple[str, list[int]]] | None = None
    for arrays in messages:
        these = {name: (np.asarray(a).dtype.name, list(np.shape(a))) for name, a in arrays.items()}
        found = these if found is None else _common(found, these)
        if not found:
            return []
    return [(name, dtype, shape) for name, (dtype, shape) in (found or {}).items()]


def _common(
    one: dict[str, tuple[str, list[int]]], other: dict[str, tuple[str, list[int]]]
) -> dict[str, tuple[str, list[int]]]:
    if one.keys() != other.keys():
        return {}
    merged = {}
    for name, (dtype, shape) in one.items():
        theirs_dtype, theirs = other[name]
        if dtype != theirs_dtype or len(shape) != len(theirs):
            return {}
        merged[name] = (dtype, [a if a == b else -1 for a, b in zip(shape, theirs, strict=True)])
    return merged


def array_specs(plain: Sequence[Sequence[object]]) -> tuple[ArraySpec, ...]:
    """From the control channel."""
    return tuple(ArraySpec(str(name), str(dtype), tuple(shape)) for name, dtype, shape in plain)  # type: ignore[arg-type]  # (as `specs` wrote it)
