"""What fuzzing has found, each by its smallest input: one declared error, and no memory for what is only announced."""

from __future__ import annotations

import io
import json
import resource
import struct
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from fuzz_targets import brokers, others
from fuzz_targets.fed import FedLink, FedSocket
from fuzz_targets.runs import CELL, a_small_run

from benchkit.analysis.document import document
from benchkit.cli import cli
from benchkit.engine.channel import Channel
from benchkit.errors import BrokerError, MessageError, RecordError, ScenarioError, UsageError
from benchkit.klv import ts as streams
from benchkit.load._trace.layout import Layout
from benchkit.load._trace.read import read as arrivals
from benchkit.records import reading
from benchkit.records.folder import save
from benchkit.records.names import sample_file
from benchkit.scenario import load
from benchkit.transports._kserve.landing import Landing
from benchkit.transports._rabbitmq import methods
from benchkit.transports._redis.resp import Resp
from benchkit.transports.buffers import Pool

HUGE, LATE = (Path(__file__).with_name(name) for name in ("huge-frame.ts", "late-stream.ts"))
WHOLE = b"\0"
"""Of an input of a broker's: all bytes come at once."""


@pytest.mark.parametrize("answer", [b":x\r\n", b":\r\n", b"(1.5\r\n", b",one\r\n", b"*1\r\n:-\r\n"])
def test_a_redis_answer_that_is_no_number(answer):
    with pytest.raises(BrokerError, match="not an answer in the Redis protocol"):
        brokers.resp(b"\0" + WHOLE + answer)


@pytest.mark.parametrize("opening", [b"*1\r\n", b"%1\r\n", b">1\r\n", b"|1\r\n", b"*1\r\n>1\r\n"])
def test_redis_answers_nested_without_end(opening):
    with pytest.raises(BrokerError, match="not an answer in the Redis protocol"):
        brokers.resp(b"\0" + WHOLE + opening * 3000)
    deep = b"*1\r\n" * 20 + b":1\r\n"
    assert Resp(FedLink(WHOLE + deep), lambda: None).read() is not None


@pytest.mark.parametrize("nbytes", [methods.MAX_MESSAGE_BYTES + 1, 1 << 40, (1 << 64) - 1])
def test_an_amqp_message_longer_than_any_may_be(nbytes):
    deliver = methods.method(methods.DELIVER, bytes(30))
    header = methods.frame(methods.HEADER, struct.pack(">HHQH", 60, 0, nbytes, 0))
    with pytest.raises(BrokerError, match="none has more than"):
        brokers.amqp(WHOLE + deliver + header)


@pytest.mark.parametrize(
    "verb",
    [
        b"MSG q 1 -3\r\n",
        b"HMSG q 1 9 5\r\n",
        b"HMSG q 1 -1 5\r\n",
        b"MSG q 1 99999999999\r\n",
        b'MSG i 0 11\r\n{"error":1}\r\n',
        b"MSG i 0 1\r\n[\r\n",
        b"MSG i 0 5000\r\n" + b"[" * 5000 + b"\r\n",
    ],
)
def test_a_nats_verb_that_makes_no_sense(verb):
    with pytest.raises(BrokerError):
        brokers.nats(WHOLE + verb)


def test_a_nats_error_without_a_number_is_still_the_servers_refusal():
    text = b'{"error":{"err_code":"many","description":["x"]}}'
    brokers.nats(WHOLE + b"MSG i 0 %d\r\n%s\r\n" % (len(text), text))


@pytest.mark.parametrize("info", [b"[]", b"3", b"null", b"[" * 500])
def test_a_nats_greeting_that_is_no_mapping(info):
    with pytest.raises(BrokerError, match="speaks no NATS"):
        others.greeting(WHOLE + b"INFO " + info + b"\r\nPONG\r\n")


def test_a_nats_server_that_says_no_number_of_bytes():
    others.greeting(WHOLE + b'INFO {"max_payload": "many"}\r\nPONG\r\n')


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x80\x80", b"\x81\x90\x01", b"\x91" * 2000])
def test_a_control_message_that_is_none_ends_the_channel(body):
    with pytest.raises(EOFError):
        others.channel(b"\1" + body)


def grown_bytes(act):
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_control_message_takes_memory_as_it_comes():
    def act():
        with pytest.raises(EOFError, match="gone"):
            Channel(FedSocket(b"\4" + struct.pack("<Q", 8 << 30) + bytes(5000))).recv()

    assert grown_bytes(act) < 4 << 20


def test_json_before_tensors_takes_memory_as_it_comes():
    content = b"[" + b"1," * (2 << 20) + b"1]"
    told = []
    landing = Landing(64 << 20, None, told.append)

    def act():
        filled = 0
        for at in range(0, len(content), 1 << 16):
            filled = landing.put(content[at : at + (1 << 16)], filled)
        assert filled == len(content)

    assert grown_bytes(act) < 24 << 20
    assert landing.json[: len(content)] == content


def test_a_buffer_for_what_is_announced_is_not_touched_before_it_comes(monkeypatch):
    touched = []
    monkeypatch.setattr(
        "benchkit.transports.buffers.fresh",
        lambda nbytes, *, touch=True: touched.append((nbytes, touch)) or memoryview(bytearray(16)),
    )
    pool = Pool(16)
    pool.give(pool.take())
    pool.take(64)
    assert touched == [(16, True), (64, False)]


@pytest.mark.parametrize("value", ["!!int x", "!!int 0x", '!!int ""', "!!float one", '!!float ""'])
def test_a_written_tag_that_the_text_is_not(value, tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(f"name: x\nsource: sensors\ntransport: shm\nload: {{arrival: constant, rate: {value}}}\n")
    with pytest.raises(ScenarioError, match=r"not a (whole |finite )?number"):
        load(path)


def npy_with(head: bytes) -> bytes:
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head


HEADS = [b"{'descr': (", b"{", b"(" * 3000, b"-" * 4000 + b"1", b"'''"]


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("head", HEADS)
def test_the_head_of_an_npy_file_that_is_no_python(head, tmp_path):
    times = tmp_path / "times.npy"
    times.write_bytes(npy_with(head))
    with pytest.raises(UsageError, match="no npy file"):
        arrivals(times, Layout(None, None, "s"))
    (tmp_path / "samples").mkdir()
    (tmp_path / sample_file(CELL)).write_bytes(npy_with(head))
    with pytest.raises(RecordError, match="not a sample file"):
        reading.samples(tmp_path, CELL, 1)


def test_a_moment_with_an_exponent_beyond_decimals(tmp_path):
    times = tmp_path / "times.jsonl"
    times.write_text("1\n1e99999999999999999999\n")
    with pytest.raises(UsageError, match="not JSON"):
        arrivals(times, Layout(None, None, "s"))


def test_a_run_that_contradicts_itself_is_damaged_and_no_traceback(tmp_path):
    run = a_small_run()
    plain = replace(run.cells[0], link=None, hops=(), search=None)
    run.cells = [plain]
    folder = save(run, document(run), tmp_path)
    record = json.loads((folder / "record.json").read_text())
    record["cells"][0]["link"] = {"name": "lan"}
    (folder / "record.json").write_text(json.dumps(record))
    done = CliRunner().invoke(cli, ["report", str(folder)])
    assert isinstance(done.exception, RecordError)
    assert "contradicts itself" in str(done.exception)


@pytest.mark.parametrize("producers", [0, -1, 1 << 40])
def test_a_record_of_more_producers_than_there_can_be(producers, tmp_path):
    run = a_small_run()
    header = reading.header(run, {CELL: 6}, 0)
    header["cells"][0]["producers"] = producers
    (tmp_path / "record.json").write_text(json.dumps(header))
    with pytest.raises(RecordError, match="producers"):
        reading.record(tmp_path)


@pytest.mark.parametrize(
    "command", [["export", "--format", "csv"], ["export", "--format", "junit"], ["baseline", "save"]]
)
def test_a_run_json_without_a_field_is_damaged_and_no_traceback(command, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"schema": "benchkit.run/1", "cells": [{"id": "a"}], "started_utc": "2026"}))
    done = CliRunner().invoke(cli, [*command, str(path)])
    assert isinstance(done.exception, RecordError)
    assert "contradicts itself" in str(done.exception)


def test_moments_of_a_shape_that_no_machine_counts(tmp_path):
    times = tmp_path / "times.npy"
    shape = b"9" * 40
    times.write_bytes(npy_with(b"{'descr': '<f8', 'fortran_order': False, 'shape': (%s,), }\n" % shape))
    with pytest.raises(UsageError, match="no npy file"):
        arrivals(times, Layout(None, None, "s"))


def test_a_transport_stream_takes_no_memory_for_frames_that_it_only_announces():
    """An H.264 parameter set of 13376 x 13408 pixels: its first frame would take 760 MiB to decode."""
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    units = list(streams.read(io.BytesIO(HUGE.read_bytes())))
    assert any(not unit.is_klv for unit in units)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 64 << 10


def test_a_stream_that_begins_after_the_tables_of_a_transport_stream():
    with pytest.raises(MessageError, match="a stream begins"):
        list(streams.read(io.BytesIO(LATE.read_bytes())))
