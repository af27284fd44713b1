"""UDP straight to the workers: datagrams that may be lost, as live video uses them.

The protocol is told in `_udp`. A message is cut into fragments that fit the MTU; nothing is sent twice, so a lost
fragment costs its message unless parity makes up for it. Worker i receives at a port of the loopback interface; each
message goes to the worker with the fewest in flight, and the reply comes back the same way.

What a receiver's socket cannot hold is not sent yet: on an undisturbed path nothing is lost. At most `depth` messages
of each producer are in flight; a place is free again when its worker is done with the message, or says that it
has nothing of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import ClassVar

from pydantic import Field

from benchkit.errors import MissingLibrary, StorageError
from benchkit.transports._udp.head import TOKEN_BYTES
from benchkit.transports._udp.kernel import HOST, Datagrams
from benchkit.transports._udp.place import Parity, Ways, fragment_bytes, port_path, through
from benchkit.transports._udp.window import cost_bytes, window_bytes
from benchkit.transports.base import (
    Address,
    Capabilities,
    Detour,
    Endpoint,
    Receiver,
    Sender,
    Setup,
    Transport,
)
from benchkit.units import Bytes, BytesPerSecond, Seconds, show_bytes

_MOST_MESSAGE_BYTES = 256 << 20
_MOST_GROUP_OF_RS = 200
"""Data and parity fragments of a group are elements of a field of 256."""


class Udp(Transport):
    """UDP straight to the workers: fragments, optional parity, losses counted."""

    kind: ClassVar[str] = "udp"
    install: ClassVar[str] = "pip install 'benchkit[udp-rs]'"

    mtu: Bytes = Field(
        1500, ge=576, le=65_535,
        description="IP packets are no longer; 1500 is Ethernet's, the loopback interface takes 65535",
    )  # fmt: skip
    parity: Parity = Field(
        "none", description="what is sent beside a group of fragments: nothing, one of XOR, or Reed-Solomon's"
    )
    group: int = Field(
        10, ge=1, le=_MOST_GROUP_OF_RS, description="with parity: fragments of a group at the most"
    )
    spare: int = Field(2, ge=1, le=50, description="with parity rs: fragments of a group that may be lost")
    reassembly: Seconds = Field(
        0.25,
        gt=0,
        le=60,
        description="a message of which no fragment came for so long is incomplete for good",
    )
    pace: BytesPerSecond = Field(
        0.0, description="bytes per second at which a message's fragments leave; 0: at once (default)"
    )
    send_buffer: Bytes = Field(
        4 << 20, ge=1 << 16, le=1 << 30, description="asked of the kernel for a socket"
    )
    receive_buffer: Bytes = Field(4 << 20, ge=1 << 16, le=1 << 30, description="likewise")
    offload: bool = Field(
        default=True, description="many datagrams with one system call where the kernel can (Linux: GSO, GRO)"
    )

    def _ways(self) -> Ways:
        spare = {"none": 0, "xor": 1, "rs": self.spare}[self.parity]
        return Ways(
            self.depth, self.mtu, spare, self.group, self.reassembly, self.send_buffer, self.receive_buffer,
            self.offload, self.pace,
        )  # fmt: skip

    def capabilities(self) -> Capabilities:
        """Fragments overtake each other and are lost; whole messages come once at the most."""
        return Capabilities(
            "at-most-once",
            "process",
            "none",
            same_host=True,
            max_message_bytes=_MOST_MESSAGE_BYTES,
            limit_name="udp: 256 MiB",
            many_producers=True,
            reroutable=True,
            datagrams=True,
        )

    @contextmanager
    def prepare(self, setup: Setup) -> Iterator[Address]:
        """Nothing runs yet: the workers say their ports in the cell's folder; removed here at the end.

        Raises StorageError where the kernel grants too small a socket, MissingLibrary for a parity without its library.
        """
        if self.parity == "rs" and find_spec("zfec") is None:
            raise MissingLibrary(
                "parity rs needs zfec", where="udp", remedy=f"{self.install}, or parity: xor"
            )
        granted = self._granted(setup)
        where: dict[str, str | int] = {
            "prefix": str(setup.folder / setup.name),
            "workers": setup.workers,
            "producers": setup.producers,
            "message_bytes": min(setup.message_bytes, _MOST_MESSAGE_BYTES),
            "reply_bytes": min(setup.reply_bytes, _MOST_MESSAGE_BYTES),
            "token": secrets.token_hex(TOKEN_BYTES),
            "receive_bytes": granted,
        }
        fragment = show_bytes(fragment_bytes(self.mtu))
        told = f"UDP on {HOST}, fragments of {fragment}, a receive buffer of {show_bytes(granted)}"
        try:
            yield Address(where, told, claim={"family": "udp", "receive_buffer": str(granted)})
        finally:
            for worker in range(setup.workers):
                port_path(where, worker).unlink(missing_ok=True)
                port_path(where, worker).with_suffix(".new").unlink(missing_ok=True)

    def _granted(self, setup: Setup) -> int:
        sock = Datagrams(self.send_buffer, self.receive_buffer)
        sock.close()
        if window_bytes(sock.receive_bytes, setup.producers) < 2 * cost_bytes(self.mtu):
            raise StorageError(
                f"the kernel grants a socket {show_bytes(sock.receive_bytes)} of {show_bytes(self.receive_buffer)}: "
                f"too little for {setup.producers} producers and an MTU of {self.mtu}",
                where="udp",
                remedy="sysctl net.core.rmem_max, or a smaller mtu",
            )
        return sock.receive_bytes

    def through(self, address: Address, detour: Detour) -> Address:
        """To each worker, at whatever port it will have chosen."""
        where = dict(address.where)
        for worker in range(int(where["workers"])):
            endpoint = Endpoint(HOST, port_file=str(port_path(where, worker)), protocol="udp")
            where[through(worker)] = detour(endpoint)
        return replace(address, where=where)

    def sender(self, address: Address) -> Sender:
        """A socket for each worker; raises BrokerError when none receives."""
        from benchkit.transports._udp.sender import UdpSender

        return UdpSender(address, self._ways())

    def receiver(self, address: Address, worker: int) -> Receiver:
        """Receives in place of whoever had this worker number before."""
        from benchkit.transports._udp.worker import UdpReceiver

        return UdpReceiver(address, worker, self._ways())
