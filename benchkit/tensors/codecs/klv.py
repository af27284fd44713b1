"""A KLV packet beside raw tensors: the packet is checked on both sides, the tensors travel as `raw` sends them."""

from __future__ import annotations

import struct
from typing import ClassVar

from pydantic import Field

from benchkit.errors import KlvError, MessageError
from benchkit.klv.packet import Packet, parse
from benchkit.klv.tags import tag_name
from benchkit.tensors.codecs.base import Codec
from benchkit.tensors.codecs.description import ALIGN, MAX_METADATA_BYTES, PADDING, check_metadata
from benchkit.tensors.codecs.raw import Raw
from benchkit.tensors.message import Arrays
from benchkit.tensors.wire import Buffer

_RAW = Raw()
_LENGTH = struct.Struct("<I")
_NO_PACKET = _LENGTH.pack(0) + PADDING[_LENGTH.size :]


class Klv(Codec):
    """Tensors as raw bytes, and as metadata a packet of MISB ST 0601 that is checked on both sides.

    Body: u32 length of the packet, the packet, padding to 64, then a body of the codec `raw` without metadata. A
    message without metadata has no packet. The packet's own bytes travel, whatever form its encoder chose.
    """

    kind: ClassVar[str] = "klv"
    in_place: ClassVar[bool] = True

    tags: tuple[int, ...] = Field((2,), description="tags without which a packet is refused; 2 is its time")

    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        """Views of the arrays; raises KlvError, a MessageError, for metadata that is no strict packet."""
        size = len(check_metadata(metadata))
        if not size:
            return [_NO_PACKET, *_RAW.encode(arrays, b"")]
        self._checked(metadata)
        head = _LENGTH.pack(size) + metadata
        # Without metadata `raw` knows its description by heart, though every packet differs.
        return [head + PADDING[: -len(head) % ALIGN], *_RAW.encode(arrays, b"")]

    def decode(self, body: memoryview) -> tuple[Arrays, bytes]:
        """Read-only views of `body` and the packet; raises MessageError, a KlvError for a damaged packet."""
        if body.nbytes < _LENGTH.size:
            raise MessageError("no length of a KLV packet")
        (size,) = _LENGTH.unpack_from(body)
        end = _LENGTH.size + size
        if size > MAX_METADATA_BYTES or end + -end % ALIGN > body.nbytes:
            raise MessageError(f"a KLV packet of {size} bytes does not fit")
        metadata = bytes(body[_LENGTH.size : end])
        if size:
            self._checked(metadata)
        arrays, more = _RAW.decode(body[end + -end % ALIGN :])
        if more:
            raise MessageError("metadata stands beside the KLV packet")
        return arrays, metadata

    def _checked(self, metadata: bytes) -> Packet:
        packet = parse(metadata)
        for tag in self.tags:
            if tag not in packet:
                raise KlvError(
                    f"no {tag_name(tag)}",
                    position=len(metadata),
                    remedy=f"tag {tag} is asked for: codec.tags says which a packet must have",
                )
        return packet
