"""A codec that takes longer than the one within it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import Field

from benchkit.selftest.parts.pace import burn, until
from benchkit.tensors.codecs.base import Codec, registry
from benchkit.tensors.message import Arrays
from benchkit.tensors.wire import Buffer

_REPLY_BYTES = 64
"""What is shorter is a stage's answer: nothing is planted in encoding that."""


class PlantedCodec(Codec):
    """A real codec, its work drawn out: done again and again, or spun."""

    kind: ClassVar[str] = "selftest-planted"

    inner: dict[str, Any]
    encode_us: float = Field(0.0, ge=0)
    decode_us: float = Field(0.0, ge=0)
    encode_by: Literal["codec", "spin"] = "spin"
    decode_by: Literal["codec", "spin"] = "spin"

    @cached_property
    def _codec(self) -> Codec:
        return registry.build(self.inner)

    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        """As the codec within."""
        codec = self._codec
        parts = codec.encode(arrays, metadata)
        if self.encode_us and sum(array.nbytes for array in arrays.values()) >= _REPLY_BYTES:
            _spend(self.encode_us, self.encode_by, lambda: codec.encode(arrays, metadata))
        return parts

    def decode(self, body: memoryview) -> tuple[Arrays, bytes]:
        """As the codec within."""
        codec = self._codec
        found = codec.decode(body)
        if self.decode_us:
            _spend(self.decode_us, self.decode_by, lambda: codec.decode(body))
        return found


def _spend(us: float, by: str, work: Callable[[], object]) -> None:
    if by == "codec":
        until(us, work)
    else:
        burn(us)
