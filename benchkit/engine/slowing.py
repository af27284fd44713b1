"""Phases made slower on purpose, to see what their speed matters: experiments in the spirit of Coz.

Coz (Curtsinger and Berger, "Coz: finding code that counts with causal profiling", SOSP 2015) speeds a line up
virtually by slowing all others. A pipeline's phases can be slowed themselves, each where its work is done: inside
the codec, the stage, or the transport's client end, within the stamps that bound the phase. What is added is spun
and never slept, so that the core, and in one process the interpreter, stays taken as by real work.

Producer and worker are built with these ends in the place of their own, or with their own: a block that slows
nothing runs not one instruction of this file. In an experiment every phase that any of its blocks slows is wrapped
in all of them, with 0 ns where it is not slowed, so that wrapping costs the same everywhere.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchkit.stages.base import OpenStage
from benchkit.tensors.codecs.base import Coder
from benchkit.tensors.message import Arrays, Message
from benchkit.transports.base import Buffer, Delivery, Receiver, Reply, Sender, Slot

PRODUCER_PHASES: Final = ("encode", "send", "return")
STAGE_PHASES: Final = ("transit", "decode", "compute", "reply")
PHASES: Final = (*PRODUCER_PHASES, *STAGE_PHASES)
"""Phases that are work. The others (lateness, queue, batch) are waits: they follow from these."""


def spin(added_ns: int) -> None:
    """Keep the core busy for so long by the clock of the stamps; time taken by others counts, as it does for them."""
    clock = time.monotonic_ns
    until = clock() + added_ns
    while clock() < until:
        pass


def slowed_coder(codec: Coder, slow: Mapping[str, int], *, encode: str, decode: str) -> Coder:
    """The codec with what `slow` says for these phases, itself where it says nothing."""
    return (
        _Coder(codec, slow.get(encode, 0), slow.get(decode, 0)) if {encode, decode} & slow.keys() else codec
    )


def slowed_sender(sender: Sender, slow: Mapping[str, int]) -> Sender:
    """The producer's end, slower in `send` (before it hands over) and in `return` (after a reply came)."""
    return (
        _Sender(sender, slow.get("send", 0), slow.get("return", 0))
        if {"send", "return"} & slow.keys()
        else sender
    )


def slowed_receiver(receiver: Receiver, slow: Mapping[str, int]) -> Receiver:
    """The worker's end, slower in `transit`: as if taking a message out of the transport took longer."""
    return _Receiver(receiver, slow["transit"]) if "transit" in slow else receiver


def slowed_stage(stage: OpenStage, slow: Mapping[str, int]) -> OpenStage:
    """The stage, slower in `compute`: once for each batch."""
    return _Stage(stage, slow["compute"]) if "compute" in slow else stage


class _Coder:
    def __init__(self, codec: Coder, encode_ns: int, decode_ns: int) -> None:
        self._encode, self._decode = codec.encode, codec.decode
        self._encode_ns, self._decode_ns = encode_ns, decode_ns

    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        made = self._encode(arrays, metadata)
        spin(self._encode_ns)
        return made

    def decode(self, body: memoryview) -> tuple[Arrays, bytes]:
        made = self._decode(body)
        spin(self._decode_ns)
        return made


class _Sender(Sender):
    def __init__(self, sender: Sender, send_ns: int, reply_ns: int) -> None:
        self._sender = sender
        self._send, self._reply = sender.send, sender.reply
        self._send_ns, self._reply_ns = send_ns, reply_ns
        self._again = False

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        """Spun before it is handed over, for what comes after that is no longer the message's `send`."""
        if not self._again:
            spin(self._send_ns)
        self._again = False
        sent = self._send(parts, timeout)
        # The engine tries the same message again.
        self._again = not sent
        return sent

    def reply(self, timeout: float) -> Reply | None:
        seen = self._reply(timeout)
        if seen is not None:
            spin(self._reply_ns)
        return seen

    def loan(self, nbytes: int, timeout: float) -> Slot | None:
        return self._sender.loan(nbytes, timeout)

    def spun_s(self) -> float:
        return self._sender.spun_s()

    def path(self) -> Mapping[str, str]:
        return self._sender.path()

    def close(self) -> None:
        self._sender.close()


class _Receiver(Receiver):
    def __init__(self, receiver: Receiver, transit_ns: int) -> None:
        self._receiver = receiver
        self._receive = receiver.receive
        self._transit_ns = transit_ns

    def receive(self, timeout: float) -> Delivery | None:
        delivery = self._receive(timeout)
        if delivery is not None:
            spin(self._transit_ns)
        return delivery

    def spun_s(self) -> float:
        return self._receiver.spun_s()

    def path(self) -> Mapping[str, str]:
        return self._receiver.path()

    def close(self) -> None:
        self._receiver.close()


class _Stage(OpenStage):
    def __init__(self, stage: OpenStage, compute_ns: int) -> None:
        self._stage = stage
        self._run = stage.run
        self._compute_ns = compute_ns

    def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
        made = self._run(batch)
        spin(self._compute_ns)
        return made

    def facts(self) -> dict[str, object]:
        return self._stage.facts()

    def told(self) -> Mapping[str, Any]:
        return self._stage.told()
