"""One inference request at the stage's end: read into a message as the engine knows it, answered as asked."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from benchkit.errors import MessageError
from benchkit.tensors.codecs.description import Described
from benchkit.tensors.wire import ENVELOPE_BYTES, FAILED, FOREIGN, Buffer, Envelope, pack, unpack_envelope
from benchkit.transports._http.intake import NO_CONTENT, OK, Incoming, Intake, settle
from benchkit.transports._kserve.document import Document, numbers, read_document
from benchkit.transports._kserve.envelope import binary, read_signed, signed
from benchkit.transports._kserve.landing import Landing
from benchkit.transports._kserve.tensors import DATATYPES, Layout, as_array, raw_layout, split, write_around
from benchkit.transports.base import ArraySpec

if TYPE_CHECKING:
    from asyncio import Future

    from benchkit.transports._http.intake import Answer

BAD_REQUEST, SERVER_ERROR = 400, 500
HEADER_LENGTH = b"inference-header-content-length"
_JSON_TYPE = (b"content-type", b"application/json")
_BINARY_TYPE = (b"content-type", b"application/octet-stream")
_VERSION = "1"


@dataclass(frozen=True)
class Terms:
    """What the model of this stage is called, takes and gives."""

    model: str
    inputs: tuple[ArraySpec, ...]
    """Empty: only benchkit's own messages are taken."""
    outputs: tuple[ArraySpec, ...]

    @cached_property
    def named(self) -> dict[str, str]:
        """What every response says."""
        return {"model_name": self.model, "model_version": _VERSION}

    @cached_property
    def named_text(self) -> str:
        """The same as JSON."""
        return json.dumps(self.named)


def error(status: int, what: str) -> Answer:
    """An error as the protocol has it."""
    return status, json.dumps({"error": what}).encode(), (_JSON_TYPE,)


class Request(Incoming):
    """A request of benchkit's own producer, or of any client (`asked` is then what it asked for)."""

    __slots__ = ("_asked", "_envelope", "_landing", "_layout", "_terms")

    def __init__(
        self,
        intake: Intake,
        answer: Future[Answer],
        length: int | None,
        header_bytes: int | None,
        terms: Terms,
    ) -> None:
        super().__init__(intake, answer, length)
        self._terms = terms
        self._asked: Document | None = None
        self._envelope = b""
        self._layout: Layout
        self._landing = Landing(length, header_bytes, self._land)

    @property
    def foreign(self) -> bool:
        """Another client's."""
        return self._asked is not None

    # Reading, in the server's thread -------------------------------------------------------------------

    def room(self) -> memoryview:
        """Where the next bytes belong."""
        return self._landing.room(self.filled)

    def put(self, chunk: bytes) -> bool:
        """Take in `chunk`; what is wrong with the body is said when it is over."""
        self.filled = self._landing.put(chunk, self.filled)
        return self.length is not None or self._landing.error is None

    def complete(self) -> None:
        """Hand the message to the worker, or say what is wrong with it."""
        landing = self._landing
        landing.end(self.filled)
        if landing.error is not None:
            settle(self.answer, error(BAD_REQUEST, landing.error.what))
            self.abandon()
            return
        assert self._slot is not None  # noqa: S101  (only completed before release)
        write_around(self._slot, self._layout, self._envelope)
        self.view = self._slot[: self._layout.total].toreadonly()
        self._intake.queue.put(self)

    def _land(self, text: bytes) -> tuple[memoryview, Layout] | None:
        own = read_signed(text, "inputs")
        if own is not None:
            self._envelope, self._layout = own
            return self._fit(), self._layout
        document = self._asked = read_document(text, "inputs")
        _check_inputs(document, self._terms.inputs)
        tensors = [each.described for each in document.tensors]
        layout = self._layout = raw_layout(b"", tensors)
        self._envelope = pack(Envelope(0, layout.total - ENVELOPE_BYTES, FOREIGN))
        into = self._fit()
        if all(each.data is None for each in document.tensors):
            return into, layout
        if any(each.data is None for each in document.tensors):
            raise MessageError("either all inputs are binary or none")
        places = iter(layout.places)
        for tensor in document.tensors:
            content = numbers(tensor)
            if content:
                offset, nbytes = next(places)
                into[offset : offset + nbytes] = content
        return None

    def _fit(self) -> memoryview:
        assert self._slot is not None  # noqa: S101  (only read before release)
        if self._layout.total > len(self._slot):
            raise MessageError(f"{self._layout.total} bytes are more than a message of {len(self._slot)}")
        return self._slot

    # Answering, in the worker's thread -----------------------------------------------------------------

    def reply(self, parts: Sequence[Buffer]) -> None:
        """Answer as it was asked; the parts may be reused at once."""
        envelope = bytes(parts[0])
        body = parts[1:]
        if unpack_envelope(envelope).flags & FAILED:
            self._settle(error(SERVER_ERROR, b"".join(body).decode(errors="replace")))
        elif self._asked is None:
            found, given = split(body)
            text = signed(envelope, found, "outputs", self._terms.named_text)
            self._settle(_binary(text, given))
        else:
            self._settle(self._foreign(self._asked, body))

    def ack(self) -> None:
        """Without a reply benchkit's own request is answered with 204, another's with no outputs."""
        if not self._answered:
            empty = (OK, json.dumps({**self._terms.named, "outputs": []}).encode(), (_JSON_TYPE,))
            self._settle((NO_CONTENT, b"") if self._asked is None else empty)

    def _foreign(self, asked: Document, body: Sequence[Buffer]) -> Answer:
        found, given = split(body)
        if found.opaque:
            return error(SERVER_ERROR, "the stage's outputs have no datatype in this protocol")
        content = iter(given)
        outputs = {each.name: (each, next(content) if each.nbytes else b"") for each in found.tensors}
        wanted = asked.outputs or dict.fromkeys(outputs, asked.binary_outputs)
        described: list[dict[str, Any]] = []
        follow: list[Buffer] = []
        for name, as_bytes in wanted.items():
            if name not in outputs:
                return error(BAD_REQUEST, f"no output is called {name!r}; there are {', '.join(outputs)}")
            tensor, data = outputs[name]
            if as_bytes:
                described.append(binary(tensor))
                follow.append(data)
                continue
            try:
                described.append(_json(tensor, data))
            except MessageError as refused:
                return error(BAD_REQUEST, refused.what)
        document = {**self._terms.named, **({"id": asked.id} if asked.id else {}), "outputs": described}
        text = json.dumps(document).encode()
        return _binary(text, follow) if follow else (OK, text, (_JSON_TYPE,))


class OwnFirst:
    """Takes messages out of the queue, benchkit's own before those of other clients; one thread's.

    So another client's request delays a measured message by no more than the one that is being worked on.
    """

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._others: deque[Request] = deque()

    def take(self, timeout: float) -> Request | None:
        """The next message; None after `timeout` seconds."""
        others = self._others
        found = self._intake.take(0 if others else timeout)
        while isinstance(found, Request) and found.foreign:
            others.append(found)
            # Set aside it still takes up its place in the queue.
            self._intake.taken -= 1
            found = self._intake.take(0)
        if found is None and others:
            self._intake.taken += 1
            return others.popleft()
        assert found is None or isinstance(found, Request)  # noqa: S101  (the application makes no others)
        return found


def _binary(text: bytes, content: Sequence[Buffer]) -> Answer:
    return OK, b"".join([text, *content]), (_BINARY_TYPE, (HEADER_LENGTH, b"%d" % len(text)))


def _json(tensor: Described, data: Buffer) -> dict[str, Any]:
    array = as_array(tensor, data)
    datatype = DATATYPES[tensor.dtype.name]
    if tensor.dtype.itemsize == 2 and tensor.dtype.kind not in "iu":
        raise MessageError(
            f"output {tensor.name!r} is {datatype}, which has no form in JSON: ask for binary_data"
        )
    flat = array.reshape(-1).tolist()
    if tensor.dtype.kind == "f" and not all(map(math.isfinite, flat)):
        raise MessageError(f"output {tensor.name!r} is not all finite, as JSON must be: ask for binary_data")
    return {"name": tensor.name, "datatype": datatype, "shape": list(tensor.shape), "data": flat}


def _check_inputs(document: Document, specs: Sequence[ArraySpec]) -> None:
    """Raises MessageError unless these are the tensors that the model's metadata names."""
    if not specs:
        raise MessageError("this stage takes its producer's messages alone: the codec is not raw")
    given = {each.described.name: each.described for each in document.tensors}
    known = {each.name: each for each in specs}
    if given.keys() != known.keys():
        raise MessageError(f"the inputs are {', '.join(known)}, not {', '.join(given) or 'none'}"[:500])
    for name, spec in known.items():
        if not spec.takes(given[name].dtype.name, given[name].shape):
            what = f"{DATATYPES.get(spec.dtype, spec.dtype)} of shape {list(spec.shape)}"
            raise MessageError(f"input {name!r} must be {what}")
