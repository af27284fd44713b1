"""The conformance suite catches what it is for: each broken plug-in fails, by the fact that it breaks."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from benchkit.errors import MessageError, Rejected
from benchkit.stages.base import OpenStage, Operators, Stage
from benchkit.tensors.codecs.base import Codec
from benchkit.tensors.codecs.raw import Raw
from benchkit.tensors.message import Arrays, Message
from benchkit.tensors.wire import Buffer
from benchkit.testing import BrokenPromise, check_codec, check_stage, check_transport
from benchkit.transports.base import Address, Capabilities, Delivery, Receiver, Reply, Sender, Setup
from benchkit.transports.inproc import Inproc
from benchkit.transports.unix import Unix

PATIENCE_S = 0.6
OVER = threading.Event()
"""Ends what broken transports leave running."""

# Transports: each is inproc or unix with one thing wrong -------------------------------------------------


class Wrapped(Inproc):
    """Inproc whose ends are wrapped."""

    def sender(self, address: Address) -> Sender:
        return self.wrap_sender(super().sender(address))

    def receiver(self, address: Address, worker: int) -> Receiver:
        return self.wrap_receiver(super().receiver(address, worker))

    def wrap_sender(self, sender: Sender) -> Sender:
        return sender

    def wrap_receiver(self, receiver: Receiver) -> Receiver:
        return receiver


class Through(Sender):
    def __init__(self, inner: Sender) -> None:
        self.inner = inner
        self.count = 0

    def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
        self.count += 1
        return self.inner.send(parts, timeout)

    def reply(self, timeout: float) -> Reply | None:
        return self.inner.reply(timeout)

    def close(self) -> None:
        self.inner.close()


class Taking(Receiver):
    def __init__(self, inner: Receiver) -> None:
        self.inner = inner
        self.kept: list[Delivery] = []

    def receive(self, timeout: float) -> Delivery | None:
        return self.inner.receive(timeout)

    def close(self) -> None:
        self.inner.close()


class LosesEverySeventh(Wrapped):
    kind: ClassVar[str] = "loses"

    class Loser(Through):
        def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
            self.count += 1
            return True if self.count % 7 == 0 else self.inner.send(parts, timeout)

    wrap_sender = Loser  # type: ignore[assignment]


class Duplicates(Wrapped):
    kind: ClassVar[str] = "duplicates"

    class Twice(Through):
        def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
            sent = super().send(parts, timeout)
            return sent and (self.count % 50 != 0 or self.inner.send(parts, 1.0))

    wrap_sender = Twice  # type: ignore[assignment]


class SwapsOrder(Wrapped):
    kind: ClassVar[str] = "swaps"

    class Swapper(Taking):
        def receive(self, timeout: float) -> Delivery | None:
            if self.kept:
                return self.kept.pop()
            first = self.inner.receive(timeout)
            second = self.inner.receive(0) if first is not None else None
            if second is not None and first is not None:
                self.kept.append(first)
                return second
            return first

    wrap_receiver = Swapper  # type: ignore[assignment]


class FlipsOneBit(Wrapped):
    kind: ClassVar[str] = "flips"

    class Flipper(Through):
        def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
            body = bytearray(b"".join(parts))
            if len(body) > 1_000_000:
                body[-1] ^= 1
            return self.inner.send([body], timeout)

    wrap_sender = Flipper  # type: ignore[assignment]


class ForgetsManyParts(Wrapped):
    kind: ClassVar[str] = "iov-max"

    class Forgetful(Through):
        def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
            return self.inner.send(parts[:1024], timeout)

    wrap_sender = Forgetful  # type: ignore[assignment]


class KeepsTheParts(Wrapped):
    """Hands the producer's own memory over when there is a single part behind the envelope."""

    kind: ClassVar[str] = "keeps-parts"
    under_way: ClassVar[list[Sequence[Buffer]]] = []

    class Lazy(Through):
        def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
            sent = self.inner.send([bytes(len(part)) for part in parts], timeout)
            if sent:
                KeepsTheParts.under_way.append(parts)
            return sent

    class Late(Taking):
        def receive(self, timeout: float) -> Delivery | None:
            delivery = self.inner.receive(timeout)
            if delivery is not None:
                delivery.view = memoryview(b"".join(KeepsTheParts.under_way.pop(0)))
            return delivery

    wrap_sender = Lazy  # type: ignore[assignment]
    wrap_receiver = Late  # type: ignore[assignment]


class OverwritesViews(Wrapped):
    """Every message is received into the same memory."""

    kind: ClassVar[str] = "overwrites"

    class One(Taking):
        memory: bytearray = bytearray(64 << 20)

        def receive(self, timeout: float) -> Delivery | None:
            delivery = self.inner.receive(timeout)
            if delivery is not None:
                nbytes = delivery.view.nbytes
                self.memory[:nbytes] = delivery.view
                delivery.view = memoryview(self.memory)[:nbytes].toreadonly()
            return delivery

    wrap_receiver = One  # type: ignore[assignment]


class WritableViews(Wrapped):
    kind: ClassVar[str] = "writable"

    class Writable(Taking):
        def receive(self, timeout: float) -> Delivery | None:
            delivery = self.inner.receive(timeout)
            if delivery is not None:
                delivery.view = memoryview(bytearray(delivery.view))
            return delivery

    wrap_receiver = Writable  # type: ignore[assignment]


class RepeatsReplies(Wrapped):
    kind: ClassVar[str] = "repeats-replies"

    class Echo(Through):
        last: bytes | None = None

        def reply(self, timeout: float) -> Reply | None:
            self.count += 1
            if self.last is not None and self.count % 20 == 0:
                return Reply(memoryview(self.last))
            seen = self.inner.reply(timeout)
            if seen is not None:
                self.last = bytes(seen.view)
            return seen

    wrap_sender = Echo  # type: ignore[assignment]


class SwallowsLargeReplies(Wrapped):
    kind: ClassVar[str] = "swallows-replies"

    class Swallower(Through):
        def reply(self, timeout: float) -> Reply | None:
            seen = self.inner.reply(timeout)
            return None if seen is not None and seen.view.nbytes > 1_000_000 else seen

    wrap_sender = Swallower  # type: ignore[assignment]


class HangsOnTimeout(Wrapped):
    kind: ClassVar[str] = "hangs"

    class Waiter(Taking):
        def receive(self, timeout: float) -> Delivery | None:
            delivery = self.inner.receive(timeout)
            if delivery is None and timeout >= 0.1:
                OVER.wait(30)
            return delivery

    wrap_receiver = Waiter  # type: ignore[assignment]


class GivesUpEarly(Wrapped):
    kind: ClassVar[str] = "early"

    class Hasty(Through):
        def reply(self, timeout: float) -> Reply | None:
            return self.inner.reply(timeout / 10)

    wrap_sender = Hasty  # type: ignore[assignment]


class NeverFull(Wrapped):
    kind: ClassVar[str] = "never-full"

    @contextmanager
    def prepare(self, setup: Setup) -> Iterator[Address]:
        with type(self).model_construct(depth=64)._inproc(setup) as address:
            yield address

    def _inproc(self, setup: Setup) -> Any:
        return super().prepare(setup)


class SendsThoughItSaysFalse(Wrapped):
    kind: ClassVar[str] = "false-but-sent"

    class Liar(Through):
        refused: Sequence[Buffer] = ()

        def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
            if self.refused and self.inner.send(self.refused, timeout):
                self.refused = ()
            sent = self.inner.send(parts, timeout)
            if not sent:
                self.refused = parts
            return sent

    wrap_sender = Liar  # type: ignore[assignment]


class HangsOnTooLarge(Wrapped):
    kind: ClassVar[str] = "hangs-on-large"

    class Stubborn(Through):
        def send(self, parts: Sequence[Buffer], timeout: float) -> bool:
            try:
                return self.inner.send(parts, timeout)
            except Rejected:
                time.sleep(timeout)
                return False

    wrap_sender = Stubborn  # type: ignore[assignment]


class StarvesTheSecond(Wrapped):
    kind: ClassVar[str] = "starves"

    class Deaf(Taking):
        def receive(self, timeout: float) -> Delivery | None:
            time.sleep(timeout)
            return None

    def receiver(self, address: Address, worker: int) -> Receiver:
        inner = super().receiver(address, worker)
        return self.Deaf(inner) if worker else inner


class ClaimsAtLeastOnce(Unix):
    kind: ClassVar[str] = "claims"

    def capabilities(self) -> Capabilities:
        return Capabilities("at-least-once", "process", "per-worker", same_host=True)


class LosesOnlyWhenKilled(ClaimsAtLeastOnce):
    """Gives back what it holds when it is closed in peace, and loses it when it is killed."""

    kind: ClassVar[str] = "loses-when-killed"
    saved: ClassVar[list[bytes]] = []

    class Saving(Taking):
        def receive(self, timeout: float) -> Delivery | None:
            saved = LosesOnlyWhenKilled.saved
            if saved:
                delivery: Delivery = Remembered(saved.pop(0))
            else:
                inner = self.inner.receive(timeout)
                if inner is None:
                    return None
                delivery = Noted(inner, self.kept)
            return delivery

        def close(self) -> None:
            LosesOnlyWhenKilled.saved.extend(bytes(delivery.view) for delivery in self.kept)
            self.inner.close()

    def receiver(self, address: Address, worker: int) -> Receiver:
        return self.Saving(super().receiver(address, worker))


class Noted(Delivery):
    def __init__(self, inner: Delivery, kept: list[Delivery]) -> None:
        self.inner, self.kept, self.view = inner, kept, inner.view
        kept.append(self)

    def reply(self, parts: Sequence[Buffer]) -> None:
        self.inner.reply(parts)

    def ack(self) -> None:
        self.kept.remove(self)
        self.inner.ack()

    def release(self) -> None:
        self.inner.release()


class Remembered(Delivery):
    def __init__(self, message: bytes) -> None:
        self.view = memoryview(message)

    def reply(self, parts: Sequence[Buffer]) -> None:
        raise AssertionError("not in these facts")

    def ack(self) -> None: ...


class LeavesAFile(Wrapped):
    kind: ClassVar[str] = "leaves-a-file"

    @contextmanager
    def prepare(self, setup: Setup) -> Iterator[Address]:
        (setup.folder / "state").write_text("left")
        with super().prepare(setup) as address:
            yield address
        (setup.folder / "state").unlink()  # not when something went wrong


class LeavesAThread(Wrapped):
    kind: ClassVar[str] = "leaves-a-thread"

    def wrap_receiver(self, receiver: Receiver) -> Receiver:
        threading.Thread(target=OVER.wait, name="left", daemon=True).start()
        return receiver


class LeavesADescriptor(Wrapped):
    kind: ClassVar[str] = "leaves-a-descriptor"
    opened: ClassVar[list[Any]] = []

    def wrap_receiver(self, receiver: Receiver) -> Receiver:
        self.opened.append(open("/dev/null"))  # noqa: PTH123, SIM115  (left open on purpose)
        return receiver


class ForgetsAnOption(Wrapped):
    kind: ClassVar[str] = "forgets"

    def config(self) -> dict[str, Any]:
        return {"kind": self.kind}


BROKEN = [
    (LosesEverySeventh, "order", "messages were lost"),
    (Duplicates, "order", "messages came more than once"),
    (SwapsOrder, "order", "messages came out of order"),
    (FlipsOneBit, "bytes", "did not come as it was sent"),
    (ForgetsManyParts, "bytes", "was sent with .* bytes and came with"),
    (WritableViews, "bytes", "can be written to"),
    (KeepsTheParts, "reuse", "without its envelope"),
    (OverwritesViews, "views", "changed before it was released"),
    (RepeatsReplies, "replies", "replies came more than once"),
    (SwallowsLargeReplies, "both-ways", "replies were lost"),
    (HangsOnTimeout, "timeouts", "receive with a timeout of 0.1 s has not returned"),
    (GivesUpEarly, "timeouts", "reply gave up after"),
    (NeverFull, "backpressure", "were taken with nobody receiving"),
    (SendsThoughItSaysFalse, "backpressure", "no room after a message was acknowledged"),
    (HangsOnTooLarge, "too-large", "will never have"),
    (StarvesTheSecond, "two-workers", "got no message while the other was busy"),
    (ClaimsAtLeastOnce, "acked", "is not delivered again"),
    (LosesOnlyWhenKilled, "killed", "is not delivered again"),
    (LeavesAFile, "nothing-left", "files are left"),
    (LeavesAThread, "nothing-left", "threads are still running"),
    (LeavesADescriptor, "nothing-left", "file descriptors were left open"),
    (ForgetsAnOption, "plain-data", "does not build the same transport"),
]


@pytest.mark.parametrize(
    ("broken", "fact", "words"), BROKEN, ids=[broken.__name__ for broken, _, _ in BROKEN]
)
def test_a_broken_transport_fails_by_the_fact_it_breaks(broken: type[Inproc], fact: str, words: str) -> None:
    OVER.clear()
    try:
        with pytest.raises(BrokenPromise, match=words) as caught:
            check_transport(broken(depth=5), quick=True, patience_s=PATIENCE_S)
    finally:
        OVER.set()
        while LeavesADescriptor.opened:
            LeavesADescriptor.opened.pop().close()
    assert caught.value.fact == fact


def test_the_wrapping_alone_breaks_nothing() -> None:
    class Plain(Wrapped):
        kind: ClassVar[str] = "plain"

        def wrap_sender(self, sender: Sender) -> Sender:
            return Through(sender)

        def wrap_receiver(self, receiver: Receiver) -> Receiver:
            return Taking(receiver)

    skipped = set(check_transport(Plain(), quick=True).skipped)
    loans = {"loans", "places", "loans-end", "loans-limit"}
    assert skipped == {"limit", "killed", "huge", "fan-in", "producer-gone", "come-again", "link"} | loans


# Codecs --------------------------------------------------------------------------------------------------


def test_the_raw_codec_keeps_its_promises() -> None:
    assert check_codec(Raw()).held == ["plain-data", "encode", "decode", "anywhere", "damage"]


class Broken(Raw):
    kind: ClassVar[str] = "broken"


class LosesMetadata(Broken):
    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        return super().encode(arrays, b"")


class FlattensArrays(Broken):
    def decode(self, body: memoryview) -> tuple[Arrays, bytes]:
        arrays, metadata = super().decode(body)
        return {name: array.reshape(-1) for name, array in arrays.items()}, metadata


class RaisesOtherErrors(Broken):
    def decode(self, body: memoryview) -> tuple[Arrays, bytes]:
        if len(body) < 4:
            raise IndexError("too short")
        return super().decode(body)


class RefusesEverything(Broken):
    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        raise MessageError("not today")


class ScribblesOnInput(Broken):
    def encode(self, arrays: Arrays, metadata: bytes) -> list[Buffer]:
        for array in arrays.values():
            array[...] = 0
        return super().encode(arrays, metadata)


@pytest.mark.parametrize(
    ("broken", "fact", "words"),
    [
        (LosesMetadata, "decode", "metadata"),
        (FlattensArrays, "decode", "came back as"),
        (RaisesOtherErrors, "damage", "IndexError"),
        (RefusesEverything, "encode", "every sample is refused"),
        (ScribblesOnInput, "encode", "encode changed the arrays"),
    ],
)
def test_a_broken_codec_fails_by_the_fact_it_breaks(broken: type[Codec], fact: str, words: str) -> None:
    with pytest.raises(BrokenPromise, match=words) as caught:
        check_codec(broken())
    assert caught.value.fact == fact


# Stages --------------------------------------------------------------------------------------------------

SAMPLES = [Message(seq, {"window": np.full((3, 2), seq, np.float32)}) for seq in range(4)]


class Doubles(Stage):
    """Two times the input."""

    kind: ClassVar[str] = "doubles"

    class Open(OpenStage):
        def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
            return [{"twice": message.arrays["window"] * 2} for message in batch]

    def open(self, seed: int) -> OpenStage:
        return self.Open()


class Backwards(Doubles):
    class Open(Doubles.Open):
        def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
            return super().run(batch)[::-1]


class Forgetful(Doubles):
    class Open(Doubles.Open):
        def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
            return super().run(batch)[:1]


class Random(Doubles):
    class Open(Doubles.Open):
        def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
            return [{"noise": np.random.default_rng().random(3)} for _ in batch]


class Aliases(Doubles):
    class Open(Doubles.Open):
        def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
            return [{"same": message.arrays["window"][1:]} for message in batch]


class Strings(Doubles):
    class Open(Doubles.Open):
        def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
            return [{"text": np.array(["high"])} for _ in batch]


class Unplain(Doubles):
    class Open(Doubles.Open):
        def facts(self) -> dict[str, Any]:
            return {"session": object()}


class Disturbed(Doubles):
    class Open(Doubles.Open):
        factor = 1

        def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
            return [{"twice": reply["twice"] * self.factor} for reply in super().run(batch)]

        @contextmanager
        def profiled(self, folder: Path) -> Iterator[Operators]:
            self.factor = 3
            yield Operators(gap="none were asked for")


def test_a_good_stage_passes() -> None:
    held = check_stage(Doubles(), SAMPLES).held
    assert held == ["plain-data", "replies", "deterministic", "batches", "lets-go", "facts"]


@pytest.mark.parametrize(
    ("broken", "fact"),
    [
        (Backwards, "batches"),
        (Forgetful, "batches"),
        (Random, "deterministic"),
        (Aliases, "lets-go"),
        (Strings, "replies"),
        (Unplain, "facts"),
        (Disturbed, "profiled"),
    ],
)
def test_a_broken_stage_fails_by_the_fact_it_breaks(broken: type[Stage], fact: str) -> None:
    with pytest.raises(BrokenPromise) as caught:
        check_stage(broken(), SAMPLES)
    assert caught.value.fact == fact
