"""benchkit's own end of the protocol with a stage behind it, for tests that call it from outside."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchkit.tensors.codecs.raw import Raw
from benchkit.tensors.message import Arrays
from benchkit.tensors.wire import FAILED, FOREIGN, REPLY, Envelope, pack, total_bytes, unpack
from benchkit.transports.base import Address, ArraySpec, Delivery, Setup
from benchkit.transports.kserve_http import KserveHttp

LIMIT = 1 << 18
SOON = 5.0
INPUTS = (ArraySpec("frame", "uint8", (-1, 5)), ArraySpec("gain", "float32", (3,)))
OUTPUTS = (ArraySpec("sum", "float64", (2,)),)
RAW = Raw()


def setup(
    folder: Path, inputs: tuple[ArraySpec, ...] = INPUTS, workers: int = 1, message_bytes: int = LIMIT
) -> Setup:
    return Setup(
        "t0123456789", folder, message_bytes, LIMIT, workers, lambda key, make: make().__enter__(),
        inputs=inputs, outputs=OUTPUTS,
    )  # fmt: skip


def sums(arrays: Arrays) -> Arrays:
    return {"sum": np.array([arrays["frame"].sum(), arrays["gain"].sum()], np.float64)}


def message(seq: int, arrays: Arrays, metadata: bytes = b"") -> list[bytes | bytearray | memoryview]:
    body = RAW.encode(arrays, metadata)
    return [pack(Envelope(seq, total_bytes(body), item=7)), *body]


def answer(delivery: Delivery, stage: Callable[[Arrays], Arrays]) -> Envelope:
    """As the engine's worker does."""
    envelope, body = unpack(delivery.view)
    arrays, _ = RAW.decode(body)
    try:
        parts, flags = RAW.encode(stage(arrays), b""), REPLY
    except ValueError as error:
        parts, flags = [str(error).encode()], REPLY | FAILED
    head = pack(Envelope(envelope.seq, total_bytes(parts), flags, item=envelope.item))
    delivery.reply([head, *parts])
    delivery.ack()
    delivery.release()
    return envelope


@dataclass
class Served:
    """A stage that answers whatever comes, in a thread."""

    transport: KserveHttp
    address: Address
    port: int
    seen: list[Envelope]

    @property
    def model(self) -> str:
        return str(self.address.where["model"])

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=SOON)) as connection:
            connection.request(method, path, body or None, headers or {})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()

    def infer(
        self, body: bytes, header_bytes: int | None = None, **more: str
    ) -> tuple[int, dict[str, str], bytes]:
        headers = dict(more)
        if header_bytes is not None:
            headers["Inference-Header-Content-Length"] = str(header_bytes)
        return self.ask("POST", f"/v2/models/{self.model}/infer", body, headers)

    @property
    def foreign(self) -> int:
        return sum(bool(envelope.flags & FOREIGN) for envelope in self.seen)


@contextmanager
def served(
    folder: Path,
    stage: Callable[[Arrays], Arrays] = sums,
    inputs: tuple[ArraySpec, ...] = INPUTS,
    **options: object,
) -> Iterator[Served]:
    transport = KserveHttp.model_validate(options)
    done = threading.Event()
    with transport.prepare(setup(folder, inputs)) as address:
        receiver = transport.receiver(address, 0)
        here = Served(transport, address, int(str(address.where["ports"])), [])

        def work() -> None:
            while not done.is_set():
                delivery = receiver.receive(0.02)
                if delivery is not None:
                    here.seen.append(answer(delivery, stage))

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield here
        finally:
            done.set()
            thread.join()
            receiver.close()
