"""benchkit's stage behind the Open Inference Protocol: what any client sees, byte by byte."""

from __future__ import annotations

import json
import socket
import struct
from contextlib import ExitStack
from typing import TYPE_CHECKING

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kserve_ends import INPUTS, LIMIT, RAW, SOON, answer, message, served, setup, sums
from pydantic import ValidationError

from benchkit.errors import MessageError, Rejected
from benchkit.tensors.wire import FAILED, FOREIGN, REPLY, unpack
from benchkit.testing.arrays import awkward_arrays, same_arrays
from benchkit.transports._kserve.document import MAX_HEADER_BYTES, read_document, read_json
from benchkit.transports._kserve.envelope import read_signed, signed
from benchkit.transports._kserve.landing import Landing
from benchkit.transports._kserve.tensors import split, write_around
from benchkit.transports.kserve_http import KserveHttp

if TYPE_CHECKING:
    from pathlib import Path

    from benchkit.tensors.message import Arrays

FRAME = np.arange(20, dtype=np.uint8).reshape(4, 5)
GAIN = np.array([0.5, 1.5, 2.0], np.float32)
JSON = {
    "id": "mine",
    "inputs": [
        {"name": "frame", "datatype": "UINT8", "shape": [4, 5], "data": FRAME.tolist()},
        {"name": "gain", "datatype": "FP32", "shape": [3], "data": [0.5, 1.5, 2]},
    ],
}


def binary_request(**more: object) -> tuple[bytes, bytes]:
    text = json.dumps(
        {
            "id": "mine",
            "parameters": {"binary_data_output": True},
            "inputs": [
                {
                    "name": "frame",
                    "datatype": "UINT8",
                    "shape": [4, 5],
                    "parameters": {"binary_data_size": 20},
                },
                {"name": "gain", "datatype": "FP32", "shape": [3], "parameters": {"binary_data_size": 12}},
            ],
            **more,
        }
    ).encode()
    return text, FRAME.tobytes() + GAIN.tobytes()


# Other clients ------------------------------------------------------------------------------------------


def test_health_and_metadata(tmp_path: Path) -> None:
    with served(tmp_path, model="dam") as here:
        assert here.ask("GET", "/v2/health/live")[::2] == (200, b'{"live":true}')
        assert here.ask("GET", "/v2/health/ready")[0] == 200
        assert here.ask("GET", "/v2/models/dam/ready")[0] == 200
        assert json.loads(here.ask("GET", "/v2")[2])["extensions"] == ["binary_tensor_data"]
        about = json.loads(here.ask("GET", "/v2/models/dam/versions/1")[2])
        assert about["inputs"] == [
            {"name": "frame", "datatype": "UINT8", "shape": [-1, 5]},
            {"name": "gain", "datatype": "FP32", "shape": [3]},
        ]
        assert about["outputs"] == [{"name": "sum", "datatype": "FP64", "shape": [2]}]
        assert here.ask("GET", "/v2/models/other")[0] == 404
        assert here.ask("GET", "/v2/repository/index")[0] == 404
        assert here.ask("DELETE", "/v2/models/dam")[0] == 405
        assert here.ask("GET", "/v2/models/dam/infer")[0] == 405


def test_without_a_name_of_its_own_the_model_cannot_be_guessed(tmp_path: Path) -> None:
    with served(tmp_path) as here:
        assert len(here.model) == 32
        with served(tmp_path) as other:
            assert other.model != here.model
        assert here.model not in here.address.path
        assert here.model.encode() not in here.ask("GET", "/v2")[2]


def test_json_in_and_out(tmp_path: Path) -> None:
    with served(tmp_path) as here:
        status, headers, content = here.infer(json.dumps(JSON).encode())
        assert (status, headers["content-type"]) == (200, "application/json")
        assert "inference-header-content-length" not in headers
        assert json.loads(content) == {
            "model_name": here.model, "model_version": "1", "id": "mine",
            "outputs": [{"name": "sum", "datatype": "FP64", "shape": [2], "data": [190.0, 4.0]}],
        }  # fmt: skip
        assert here.foreign == 1


def test_binary_in_and_out_byte_by_byte(tmp_path: Path) -> None:
    text, content = binary_request()
    with served(tmp_path) as here:
        status, headers, body = here.infer(text + content, len(text))
        length = int(headers["inference-header-content-length"])
        assert (status, headers["content-type"]) == (200, "application/octet-stream")
        (output,) = json.loads(body[:length])["outputs"]
        assert output == {
            "name": "sum", "datatype": "FP64", "shape": [2], "parameters": {"binary_data_size": 16},
        }  # fmt: skip
        assert body[length:] == struct.pack("<dd", 190, 4)


def test_each_output_as_it_was_asked(tmp_path: Path) -> None:
    text, content = binary_request(parameters={}, outputs=[{"name": "sum"}])
    with served(tmp_path) as here:
        assert json.loads(here.infer(text + content, len(text))[2])["outputs"][0]["data"] == [190.0, 4.0]
        text, content = binary_request(outputs=[{"name": "none"}])
        status, _, body = here.infer(text + content, len(text))
        assert (status, json.loads(body)) == (400, {"error": "no output is called 'none'; there are sum"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"inputs": JSON["inputs"][:1]}, "the inputs are frame, gain, not frame"),
        ({"inputs": 3}, "the JSON holds no list of inputs"),
        ({"inputs": [{**JSON["inputs"][0], "shape": [4, 6]}, JSON["inputs"][1]]}, "input 'frame' must be"),
        ({"inputs": [JSON["inputs"][0], {**JSON["inputs"][1], "datatype": "FP64"}]}, "input 'gain' must be"),
        ({"inputs": [JSON["inputs"][0], {**JSON["inputs"][1], "datatype": "BYTES"}]}, "'BYTES' is not taken"),
        (
            {"inputs": [JSON["inputs"][0], {**JSON["inputs"][1], "data": [1, 2]}]},
            "has 2 numbers, its shape 3",
        ),
        ({"inputs": [JSON["inputs"][0], {**JSON["inputs"][1], "data": [1, "2", 3]}]}, "no FP32"),
        ({"inputs": [{**JSON["inputs"][0], "data": [256] * 20}, JSON["inputs"][1]]}, "beyond UINT8"),
        (
            {
                "inputs": [
                    {**JSON["inputs"][0], "parameters": {"shared_memory_region": "x"}},
                    JSON["inputs"][1],
                ]
            },
            "shared memory is not offered",
        ),
        ({"id": 5}, "the id is no text"),
    ],
)
def test_a_wrong_request_is_told_why(tmp_path: Path, change: dict[str, object], said: str) -> None:
    with served(tmp_path) as here:
        status, _, body = here.infer(json.dumps({**JSON, **change}).encode())
        assert status == 400
        assert said in json.loads(body)["error"]
        assert here.infer(json.dumps(JSON).encode())[0] == 200
        assert here.foreign == 1


def test_binary_bytes_that_do_not_match_leave_the_connection_usable(tmp_path: Path) -> None:
    text, content = binary_request()
    with served(tmp_path) as here, socket.create_connection(("127.0.0.1", here.port), SOON) as sock:

        def ask(body: bytes, header: int) -> bytes:
            head = (
                f"POST /v2/models/{here.model}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            )
            sock.sendall(f"{head}Inference-Header-Content-Length: {header}\r\n\r\n".encode() + body)
            return sock.recv(1 << 16).split(b" ")[1]

        assert ask(text + content[:-1], len(text)) == b"400"
        assert ask(text + content + b"x", len(text)) == b"400"
        assert ask(text + content, len(text) + 1) == b"400"
        assert ask(text + content, 1 << 12) == b"400"
        assert ask(text + content, len(text)) == b"200"


def test_a_body_of_unknown_length(tmp_path: Path) -> None:
    text, content = binary_request()
    with served(tmp_path) as here, socket.create_connection(("127.0.0.1", here.port), SOON) as sock:
        start = f"POST /v2/models/{here.model}/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"

        def ask(more: str, body: bytes, step: int) -> bytes:
            sock.sendall(f"{start}{more}\r\n".encode())
            for at in range(0, len(body), step):
                piece = body[at : at + step]
                sock.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            sock.sendall(b"0\r\n\r\n")
            return sock.recv(1 << 16).split(b" ")[1]

        length = f"Inference-Header-Content-Length: {len(text)}\r\n"
        assert ask(length, text + content, 7) == b"200"
        assert ask("", json.dumps(JSON).encode(), 11) == b"200"
        assert ask(length, text + content[:-2], 9) == b"400"


def test_limits_are_kept_while_reading(tmp_path: Path) -> None:
    with served(tmp_path) as here:
        text = b" " * (MAX_HEADER_BYTES + 1)
        assert here.infer(text, len(text))[0] == 413
        assert here.infer(b"x" * (LIMIT + 100), 10)[0] == 413
        assert here.infer(b"[" * 5000)[0] == 400
        assert here.infer(b"{}", None, **{"Content-Encoding": "gzip"})[0] == 415
        assert (
            here.ask(
                "POST", f"/v2/models/{here.model}/infer", b"{}", {"Inference-Header-Content-Length": "-1"}
            )[0]
            == 400
        )


def test_the_stages_error_is_the_clients_alone(tmp_path: Path) -> None:
    def failing(arrays: Arrays) -> Arrays:
        raise ValueError("no water")

    with served(tmp_path, failing) as here:
        status, _, body = here.infer(json.dumps(JSON).encode())
        assert (status, json.loads(body)) == (500, {"error": "no water"})


def test_outputs_that_json_cannot_carry(tmp_path: Path) -> None:
    given = {"half": np.ones(2, np.float16), "nan": np.array([np.nan])}
    with served(tmp_path, lambda _: given) as here:
        for name, said in (("half", "FP16"), ("nan", "not all finite")):
            body = json.dumps({**JSON, "outputs": [{"name": name}]}).encode()
            status, _, content = here.infer(body)
            assert status == 400
            assert said in json.loads(content)["error"]
        body = json.dumps(
            {**JSON, "outputs": [{"name": "half", "parameters": {"binary_data": True}}]}
        ).encode()
        assert here.infer(body)[2].endswith(np.ones(2, np.float16).tobytes())


def test_a_codec_that_hides_the_arrays_takes_no_other_clients(tmp_path: Path) -> None:
    with served(tmp_path, inputs=()) as here:
        status, _, body = here.infer(json.dumps(JSON).encode())
        assert status == 400
        assert "codec is not raw" in json.loads(body)["error"]


def test_a_full_queue_says_when_to_come_again(tmp_path: Path) -> None:
    transport = KserveHttp(queue=1, model="dam")
    body = json.dumps(JSON).encode()
    with transport.prepare(setup(tmp_path)) as address:
        receiver = transport.receiver(address, 0)
        where = ("127.0.0.1", int(str(address.where["ports"])))
        head = (
            f"POST /v2/models/dam/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        with socket.create_connection(where, SOON) as first, socket.create_connection(where, SOON) as second:
            first.sendall(head + body)
            delivery = None
            second_answer = b""
            # Whichever is read second finds the queue full, for nobody takes the first out of it.
            second.sendall(head + body)
            first.settimeout(0.05)
            while not second_answer:
                second.settimeout(0.05)
                for sock in (second, first):
                    try:
                        second_answer = sock.recv(1 << 16)
                        break
                    except TimeoutError:
                        continue
            assert second_answer.startswith(b"HTTP/1.1 503")
            assert b"retry-after: 1" in second_answer.lower()
            assert b"queue is full" in second_answer
            delivery = receiver.receive(SOON)
            assert delivery is not None
            answer(delivery, sums)
        receiver.close()


def test_the_producers_own_come_first(tmp_path: Path) -> None:
    """Ten in the queue, one of them ours and sent last; the bound counts those that were set aside."""
    transport = KserveHttp(queue=10, depth=10, model="dam")
    body = json.dumps(JSON).encode()
    with transport.prepare(setup(tmp_path)) as address, ExitStack() as held:
        receiver = transport.receiver(address, 0)
        held.callback(receiver.close)
        sender = transport.sender(address)
        held.callback(sender.close)
        port = int(str(address.where["ports"]))
        head = (
            f"POST /v2/models/dam/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        others = [held.enter_context(socket.create_connection(("127.0.0.1", port), SOON)) for _ in range(10)]
        for sock in others[:9]:
            sock.sendall(head + body)
        while receiver._server.intake.queue.qsize() < 9:
            pass
        assert sender.send(message(3, {"frame": FRAME, "gain": GAIN}), SOON)
        while receiver._server.intake.queue.qsize() < 10:
            pass
        flags = []
        for count in range(10):
            delivery = receiver.receive(SOON)
            assert delivery is not None
            if count == 0:
                others[9].sendall(head + body)  # takes the place that ours has left
                while receiver._server.intake.queue.qsize() < 1:
                    pass
                refused = held.enter_context(socket.create_connection(("127.0.0.1", port), SOON))
                refused.sendall(head + body)
                assert refused.recv(100).startswith(b"HTTP/1.1 503")
            flags.append(answer(delivery, sums).flags)
        assert flags == [0] + [FOREIGN] * 9
        last = receiver.receive(SOON)
        assert last is not None
        answer(last, sums)
        assert all(sock.recv(1 << 16).startswith(b"HTTP/1.1 200") for sock in others)


# benchkit's own messages --------------------------------------------------------------------------------


def test_the_envelope_comes_through_and_replies_find_back(tmp_path: Path) -> None:
    with served(tmp_path) as here:
        sender = here.transport.sender(here.address)
        for seq in (0, 5, 2**64 - 1):
            assert sender.send(message(seq, {"frame": FRAME, "gain": GAIN}, b"klv"), SOON)
            reply = sender.reply(SOON)
            assert reply is not None
            envelope, body = unpack(reply.view)
            assert (envelope.seq, envelope.flags, envelope.item) == (seq, REPLY, 7)
            assert RAW.decode(body)[0]["sum"].tolist() == [190, 4]
        assert [(each.seq, each.flags & FOREIGN) for each in here.seen] == [(0, 0), (5, 0), (2**64 - 1, 0)]
        sender.close()


def test_a_failed_message_comes_back_with_the_words(tmp_path: Path) -> None:
    def failing(arrays: Arrays) -> Arrays:
        raise ValueError("no water")

    with served(tmp_path, failing) as here:
        sender = here.transport.sender(here.address)
        assert sender.send(message(3, {"frame": FRAME}), SOON)
        reply = sender.reply(SOON)
        assert reply is not None
        envelope, body = unpack(reply.view)
        assert (envelope.seq, envelope.flags) == (3, REPLY | FAILED)
        assert bytes(body) == b"HTTP 500: no water"
        sender.close()


def test_what_is_longer_than_told_is_rejected_before_it_is_sent(tmp_path: Path) -> None:
    with served(tmp_path) as here:
        sender = here.transport.sender(here.address)
        with pytest.raises(Rejected):
            sender.send(message(0, {"frame": np.zeros(LIMIT, np.uint8)}), SOON)
        assert sender.send(message(1, {"frame": FRAME, "gain": GAIN}), SOON)
        assert sender.reply(SOON) is not None
        sender.close()


def _there_and_back(parts: list[bytes | bytearray | memoryview], step: int = 1 << 20) -> bytes:
    """What the other side makes of a message, its bytes coming `step` at a time."""
    found, given = split(parts[1:])
    text = signed(bytes(parts[0]), found, "inputs")
    wire = text + b"".join(given)
    into = memoryview(bytearray(b"\xff" * 100_000))

    def land(seen: bytes):  # type: ignore[no-untyped-def]
        own = read_signed(seen, "inputs")
        assert own is not None
        return into, own[1]

    landing = Landing(len(wire), len(text), land)
    filled = 0
    while filled < len(wire):
        filled = landing.put(wire[filled : filled + step], filled)
    landing.end(filled)
    assert landing.error is None
    own = read_signed(text, "inputs")
    assert own is not None
    envelope, layout = own
    write_around(into, layout, envelope)
    return bytes(into[: layout.total])


@given(
    shapes=st.lists(st.lists(st.integers(0, 4), max_size=3), max_size=4),
    dtype=st.sampled_from(["bool", "int16", "uint64", "float16", "float64", "bfloat16"]),
    metadata=st.binary(max_size=40),
    seq=st.integers(0, 2**64 - 1),
    step=st.integers(1, 300),
)
def test_every_message_comes_out_byte_for_byte(
    shapes: list[list[int]], dtype: str, metadata: bytes, seq: int, step: int
) -> None:
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    arrays = {f"a{i}": np.arange(np.prod(s, dtype=int)).reshape(s).astype(kind) for i, s in enumerate(shapes)}
    parts = message(seq, arrays, metadata)
    assert not split(parts[1:])[0].opaque
    assert _there_and_back(parts, step) == b"".join(parts)


@given(body=st.lists(st.binary(max_size=300), max_size=5))
def test_any_other_body_is_one_tensor(body: list[bytes]) -> None:
    parts = [message(4, {})[0], *body]
    assert _there_and_back(parts) == b"".join(parts)


def test_complex_numbers_travel_as_they_are(tmp_path: Path) -> None:
    arrays = awkward_arrays()
    parts = message(9, arrays)
    assert split(parts[1:])[0].opaque
    back, _ = RAW.decode(memoryview(_there_and_back(parts))[64:])
    assert same_arrays(arrays, back)


# The JSON ------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_garbage_is_one_kind_of_error(text: bytes) -> None:
    for read in (read_json, lambda each: read_document(each, "inputs")):
        try:
            read(text)
        except MessageError:
            pass
        else:
            json.loads(text)


@given(st.integers(0, 60), st.data())
def test_depth_is_counted_outside_of_text(depth: int, data: st.DataObject) -> None:
    inner = json.dumps('[{\\"' * data.draw(st.integers(0, 40)))
    text = (b"[" * depth) + inner.encode() + (b"]" * depth)
    if depth <= 40:
        read_json(text)
    else:
        with pytest.raises(MessageError, match="nested too deep"):
            read_json(text)


@pytest.mark.parametrize(
    "text", [b'{"a":1,"a":2}', b"[NaN]", b"[1e999]", b"[Infinity]", b'"\xff"', b"{", b""]
)
def test_json_that_others_read_differently_is_refused(text: bytes) -> None:
    with pytest.raises(MessageError):
        read_json(text)


# The options ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"url": "http://127.0.0.1:8000"},
        {"url": "https://127.0.0.1:8000", "model": "m"},
        {"url": "http://user:hush@127.0.0.1", "model": "m"},
        {"url": "http://127.0.0.1/v2", "model": "m"},
        {"url": "http://127.0.0.1:99999", "model": "m"},
        {"url": "http://127.0.0.1", "model": "m", "queue": 3},
        {"token": "hush"},
        {"url": "http://127.0.0.1", "model": "m", "token": "hush\r\nX: y"},
        {"model": "../m"},
        {"model": "m?x"},
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        KserveHttp.model_validate(options)
    assert "hush" not in str(caught.value)


def test_no_dump_shows_the_token() -> None:
    transport = KserveHttp.model_validate({"url": "http://127.0.0.1", "model": "m", "token": "hush"})
    assert "hush" not in f"{transport!r} {transport.config()} {transport.model_dump_json()}"
    assert INPUTS[0].takes("uint8", (9, 5))
