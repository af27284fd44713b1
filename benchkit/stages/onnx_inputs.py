"""Which array of a message goes to which input of a model: pure comparison, no runtime needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchkit.errors import InputMismatch
from benchkit.tensors.message import Array, Arrays

Side = int | str | None
"""A length, a named dynamic side, or an unnamed one."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output as the model declares it; no sides mean a scalar or an unknown rank."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[Side, ...]

    def __str__(self) -> str:
        return f"{self.dtype.name} [{', '.join('?' if side is None else str(side) for side in self.shape)}]"


@dataclass(frozen=True, slots=True)
class Fit:
    """How messages of one signature are run."""

    feeds: tuple[tuple[str, str, bool], ...]
    """Model input, array, and whether the array gets the batch axis in front."""
    drops: tuple[bool, ...]
    """For each output, whether its first axis is the batch axis and goes away again."""
    stackable: bool
    """Several messages can be one run: every input and output has the same dynamic batch axis."""


def fit(inputs: Sequence[Port], outputs: Sequence[Port], mapping: Mapping[str, str], arrays: Arrays) -> Fit:
    """Fits a message's arrays to the model; raises InputMismatch that says what would fit."""
    feeds: list[tuple[str, str, bool]] = []
    axes: list[Side] = []
    for port in inputs:
        name = _source_of(port, inputs, mapping, arrays)
        misfit = _misfit(port, arrays[name]) if name in arrays else "is not there"
        if misfit:
            raise InputMismatch(
                f"the model's input {port.name!r} wants {port}, but array {name!r} {misfit}; "
                f"the source makes {_shown(arrays)}",
                remedy=_remedy(inputs, arrays),
            )
        adds = bool(port.shape) and arrays[name].ndim == len(port.shape) - 1
        feeds.append((port.name, name, adds))
        if adds:
            axes.append(port.shape[0])
    same = bool(axes) and axes.count(axes[0]) == len(axes)
    drops = tuple(same and bool(port.shape) and port.shape[0] == axes[0] for port in outputs)
    stackable = same and len(axes) == len(inputs) and all(drops) and not isinstance(axes[0], int)
    return Fit(tuple(feeds), drops, stackable)


def _source_of(port: Port, inputs: Sequence[Port], mapping: Mapping[str, str], arrays: Arrays) -> str:
    """The array meant for `port`: as mapped, of the same name, or the only one."""
    if port.name in mapping:
        return mapping[port.name]
    if port.name not in arrays and len(arrays) == len(inputs) == 1:
        return next(iter(arrays))
    return port.name


def _misfit(port: Port, array: Array) -> str:
    """Why `array` cannot go to `port`; empty if it can."""
    if array.dtype != port.dtype:
        return f"is {array.dtype.name}"
    if not port.shape:
        return ""
    wanted: tuple[Side, ...] = port.shape
    if array.ndim == len(wanted) - 1:
        if isinstance(wanted[0], int) and wanted[0] != 1:
            return f"is one entry of a batch, and the batches are of exactly {wanted[0]}"
        wanted = wanted[1:]
    if array.ndim != len(wanted):
        return f"has {array.ndim} dimensions, not {len(port.shape) - 1} or {len(port.shape)}"
    if any(
        isinstance(side, int) and side != length for side, length in zip(wanted, array.shape, strict=True)
    ):
        return f"is of shape {list(array.shape)}"
    return ""


def _remedy(inputs: Sequence[Port], arrays: Arrays) -> str:
    fitting = {port.name: [name for name in arrays if not _misfit(port, arrays[name])] for port in inputs}
    if all(fitting.values()):
        return f"map the arrays that fit: inputs: {{{', '.join(_pairs(fitting))}}}"
    unserved = next(port for port in inputs if not fitting[port.name])
    return f"no array fits: let the source make {unserved}, or export the model for what the source makes"


def _pairs(fitting: Mapping[str, list[str]]) -> Iterator[str]:
    """One fitting array for each input: of its name, else one that no other input got, else any."""
    free = [name for names in fitting.values() for name in names if name not in fitting]
    for port, names in fitting.items():
        name = port if port in names else next((name for name in names if name in free), names[0])
        free = [other for other in free if other != name]
        yield f"{port}: {name}"


def _shown(arrays: Arrays) -> str:
    return (
        ", ".join(f"{name}: {array.dtype.name} {list(array.shape)}" for name, array in arrays.items())
        or "nothing"
    )
