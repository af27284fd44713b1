"""How a message is put to the other side: to benchkit's own stage, or to somebody else's server."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from benchkit.errors import MessageError, Rejected
from benchkit.tensors.codecs.description import Described, described
from benchkit.tensors.wire import ENVELOPE_BYTES, REPLY, Buffer, Envelope, pack, unpack_envelope
from benchkit.transports._kserve.document import Document, numbers, read_document
from benchkit.transports._kserve.envelope import binary, read_signed, signed
from benchkit.transports._kserve.tensors import DATATYPES, Layout, Split, as_array, raw_layout, split

if TYPE_CHECKING:
    from benchkit.transports._kserve.region import Region

_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply to come: its envelope, where its tensors stand, and the numbers that came as JSON."""

    envelope: bytes
    layout: Layout
    content: tuple[bytes, ...] | None = None


class Talk(ABC):
    """Requests and replies of one cell; `path` is asked, `headers` go along."""

    path: str
    headers: Mapping[str, str]

    @abstractmethod
    def request(self, parts: Sequence[Buffer], slot: int) -> tuple[bytes, list[Buffer]]:
        """JSON and the tensors' bytes; raises Rejected for what cannot be put."""

    @abstractmethod
    def answer(self, text: bytes, sent: bytes) -> Answer:
        """What the JSON of a response promises; `sent` is the request's envelope. Raises MessageError."""


@dataclass(slots=True)
class OwnTalk(Talk):
    """To benchkit's own stage: the envelope goes along, both ways."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self, parts: Sequence[Buffer], slot: int) -> tuple[bytes, list[Buffer]]:  # noqa: ARG002  (the seam's)
        """See Talk.request."""
        found, given = split(parts[1:])
        return signed(bytes(parts[0]), found, "inputs"), given

    def answer(self, text: bytes, sent: bytes) -> Answer:  # noqa: ARG002  (the seam's)
        """See Talk.answer."""
        own = read_signed(text, "outputs")
        if own is None:
            raise MessageError("the answer does not carry benchkit's envelope")
        return Answer(*own)


@dataclass(slots=True)
class ServerTalk(Talk):
    """To a server that knows nothing of benchkit: only the id goes along, replies are known by it."""

    path: str
    headers: Mapping[str, str]
    names: Mapping[str, str]
    """What the server calls an array, where it is another name."""
    batched: bool
    """Every tensor is sent as a batch of one, and answers lose that dimension."""
    binary: bool
    region: Region | None = None

    def request(self, parts: Sequence[Buffer], slot: int) -> tuple[bytes, list[Buffer]]:
        """See Talk.request."""
        found, given = split(parts[1:])
        if found.opaque:
            raise Rejected("the server takes named tensors alone, and this body is none", remedy="codec: raw")
        start = b'{"id":"%s",' % _id(parts[0])
        if self.region is not None:
            return start + self._by_reference(found.tensors, self.region.put(slot, given)), []
        if self.binary:
            return start + _rest(found, tuple(self.names.items()), self.batched), given
        return start + self._in_json(found, given), []

    def answer(self, text: bytes, sent: bytes) -> Answer:
        """See Talk.answer."""
        own_id = _id(sent)
        # Without its id an answer is like all others of its kind, and is remembered.
        document = _document(text.replace(own_id, b"", 1))
        if document.id:
            raise MessageError("the server answered another request")
        tensors = [self._unbatched(each.described) for each in document.tensors]
        layout = raw_layout(b"", tensors)
        content = None
        if any(each.data is not None for each in document.tensors):
            if not all(each.data is not None for each in document.tensors):
                raise MessageError("some outputs are binary and some are not")
            content = tuple(bytes_ for each in document.tensors if (bytes_ := numbers(each)))
        asked = unpack_envelope(sent)
        envelope = pack(Envelope(asked.seq, layout.total - ENVELOPE_BYTES, REPLY, item=asked.item))
        return Answer(envelope, layout, content)

    def _unbatched(self, tensor: Described) -> Described:
        if not self.batched:
            return tensor
        if tensor.shape[:1] != (1,):
            raise MessageError(f"output {tensor.name!r} of shape {list(tensor.shape)} is no batch of one")
        return described(tensor.name, tensor.dtype.name, list(tensor.shape[1:]))

    def _shape(self, tensor: Described) -> list[int]:
        return [1, *tensor.shape] if self.batched else list(tensor.shape)

    def _in_json(self, found: Split, given: Sequence[Buffer]) -> bytes:
        content = iter(given)
        inputs = []
        for each in found.tensors:
            array = as_array(each, next(content) if each.nbytes else b"")
            inputs.append({**self._described(each), "data": array.reshape(-1).tolist()})
        return json.dumps({"inputs": inputs}).encode()[1:]

    def _by_reference(self, tensors: Sequence[Described], places: Sequence[Mapping[str, Any]]) -> bytes:
        at = iter(places)
        inputs = [
            {**self._described(each), **({"parameters": next(at)} if each.nbytes else {"data": []})}
            for each in tensors
        ]
        parameters = {"binary_data_output": self.binary}
        return json.dumps({"parameters": parameters, "inputs": inputs}).encode()[1:]

    def _described(self, tensor: Described) -> dict[str, Any]:
        return {
            "name": self.names.get(tensor.name, tensor.name),
            "datatype": DATATYPES[tensor.dtype.name],
            "shape": self._shape(tensor),
        }


def _id(envelope: Buffer) -> bytes:
    return b"benchkit-%020d" % unpack_envelope(envelope).seq


@lru_cache(_REMEMBERED)
def _rest(found: Split, names: tuple[tuple[str, str], ...], batched: bool) -> bytes:
    called = dict(names)
    inputs = [
        {
            **binary(each, [1, *each.shape] if batched else None),
            "name": called.get(each.name, each.name),
        }
        for each in found.tensors
    ]
    fields = {"parameters": {"binary_data_output": True}, "inputs": inputs}
    return json.dumps(fields, separators=(",", ":")).encode()[1:]


_LARGEST_REMEMBERED_BYTES = 4096


@lru_cache(_REMEMBERED)
def _remembered(text: bytes) -> Document:
    return read_document(text, "outputs")


def _document(text: bytes) -> Document:
    short = len(text) <= _LARGEST_REMEMBERED_BYTES
    return _remembered(text) if short else read_document(text, "outputs")
