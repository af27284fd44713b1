"""The seam: a codec turns arrays into buffers and back."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Protocol

from benchkit.plugins import Plugin, Registry
from benchkit.tensors.message import Arrays
from benchkit.tensors.wire import Buffer


class Coder(Protocol):
    """What the ends of a transport need of a codec."""

    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        """See Codec."""

    def decode(self, body: memoryview) -> tuple[Arrays, bytes]:
        """See Codec."""


class Codec(Plugin):
    """How tensors become bytes."""

    lossy: ClassVar[bool] = False
    """True where decoded arrays differ from what was encoded (always in the same way)."""

    in_place: ClassVar[bool] = False
    """True where what is encoded are the arrays' own bytes, so that arrays can be made where a message stands."""

    @abstractmethod
    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        """Buffers that are sent one after the other, never joined; arrays of allowed dtypes only.

        The buffers may be views of the arrays. Raises MessageError for arrays that the codec cannot carry.
        """

    @abstractmethod
    def decode(self, body: memoryview) -> tuple[Arrays, bytes]:
        """Arrays and metadata of one body; arrays may be read-only views of it.

        Raises MessageError, and nothing else, for any malformed body; every length is checked before
        anything of that length is allocated.
        """


registry: Registry[Codec] = Registry("benchkit.codecs", "codec", Codec)
