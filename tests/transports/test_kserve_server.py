"""benchkit drives an inference server that runs already: what it sends, what it makes of the answers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from kserve_ends import RAW, SOON, message, setup
from kserve_server import Manner, running

from benchkit.errors import BrokerError, InputMismatch, Rejected, UsageError
from benchkit.runtime.folders import SEGMENTS
from benchkit.tensors.wire import FAILED, REPLY, unpack
from benchkit.testing import check_transport
from benchkit.transports._kserve.sender import KserveSender
from benchkit.transports.base import ArraySpec, Reply
from benchkit.transports.kserve_http import KserveHttp

WINDOW = np.arange(16, dtype=np.float32).reshape(4, 4)
WORD, OTHER = "hush-hush", "another"
MADE = (ArraySpec("window", "float32", (4, 4)),)


@contextmanager
def driven(
    folder: Path, manner: Manner, made: tuple[ArraySpec, ...] = MADE, **options: object
) -> Iterator[KserveSender]:
    with running(manner) as url:
        transport = KserveHttp.model_validate({"url": url, "model": "sums", **options})
        with transport.prepare(setup(folder, made)) as address:
            sender = transport.sender(address)
            try:
                yield sender
            finally:
                sender.close()


def asked(sender: KserveSender, seq: int = 3) -> Reply:
    assert sender.send(message(seq, {"window": WINDOW}, b"klv"), SOON)
    reply = sender.reply(SOON)
    assert reply is not None
    return reply


def test_a_reply_is_one_as_the_engine_knows_it(tmp_path: Path) -> None:
    manner = Manner()
    with driven(tmp_path, manner) as sender:
        for seq in (0, 1, 2**63):
            envelope, body = unpack(asked(sender, seq).view)
            assert (envelope.seq, envelope.flags, envelope.item) == (seq, REPLY, 7)
            arrays, metadata = RAW.decode(body)
            assert arrays["sum"].tolist() == [120.0]
            assert metadata == b""
    _, headers, body = manner.requests[0]
    length = int(headers["inference-header-content-length"])
    assert json.loads(body[:length]) == {
        "id": "benchkit-00000000000000000000", "parameters": {"binary_data_output": True},
        "inputs": [
            {"name": "window", "datatype": "FP32", "shape": [4, 4], "parameters": {"binary_data_size": 64}}
        ],
    }  # fmt: skip
    assert body[length:] == WINDOW.tobytes()


def test_json_where_the_server_knows_no_binary(tmp_path: Path) -> None:
    manner = Manner(extensions=())
    with driven(tmp_path, manner) as sender:
        assert RAW.decode(unpack(asked(sender).view)[1])[0]["sum"].tolist() == [120.0]
    _, headers, body = manner.requests[0]
    assert "inference-header-content-length" not in headers
    assert json.loads(body)["inputs"][0]["data"] == WINDOW.reshape(-1).tolist()


def test_a_model_that_batches_gets_batches_of_one(tmp_path: Path) -> None:
    manner = Manner([{"name": "window", "datatype": "FP32", "shape": ["-1", "4", "-1"]}], batched=True)
    with driven(tmp_path, manner) as sender:
        assert RAW.decode(unpack(asked(sender).view)[1])[0]["sum"].shape == (1,)
    assert b'"shape":[1,4,4]' in manner.requests[0][2]


def test_an_array_under_the_models_name(tmp_path: Path) -> None:
    manner = Manner([{"name": "INPUT__0", "datatype": "FP32", "shape": [4, 4]}])
    with driven(tmp_path, manner, inputs={"window": "INPUT__0"}) as sender:
        asked(sender)
    assert b'"name":"INPUT__0"' in manner.requests[0][2]


@pytest.mark.parametrize("depth", [1, 3])
def test_shared_memory_by_reference(tmp_path: Path, depth: int) -> None:
    manner = Manner()
    before = set(SEGMENTS.iterdir())
    with driven(tmp_path, manner, shared_memory=True, depth=depth) as sender:
        for seq in range(3 * depth):
            assert sender.send(message(seq, {"window": WINDOW + seq}), SOON)
            reply = sender.reply(SOON)
            assert reply is not None
            assert RAW.decode(unpack(reply.view)[1])[0]["sum"].tolist() == [120.0 + 16 * seq]
        for seq in range(depth):
            assert sender.send(message(seq, {"window": WINDOW + seq}), SOON)
        assert not sender.send(message(99, {"window": WINDOW}), 0.0)
        totals = set()
        for _ in range(depth):
            reply = sender.reply(SOON)
            assert reply is not None
            totals.add(float(RAW.decode(unpack(reply.view)[1])[0]["sum"][0]))
        assert totals == {120.0 + 16 * seq for seq in range(depth)}
    assert WINDOW.tobytes() not in b"".join(body for _, _, body in manner.requests)
    assert not manner.regions
    assert set(SEGMENTS.iterdir()) <= before


def test_a_server_that_shares_no_memory_is_quoted(tmp_path: Path) -> None:
    manner = Manner(extensions=("binary_tensor_data",))
    said = r"(?s)HTTP 404 no /v2/systemsharedmemory.*shared_memory: false"
    with pytest.raises(UsageError, match=said), driven(tmp_path, manner, shared_memory=True):
        pass
    assert not list(SEGMENTS.glob("t0123456789*"))


def test_the_counters_are_the_servers_own(tmp_path: Path) -> None:
    manner = Manner()
    with running(manner) as url:
        transport = KserveHttp(url=url, model="sums")
        with transport.prepare(setup(tmp_path, MADE)) as address:
            manner.count = 5
            assert transport.server_times(address) == {"requests": 5, "queue_ns": 5000, "compute_ns": 15000}
            manner.extensions = ()
            assert transport.server_times(address) is None
    assert transport.server_times(address) is None


# What goes wrong ----------------------------------------------------------------------------------------


def test_a_servers_error_is_a_failed_reply_in_its_words(tmp_path: Path) -> None:
    with driven(tmp_path, Manner(status=500)) as sender:
        envelope, body = unpack(asked(sender).view)
        assert (envelope.seq, envelope.flags, envelope.item) == (3, REPLY | FAILED, 7)
        assert bytes(body) == b"HTTP 500: the model burst"


@pytest.mark.parametrize("status", [503, 429])
def test_a_server_that_is_busy_rejects(tmp_path: Path, status: int) -> None:
    with driven(tmp_path, Manner(status=status)) as sender:
        reply = asked(sender)
        assert reply.rejected
        assert reply.view == message(3, {"window": WINDOW}, b"klv")[0]


def test_redirects_are_refused(tmp_path: Path) -> None:
    manner = Manner(location="http://127.0.0.1:1/")
    with driven(tmp_path, manner) as sender:
        manner.status = 307
        with pytest.raises(BrokerError, match="redirects are refused"):
            asked(sender)
    with (
        running(Manner(token=WORD)) as url,
        ExitStack() as held,
        pytest.raises(BrokerError, match="not ready: HTTP 401 who are you"),
    ):
        held.enter_context(KserveHttp(url=url, model="sums").prepare(setup(tmp_path, MADE)))


def test_the_token_goes_along_and_is_never_shown(tmp_path: Path) -> None:
    manner = Manner(token=WORD)
    with driven(tmp_path, manner, token=WORD) as sender:
        asked(sender)
        manner.token = OTHER
        with pytest.raises(BrokerError) as caught:
            asked(sender)
        assert "401" in str(caught.value)
        assert "hush" not in str(caught.value)
    with running(manner) as url:
        transport = KserveHttp.model_validate(
            {"url": url, "model": "sums", "token": "another", "token_header": "X-K"}
        )
        with ExitStack() as held, pytest.raises(BrokerError):
            held.enter_context(transport.prepare(setup(tmp_path, MADE)))
    assert manner.asked[-1][1]["x-k"] == "another"
    assert "authorization" not in manner.asked[-1][1]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        (
            [{"name": "frame", "datatype": "FP32", "shape": [4, 4]}],
            "the model takes frame, the source makes window",
        ),
        ([{"name": "window", "datatype": "UINT8", "shape": [4, 4]}], "takes window UINT8"),
        (
            [{"name": "window", "datatype": "FP32", "shape": [4, 5]}],
            "takes window FP32 [4, 5]; the source makes window FP32 [4, 4]",
        ),
        ([{"name": "window", "datatype": "FP32", "shape": [2, 4, 4]}], "takes window FP32 [2, 4, 4]"),
    ],
)
def test_a_model_that_takes_other_tensors_is_refused(
    tmp_path: Path, inputs: list[dict[str, object]], said: str
) -> None:
    with pytest.raises(InputMismatch) as caught, driven(tmp_path, Manner(inputs)):
        pass
    assert said in str(caught.value)
    assert caught.value.remedy
    assert caught.value.exit_code == 2


def test_renaming_what_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.raises(InputMismatch, match="renames image"),
        driven(tmp_path, Manner(), inputs={"image": "window"}),
    ):
        pass


def test_nobody_there(tmp_path: Path) -> None:
    with running(Manner()) as url:
        pass
    with ExitStack() as held, pytest.raises(BrokerError, match="does not answer"):
        held.enter_context(KserveHttp(url=url, model="sums").prepare(setup(tmp_path, MADE)))
    with (
        running(Manner()) as url,
        ExitStack() as held,
        pytest.raises(BrokerError, match="not ready: HTTP 404"),
    ):
        held.enter_context(KserveHttp(url=url, model="other").prepare(setup(tmp_path, MADE)))


def test_another_machine_only_when_asked(tmp_path: Path) -> None:
    with ExitStack() as held, pytest.raises(UsageError, match="allow_remote"):
        held.enter_context(KserveHttp(url="http://192.0.2.1", model="m").prepare(setup(tmp_path)))


def test_a_body_without_arrays_is_rejected_and_its_place_comes_free(tmp_path: Path) -> None:
    with driven(tmp_path, Manner(), depth=1, shared_memory=True) as sender:
        for _ in range(3):
            with pytest.raises(Rejected, match="named tensors alone"):
                sender.send([message(0, {})[0], b"anything"], SOON)
        assert math.isclose(RAW.decode(unpack(asked(sender).view)[1])[0]["sum"][0], 120.0)


def test_such_a_stage_has_no_end_to_check() -> None:
    transport = KserveHttp(url="http://127.0.0.1:1", model="m")
    assert transport.capabilities().external_stage
    with pytest.raises(UsageError, match="no receiving end"):
        check_transport(transport)
