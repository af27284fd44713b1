"""Timestamps in a numpy file."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from benchkit.errors import UsageError
from benchkit.load._trace.layout import MAX_NS, MAX_STAMPS, NS, Layout, Stamps


def npy_stamps(path: Path, layout: Layout) -> Stamps:
    """The stamps of a flat array of integers or floats."""
    try:
        with warnings.catch_warnings():
            # Of heads that Python 2 wrote, and of what else a head's text looks like to Python.
            warnings.simplefilter("ignore")
            values: npt.NDArray[Any] = np.asarray(np.lib.format.open_memmap(path, mode="r"))
    except (
        ValueError,
        EOFError,
        TypeError,
        OverflowError,
        SyntaxError,
        TokenError,
        RecursionError,
        MemoryError,
    ):
        # numpy parses the head as Python.
        raise UsageError(
            "is no npy file of numbers", where=path.name, remedy="write it with numpy.save"
        ) from None
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        what = f"holds an array of shape {values.shape} and type {values.dtype}"
        raise UsageError(what, where=path.name, remedy="save a flat array of integers or floats")
    if len(values) > MAX_STAMPS:
        raise UsageError(
            f"holds {len(values)} stamps, more than {MAX_STAMPS}",
            where=path.name,
            remedy="cut a part out of it",
        )
    unit_ns = NS[layout.unit]
    if values.dtype.kind == "f":
        values = values.astype(np.float64)
        _first(path, ~np.isfinite(values), lambda at: f"{values[at]} is not a moment", "remove the value")
    _first(
        path, values[1:] < values[:-1], lambda _: "is earlier than the stamp before it", "sort the stamps", 1
    )
    span_ns = 0 if not len(values) else (Decimal(values[-1].item()) - Decimal(values[0].item())) * unit_ns
    if span_ns > MAX_NS:
        raise UsageError(
            "spans more than 146 years", where=path.name, remedy="set `unit` to what the stamps count"
        )
    if values.dtype.kind == "f":
        rounded: Stamps = np.rint((values - values[:1]) * unit_ns).astype(np.int64)
        return rounded
    # Unsigned and narrow integers wrap in their own type; in 64 bits the difference to the first is exact.
    since: Stamps = (values.astype(np.uint64) - values[:1].astype(np.uint64)).astype(np.int64) * unit_ns
    return since


def _first(
    path: Path, bad: npt.NDArray[np.bool_], what: Callable[[int], str], remedy: str, shift: int = 0
) -> None:
    """Raise UsageError for the first value that is bad."""
    if bad.any():
        at = int(bad.argmax())
        raise UsageError(what(at), where=f"{path.name}[{at + shift}]", remedy=remedy)
