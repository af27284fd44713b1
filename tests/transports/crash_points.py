"""The victims of `test_shm_crash_points` and what is found after each death; runs in a process of its own."""

from __future__ import annotations

import os
import select
import signal
import struct
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from benchkit.transports import _shm, shm
from benchkit.transports._shm.receiver import ShmDelivery, ShmReceiver
from benchkit.transports._shm.sender import ShmSender
from benchkit.transports.base import Address, Setup
from benchkit.transports.shm import Shm

DEPTH = 2
BYTES = 3000
PATIENCE_S = 20.0
SENT, HAD, REPLIED, ACKING, ACKED = range(5)
TRANSPORT = Shm(depth=DEPTH, spin=0)
_PLACES = (str(Path(_shm.__file__ or "").parent), str(shm.__file__))
_NUMBER = struct.Struct("<Q")
_SAID = struct.Struct("<BQQ")
_GENERATION_SHIFT = 24

Place = tuple[CodeType, int, CodeType | None, int]
Said = list[tuple[int, int, int]]


def message(number: int) -> bytes:
    """Its number, and one byte again and again, so that a mixture of two is seen."""
    return _NUMBER.pack(number) + bytes([number + 1]) * (BYTES - _NUMBER.size)


def number_of(view: memoryview) -> int:
    """The number of a message that is whole."""
    number: int = _NUMBER.unpack_from(view)[0]
    assert view == message(number), "a torn message was delivered"
    return number


class Doom:
    """SIGKILL before the line (or bytecode) number `point` of the transport.

    A line counts where it is met for the first time from this caller: what follows again is the same step.
    """

    def __init__(self, point: int, *, bytecodes: bool) -> None:
        self._left = point
        self._bytecodes = bytecodes
        self._met: set[Place] = set()

    def begin(self) -> None:
        """From here on."""
        sys.settrace(self._enter)

    def _enter(self, frame: FrameType, event: str, arg: object) -> Any:
        if not frame.f_code.co_filename.startswith(_PLACES):
            return None
        frame.f_trace_opcodes = self._bytecodes
        return self._step

    def _step(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == ("opcode" if self._bytecodes else "line"):
            at, back = (frame.f_lasti if self._bytecodes else frame.f_lineno), frame.f_back
            place = (frame.f_code, at, back and back.f_code, back.f_lineno if back else 0)
            if place not in self._met:
                self._met.add(place)
                self._left -= 1
                if not self._left:
                    os.kill(os.getpid(), signal.SIGKILL)
        return self._step


class Voice:
    """What a victim has done, told so that it survives it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def say(self, what: int, number: int, generation: int = 0) -> None:
        """At once."""
        os.write(self._fd, _SAID.pack(what, number, generation))


def send_three(address: Address, doom: Doom, voice: Voice) -> None:
    """Sends by copying and by a loan, sees a reply, gives a loan back, closes with one that is out."""
    doom.begin()
    sender = TRANSPORT.sender(address)
    assert sender.send([message(1)[:8], message(1)[8:]], PATIENCE_S)
    voice.say(SENT, 1)
    slot = sender.loan(BYTES, PATIENCE_S)
    assert slot is not None
    slot.view[:] = message(2)
    slot.send(BYTES)
    voice.say(SENT, 2)
    assert sender.reply(PATIENCE_S) is not None
    slot = sender.loan(BYTES, PATIENCE_S)
    assert slot is not None
    slot.give_back()
    assert sender.send([message(3)], PATIENCE_S)
    voice.say(SENT, 3)
    assert sender.loan(BYTES, PATIENCE_S) is not None
    sender.close()


def send_one(address: Address, doom: Doom, voice: Voice) -> None:
    """Takes over, sends, closes."""
    doom.begin()
    sender = TRANSPORT.sender(address)
    assert sender.send([message(1)], PATIENCE_S)
    voice.say(SENT, 1)
    sender.close()


def work_off(address: Address, doom: Doom, voice: Voice) -> None:
    """Holds two deliveries; one is answered, acknowledged and released, the other left when it closes."""
    doom.begin()
    receiver = TRANSPORT.receiver(address, 0)
    held = []
    for _ in range(2):
        delivery = receiver.receive(PATIENCE_S)
        assert delivery is not None
        number = number_of(delivery.view)
        voice.say(HAD, number, generation(delivery))
        held.append(delivery)
    first, second = held
    number = number_of(first.view)
    first.reply([message(number)])
    voice.say(REPLIED, number)
    voice.say(ACKING, number)
    first.ack()
    voice.say(ACKED, number)
    first.release()
    second.release()
    receiver.close()


def generation(delivery: ShmDelivery) -> int:
    """Of its slot, as it was claimed."""
    return delivery._word >> _GENERATION_SHIFT


def child(run: Callable[[], None]) -> int:
    """The pid of a child that runs this; one that fails says why and ends with 1."""
    pid = os.fork()
    if pid:
        return pid
    status = 0
    try:
        run()
    except BaseException:  # noqa: BLE001  (whatever it is, the parent sees the status)
        sys.settrace(None)
        traceback.print_exc()
        status = 1
    os._exit(status)


class Victim:
    """A child with a doom, and what it said."""

    def __init__(self, run: Callable[[Address, Doom, Voice], None], address: Address, doom: Doom) -> None:
        self._said_fd, voice = os.pipe()
        self._ended_fd, ended = os.pipe()
        os.set_inheritable(ended, True)
        self._pid = child(lambda: run(address, doom, Voice(voice)))
        os.close(voice)
        os.close(ended)

    def spoke(self) -> None:
        """It said something, or it is dead."""
        select.select([self._said_fd], [], [], PATIENCE_S)

    def ended(self) -> bool:
        """Whether it is dead, without waiting: the kernel has closed its end of the pipe."""
        return bool(select.select([self._ended_fd], [], [], 0)[0])

    def leave(self) -> tuple[bool, Said]:
        """Whether it was killed, and what it said before."""
        _, status = os.waitpid(self._pid, 0)
        said = b""
        while part := os.read(self._said_fd, 4096):
            said += part
        os.close(self._said_fd)
        os.close(self._ended_fd)
        killed = os.WIFSIGNALED(status)
        assert killed or status == 0, "the victim failed by itself"
        return killed, list(_SAID.iter_unpack(said))


def all_room_is_back(sender: ShmSender, receiver: ShmReceiver) -> None:
    """`depth` messages go in and not one more; all come, once, and are answered; then `depth` loans as well."""
    numbers = list(range(100, 100 + DEPTH))
    assert [sender.send([message(number)], 0) for number in numbers] == [True] * DEPTH, "room has leaked"
    assert not sender.send([message(99)], 0), "there is more room than there was"
    for number in numbers:
        delivery = receiver.receive(0)
        assert delivery is not None
        assert number_of(delivery.view) == number
        delivery.reply([b"x"])
        delivery.ack()
        delivery.release()
    assert receiver.receive(0) is None
    for _ in numbers:
        assert sender.reply(0) is not None
    assert sender.reply(0) is None
    assert [sender.loan(BYTES, 0) is not None for _ in range(DEPTH + 1)] == [True] * DEPTH + [False]


def sender_dies(
    address: Address, doom: Doom, run: Callable[[Address, Doom, Voice], None] = send_three
) -> bool:
    """What it sent comes whole, once and in order; whether it died."""
    receiver = TRANSPORT.receiver(address, 0)
    victim = Victim(run, address, doom)
    victim.spoke()
    came = []
    ended = False
    while not ended:
        ended = victim.ended()
        while (delivery := receiver.receive(0 if ended else 0.002)) is not None:
            came.append(number_of(delivery.view))
            delivery.reply([message(came[-1])])
            delivery.ack()
            delivery.release()
    killed, said = victim.leave()
    assert came == sorted(set(came)), "a message came twice or out of order"
    assert {number for what, number, _ in said if what == SENT} <= set(came), "what was sent is lost"
    sender = TRANSPORT.sender(address)
    answers = []
    while (reply := sender.reply(0)) is not None:
        answers.append(number_of(reply.view))
    assert len(answers) == len(set(answers))
    assert set(answers) <= set(came), "a reply came that nobody gave"
    all_room_is_back(sender, receiver)
    sender.close()
    receiver.close()
    return killed


def heir_dies(address: Address, doom: Doom) -> bool:
    """The same where the sender before it died inside the lock and left an index that lies."""

    def run() -> None:
        sender = TRANSPORT.sender(address)
        assert sender.send([message(0)], 0)
        with sender._lock:
            for queue in (sender._table.free, sender._table.ready, sender._table.replied):
                while queue.pop() >= 0:
                    pass
            os.kill(os.getpid(), signal.SIGKILL)

    os.waitpid(child(run), 0)
    return sender_dies(address, doom, send_one)


def worker_dies(address: Address, doom: Doom) -> bool:
    """What it did not acknowledge is delivered again under another generation, the rest not; whether it died."""
    sender = TRANSPORT.sender(address)
    for number in (1, 2):
        assert sender.send([message(number)], 0)
    killed, said = Victim(work_off, address, doom).leave()
    numbers = {what: {number for w, number, _ in said if w == what} for what in (REPLIED, ACKING, ACKED)}
    generations = {number: held for what, number, held in said if what == HAD}
    receiver = TRANSPORT.receiver(address, 0)
    again = []
    while (delivery := receiver.receive(0)) is not None:
        number = number_of(delivery.view)
        again.append(number)
        assert generation(delivery) > generations.get(number, 0), "the slot's generation has not changed"
        delivery.reply([message(number)])
        delivery.ack()
        delivery.release()
    assert again == sorted(set(again)), "a message came twice or out of order"
    assert not set(again) & numbers[ACKED], "an acknowledged message was delivered again"
    assert {1, 2} - numbers[ACKING] <= set(again), "a message is lost"
    answers = []
    while (reply := sender.reply(0)) is not None:
        answers.append(number_of(reply.view))
    assert len(answers) == len(set(answers)), "a message was answered twice"
    assert numbers[REPLIED] | set(again) <= set(answers), "an answer is lost"
    all_room_is_back(sender, receiver)
    sender.close()
    receiver.close()
    return killed


WAYS: dict[str, Callable[[Address, Doom], bool]] = {
    "sender": sender_dies, "heir": heir_dies, "worker": worker_dies,
}  # fmt: skip


@contextmanager
def prepared() -> Iterator[Address]:
    """A fresh segment."""

    def share(key: str, make: Any) -> Any:
        raise AssertionError

    with tempfile.TemporaryDirectory() as folder:
        name = f"benchkit-test-{os.urandom(6).hex()}"
        with TRANSPORT.prepare(Setup(name, Path(folder), BYTES, BYTES, 1, share)) as address:
            yield address


def drive(way: str, first: int, step: int, pipe: Connection, *, bytecodes: bool) -> None:
    """Points first, first + step, ...; tells how many there are, or what is wrong at which."""
    point = first
    try:
        while True:
            with prepared() as address:
                if not WAYS[way](address, Doom(point, bytecodes=bytecodes)):
                    break
            point += step
    except BaseException:  # noqa: BLE001  (whatever it is, the test shows it)
        pipe.send((point, traceback.format_exc()))
    else:
        pipe.send((point, ""))
