"""The JSON before the tensors, read with strict limits; whatever is wrong with it is a MessageError."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final, NoReturn

import numpy as np

from benchkit.errors import MessageError
from benchkit.tensors.codecs.description import Described, described, named
from benchkit.tensors.message import MAX_ARRAYS, MAX_DIMENSIONS
from benchkit.transports._kserve.tensors import DATATYPES, DTYPE_OF

MAX_HEADER_BYTES: Final = 64 << 10
"""Longest JSON before binary tensors."""
MAX_JSON_BYTES: Final = 64 << 20
"""Longest body that is all JSON, tensors included."""
MAX_ID_BYTES: Final = 256
_MAX_DEPTH: Final = MAX_DIMENSIONS + 8
_MAX_CONTAINERS: Final = 1 << 16
_SHOWN = 200

# Text is passed over: brackets within it open nothing.
_BRACKETS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor as the JSON has it: described, with its numbers unless they follow as bytes."""

    described: Described
    data: list[Any] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A request's or a response's JSON."""

    tensors: tuple[Tensor, ...]
    id: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, bool] | None = None
    """Asked outputs, each with whether it shall be binary; None: all of them."""
    binary_outputs: bool = False
    """What holds for outputs that say nothing."""


def read_json(text: bytes) -> Any:
    """Any JSON of bounded size, depth and number of containers; names unique, numbers finite."""
    if len(text) > MAX_JSON_BYTES:
        raise MessageError(f"{len(text)} bytes of JSON, at most {MAX_JSON_BYTES} are read")
    depth = containers = 0
    for found in _BRACKETS.finditer(text):
        first = text[found.start()]
        if first in b"[{":
            depth += 1
            containers += 1
            if depth > _MAX_DEPTH or containers > _MAX_CONTAINERS:
                raise MessageError("the JSON is nested too deep or has too many lists")
        elif first in b"]}":
            depth -= 1
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"not JSON: {str(error)[:_SHOWN]}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError("a name comes twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    if not isfinite(number := float(text)):
        raise ValueError(f"{text[:_SHOWN]} is too large for a number")
    return number


def read_document(text: bytes, key: str) -> Document:
    """A request (`key` is "inputs") or a response ("outputs"); other fields are passed over."""
    content = read_json(text)
    given = content.get(key) if isinstance(content, dict) else None
    if not isinstance(given, list):
        raise MessageError(f"the JSON holds no list of {key}")
    if len(given) > MAX_ARRAYS:
        raise MessageError(f"{len(given)} tensors, at most {MAX_ARRAYS} are read")
    tensors = tuple(_tensor(entry) for entry in given)
    named([(each.described.name, each) for each in tensors])
    parameters = _parameters(content)
    return Document(
        tensors,
        _id(content.get("id", "")),
        parameters,
        _outputs(content.get("outputs")) if key == "inputs" else None,
        _flag(parameters, "binary_data_output"),
    )


def _id(value: Any) -> str:
    if isinstance(value, str) and len(value.encode(errors="replace")) <= MAX_ID_BYTES:
        return value
    raise MessageError(f"the id is no text of at most {MAX_ID_BYTES} bytes")


def _parameters(holder: Mapping[str, Any]) -> dict[str, Any]:
    value = holder.get("parameters", {})
    if not isinstance(value, dict):
        raise MessageError("the parameters are no object")
    return value


def _flag(parameters: Mapping[str, Any], name: str) -> bool:
    value = parameters.get(name, False)
    if not isinstance(value, bool):
        raise MessageError(f"the parameter {name} is neither true nor false")
    return value


def _outputs(given: Any) -> dict[str, bool] | None:
    if not given:
        return None
    if not isinstance(given, list) or len(given) > MAX_ARRAYS:
        raise MessageError(f"the outputs are no list of at most {MAX_ARRAYS}")
    pairs = []
    for entry in given:
        match entry:
            case {"name": str(name)}:
                pairs.append((name, _flag(_parameters(entry), "binary_data")))
            case _:
                raise MessageError("an asked output has no name")
    return named(pairs)


def _tensor(entry: Any) -> Tensor:
    match entry:
        case {"name": name, "datatype": str(datatype), "shape": shape}:
            parameters = _parameters(entry)
        case _:
            raise MessageError("a tensor is not described by name, datatype and shape")
    dtype = DTYPE_OF.get(datatype)
    if dtype is None:
        raise MessageError(
            f"the datatype {datatype[:_SHOWN]!r} is not taken; it takes {', '.join(DATATYPES.values())}"
        )
    array = described(name, dtype.name, shape)
    if any(str(parameter).startswith("shared_memory") for parameter in parameters):
        raise MessageError("shared memory is not offered here")
    size, data = parameters.get("binary_data_size"), entry.get("data")
    if size is None and isinstance(data, list):
        return Tensor(array, data)
    if data is not None or type(size) is not int or size != array.nbytes:
        raise MessageError(
            f"tensor {array.name!r} must have either data or a binary_data_size of {array.nbytes}"
        )
    return Tensor(array)


def numbers(tensor: Tensor) -> bytes:
    """The little-endian bytes of a tensor that came as JSON; the list may be nested or flat (row-major)."""
    array = tensor.described
    kind = array.dtype.kind
    if array.dtype.itemsize == 2 and kind not in "iu":
        raise MessageError(f"tensor {array.name!r}: {DATATYPES[array.dtype.name]} has no form in JSON")
    flat = _flat(tensor.data or [], array.name)
    items = array.nbytes // array.dtype.itemsize
    if len(flat) != items:
        raise MessageError(f"tensor {array.name!r} has {len(flat)} numbers, its shape {items}")
    wanted = {"b": (bool,), "i": (int,), "u": (int,)}.get(kind, (int, float))
    if not all(type(each) in wanted for each in flat):
        raise MessageError(f"tensor {array.name!r} holds what is no {DATATYPES[array.dtype.name]}")
    if kind in "iu" and flat:
        bounds = np.iinfo(array.dtype.name)
        if min(flat) < bounds.min or max(flat) > bounds.max:
            raise MessageError(f"tensor {array.name!r} holds numbers beyond {DATATYPES[array.dtype.name]}")
    with np.errstate(over="ignore"):
        try:
            return np.array(flat, array.dtype).tobytes()
        except OverflowError:
            raise MessageError(f"tensor {array.name!r} holds a number beyond FP64") from None


def _flat(data: list[Any], name: str) -> list[Any]:
    for _ in range(MAX_DIMENSIONS):
        if not data or not isinstance(data[0], list):
            return data
        if not all(isinstance(each, list) for each in data):
            break
        data = [item for each in data for item in each]
    raise MessageError(f"the list of tensor {name!r} is not evenly nested")
