"""What brokers answer: RESP, AMQP frames, the NATS protocol; and the frames of the transport `unix`."""

from __future__ import annotations

import json
import struct

from fuzz_target import Target
from fuzz_targets.fed import FedLink, FedSocket

from benchkit.errors import BrokerError
from benchkit.transports._nats.wire import Refused as NatsRefused
from benchkit.transports._nats.wire import Wire
from benchkit.transports._rabbitmq import methods
from benchkit.transports._rabbitmq.frames import Frames
from benchkit.transports._redis.resp import Refused, Resp, command
from benchkit.transports._unix.link import Link
from benchkit.transports.buffers import Pool

PIECES = (b"\0", b"\1", b"\2")
MESSAGE_BYTES = 4096


def resp(data: bytes) -> None:
    """Answers as ends read them: by turns any answer, a header, a payload that lands."""
    end = Resp(FedLink(data[1:]), lambda: None)
    pool = Pool(MESSAGE_BYTES)
    order = data[0] if data else 0
    step = 0
    while end.ready(0):
        match order >> step & 3:
            case 0 | 3:
                end.read()
            case 1:
                end.header()
            case _:
                landed = end.payload(pool)
                if landed is not None:
                    slot, nbytes = landed
                    assert 0 <= nbytes <= len(slot)
                    pool.give(slot)
        step = (step + 2) % 8


def resp_seeds() -> list[bytes]:
    value = b"x" * 30
    entry = b"*1\r\n*2\r\n$1\r\nq\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nm\r\n$30\r\n" + value + b"\r\n"
    answers = [
        command("a", value), entry, b"$-1\r\n*-1\r\n_\r\n", b":12\r\n+OK\r\n-ERR no\r\n#t\r\n,1.5\r\n(123\r\n",
        b"%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n", b">2\r\n+push\r\n:1\r\n+then\r\n", b"|1\r\n+k\r\n:1\r\n:7\r\n",
        b"~2\r\n:1\r\n:2\r\n", b"=7\r\ntxt:abc\r\n!5\r\nERR x\r\n", b"*2\r\n*1\r\n*0\r\n$0\r\n\r\n",
    ]  # fmt: skip
    return [bytes((order,)) + piece + answer for answer in answers for order, piece in ((0, b"\0"), (0b100100, b"\1"))]


def amqp(data: bytes) -> None:
    """Methods, and behind each DELIVER its content, as receiver and sender read them."""
    sock = FedSocket(b"")
    end = Frames(FedLink(data), 4096, lambda: None, sock, "here")
    pool = Pool(MESSAGE_BYTES)
    while end.ready(0):
        key, payload = end.method()
        if key == methods.DELIVER:
            slot, nbytes, header = end.content(pool)
            assert 0 <= nbytes <= len(slot)
            methods.delivered(payload)
            methods.reply_to(header)
            pool.give(slot)
        elif key in (methods.ACK, methods.NACK):
            methods.settled(payload)
        elif key == methods.QUEUE_DECLARED:
            methods.waiting(payload)


def _content(body: bytes, piece: int) -> bytes:
    deliver = methods.method(
        methods.DELIVER, methods.short("w1") + (7).to_bytes(8, "big") + b"\0" + methods.short("") + methods.short("q")
    )  # fmt: skip
    table = b"\x01xI\0\0\0\x07"
    flags = 0x8000 | 0x4000 | 0x2000 | 0x1000 | 0x0800 | 0x0400 | 0x0200
    properties = flags.to_bytes(2, "big") + methods.short("text/plain") + methods.short("utf-8")
    properties += len(table).to_bytes(4, "big") + table + b"\2\0" + methods.short("id") + methods.short("replies")
    header = methods.frame(methods.HEADER, struct.pack(">HHQ", 60, 0, len(body)) + properties)
    bodies = [methods.frame(methods.BODY, body[at : at + piece]) for at in range(0, len(body), piece)]
    return deliver + header + b"".join(bodies)


def amqp_seeds() -> list[bytes]:
    heartbeat = methods.frame(methods.HEARTBEAT, b"", 0)
    answers = [
        _content(b"body" * 20, 30), _content(b"", 1), heartbeat + _content(b"x" * 64, 64),
        methods.ack(5) + methods.method(methods.NACK, struct.pack(">QB", 9, 1)),
        methods.method(methods.QUEUE_DECLARED, methods.short("q") + struct.pack(">II", 3, 1)),
        methods.method(methods.CONNECTION_BLOCKED, methods.short("memory"), 0)
        + methods.method(methods.CONNECTION_UNBLOCKED, b"", 0),
        methods.method(methods.CHANNEL_CLOSE, struct.pack(">H", 406) + methods.short("message size") + bytes(4)),
        methods.method(methods.RETURN, struct.pack(">H", 312) + methods.short("NO_ROUTE")),
    ]  # fmt: skip
    between = _content(b"split" * 10, 25)
    answers.append(between[:-34] + heartbeat + between[-34:])
    return [piece + answer for answer in answers for piece in PIECES]


def nats(data: bytes) -> None:
    """Verbs; of messages the bytes are landed or read as text, answers of the JetStream API by turns."""
    info = {"max_payload": 1 << 20}
    end = Wire(FedLink(data), lambda: None, FedSocket(b""), "here", info)
    pool = Pool(MESSAGE_BYTES)
    while end.ready(0):
        message = end.message()
        if message is None:
            continue
        if message.sid == b"1":
            slot = end.landed(message, pool)
            assert 0 <= message.nbytes <= len(slot)
            pool.give(slot)
            continue
        text = end.text(message)
        assert len(text) == message.nbytes
        if message.sid == b"0":
            try:
                end.answer(text)
            except NatsRefused as refused:
                str(refused)


def nats_seeds() -> list[bytes]:
    answer = json.dumps({"type": "x", "error": {"code": 404, "err_code": 10059, "description": "no stream"}}).encode()
    state = json.dumps({"state": {"messages": 3, "deleted": [1, 2]}, "config": {}}).encode()
    verbs = [
        b"MSG q.1 1 5\r\nhello\r\n", b"MSG q.1 1 $JS.ACK.x 3\r\nabc\r\nPING\r\n",
        b"HMSG q.1 2 12 17\r\nNATS/1.0\r\n\r\nhello\r\n", b"HMSG q 1 r 12 12\r\nNATS/1.0\r\n\r\n\r\n", b"+OK\r\nPONG\r\n",
        b"INFO {}\r\n-ERR 'Permissions Violation for Subscription to \"x\"'\r\nMSG q 1 0\r\n\r\n", b"-ERR 'gone'\r\n",
        b"MSG i 0 %d\r\n%s\r\n" % (len(answer), answer), b"MSG i 0 %d\r\n%s\r\n" % (len(state), state),
    ]  # fmt: skip
    return [piece + verb for verb in verbs for piece in PIECES]


def unix(data: bytes) -> None:
    """Frames until nothing comes any more."""
    pool = Pool(MESSAGE_BYTES)
    end = Link(FedSocket(data), pool, MESSAGE_BYTES)
    quiet = 0
    while quiet < 3:
        frame = end.frame()
        quiet = quiet + 1 if frame is None else 0
        if frame is not None and frame.buffer.nbytes >= MESSAGE_BYTES and frame.kind != 1:
            pool.give(frame.buffer)


def unix_seeds() -> list[bytes]:
    from benchkit.transports._unix.link import ACK, HEAD, REPLY

    frames = [HEAD.pack(REPLY, 5) + b"hello", HEAD.pack(ACK, 3), HEAD.pack(0, 70) + bytes(70) + HEAD.pack(ACK, 1)]
    return [piece + each * 2 for each in frames for piece in PIECES]


_VERBS = (b"MSG ", b"HMSG ", b"PING\r\n", b"PONG\r\n", b"-ERR ", b"+OK\r\n", b"INFO ", b'{"error":', b'"err_code":', b"\r\n")
TARGETS = (
    Target("resp", resp, (BrokerError, Refused), resp_seeds, ("transports/_redis/resp.py", "transports/buffers.py"), 512,
           (b"\r\n", b"*1\r\n", b"*-1\r\n", b"$-1\r\n", b"%1\r\n", b">1\r\n", b"|1\r\n", b"*1\r\n*1\r\n*1\r\n*1\r\n", b"999999999")),
    Target("amqp", amqp, (BrokerError,), amqp_seeds, ("transports/_rabbitmq/frames.py", "transports/_rabbitmq/methods.py"), 512,
           (b"\xce", b"\x01\x00\x01", b"\x02\x00\x01", b"\x03\x00\x01", b"\x00\x3c\x00\x3c", b"\xff\xff\xff\xff")),
    Target("nats", nats, (BrokerError,), nats_seeds, ("transports/_nats/wire.py", "transports/buffers.py"), 512, _VERBS),
    Target("unix", unix, (BrokerError, OSError), unix_seeds, ("transports/_unix/link.py", "transports/buffers.py"), 512),
)  # fmt: skip
