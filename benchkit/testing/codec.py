"""The conformance suite of codecs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from benchkit.errors import MessageError
from benchkit.tensors.codecs.base import Codec, registry
from benchkit.tensors.message import Arrays
from benchkit.testing.arrays import awkward_arrays, same_arrays
from benchkit.testing.report import Fact, Report, examine, promise

_METADATA = (b"", b"\x00gauge 7\xff" * 11)
_DAMAGES = 200


@dataclass(frozen=True, slots=True)
class _Carried:
    arrays: Arrays
    metadata: bytes
    body: bytes


@dataclass(slots=True)
class _Check:
    codec: Codec
    carried: list[_Carried] = field(default_factory=list)


def check_codec(codec: Codec) -> Report:
    """Everything that `codec` promises, on arrays of every dtype and awkward shape; about a second.

    A codec may refuse (MessageError from `encode`) what it cannot carry, but not everything. Raises
    BrokenPromise, an AssertionError that names the first promise that is not kept, and MissingLibrary.
    """
    return examine(Report(f"codec {codec.kind!r}"), _FACTS, _Check(codec))


def _samples() -> Iterator[Arrays]:
    arrays = awkward_arrays()
    yield {}
    yield arrays
    for name, array in arrays.items():
        yield {name: array}
    noise = np.random.default_rng(7)
    yield {"frame": noise.integers(0, 256, (120, 160, 3), np.uint8)}
    yield {"window": noise.normal(size=(144, 12)).astype(np.float32), "gate": np.array(2, np.int8)}
    yield {"limits": np.array([np.inf, -np.inf, 0.0, np.finfo(np.float64).tiny])}


def _plain_data(check: _Check) -> None:
    config = json.loads(json.dumps(check.codec.config()))
    kind = config.pop("kind")
    promise(
        type(check.codec).model_validate(config) == check.codec,
        "config() does not build the same codec again",
    )
    if kind in registry.entries():
        promise(
            registry.build({"kind": kind, **config}) == check.codec, f"the registry builds another {kind!r}"
        )


def _encodes(check: _Check) -> None:
    for arrays in _samples():
        kept = {name: array.copy() for name, array in arrays.items()}
        for metadata in _METADATA:
            try:
                parts = check.codec.encode(arrays, metadata)
            except MessageError:
                continue
            for part in parts:
                view = memoryview(part)
                promise(
                    view.format == "B" and view.ndim == 1 and view.contiguous, "a buffer is not plain bytes"
                )
            check.carried.append(_Carried(arrays, metadata, b"".join(parts)))
        promise(same_arrays(kept, arrays), "encode changed the arrays it was given")
    promise(bool(check.carried), "every sample is refused")


def _decodes(check: _Check) -> None:
    for sample in check.carried:
        arrays, metadata = check.codec.decode(memoryview(sample.body))
        promise(metadata == sample.metadata, f"metadata {sample.metadata!r} came back as {metadata!r}")
        promise(_like(sample.arrays, arrays), f"{_shapes(sample.arrays)} came back as {_shapes(arrays)}")
        if not check.codec.lossy:
            promise(
                same_arrays(sample.arrays, arrays), f"{_shapes(sample.arrays)} came back with other values"
            )


def _decodes_anywhere(check: _Check) -> None:
    for sample in check.carried:
        expected, _ = check.codec.decode(memoryview(sample.body))
        shifted = memoryview(b"\xee" + sample.body)[1:]
        arrays, _ = check.codec.decode(shifted)
        promise(same_arrays(expected, arrays), "the same body decodes to other arrays at another address")


def _refuses_damage(check: _Check) -> None:
    random = np.random.default_rng(11)
    for sample in check.carried:
        size = len(sample.body)
        for cut in {0, 1, 3, size // 2, size - 1} & set(range(size)):
            _only_message_errors(check.codec, sample.body[:cut])
    for _ in range(_DAMAGES):
        sample = check.carried[random.integers(len(check.carried))]
        damaged = bytearray(sample.body)
        for position in random.integers(0, min(len(damaged), 256), 3) if damaged else ():
            damaged[position] = random.integers(256)
        _only_message_errors(check.codec, bytes(damaged))


def _only_message_errors(codec: Codec, body: bytes) -> None:
    try:
        codec.decode(memoryview(body))
    except MessageError:
        pass
    except Exception as error:
        promise(
            kept=False, detail=f"a damaged body raises {type(error).__name__} ({error}) and not MessageError"
        )
        raise


def _like(left: Arrays, right: Arrays) -> bool:
    return list(left) == list(right) and all(
        mine.shape == right[name].shape and mine.dtype.name == right[name].dtype.name
        for name, mine in left.items()
    )


def _shapes(arrays: Arrays) -> str:
    return (
        ", ".join(f"{name} {array.dtype.name}{list(array.shape)}" for name, array in arrays.items())
        or "no arrays"
    )


_FACTS: tuple[Fact[_Check], ...] = (
    Fact("plain-data", "options travel to other processes as plain data", _plain_data),
    Fact("encode", "buffers are plain bytes, the arrays stay as they are", _encodes),
    Fact("decode", "arrays and metadata come back", _decodes),
    Fact("anywhere", "a body decodes wherever it lies in memory", _decodes_anywhere),
    Fact("damage", "a malformed body raises MessageError and nothing else", _refuses_damage),
)
