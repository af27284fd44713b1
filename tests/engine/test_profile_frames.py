"""What samples of the profiler are told as: the phase by the path of calls, the function by its name."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from benchkit.engine import profile_phases
from benchkit.engine.flowing import FlowingProducer
from benchkit.engine.producer import Producer
from benchkit.engine.profile_frames import phases
from benchkit.engine.profile_phases import CHECKS, OWN, SOURCE, WAITING, identifier
from benchkit.engine.worker import Worker
from benchkit.records.profile import Frame
from benchkit.tensors.codecs.json_base64 import JsonBase64


def logged(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)

    return wrapper


class Ends:
    """Both ends, a stage and a codec in one: what the engine calls."""

    def take(self): ...
    def receive(self, timeout): ...
    def run(self, batch): ...
    def ack(self): ...

    @logged
    def send(self, parts, timeout): ...


ENDS = Ends()
PRODUCER = profile_phases.of_producer(ENDS.take, ENDS.send)
FLOWING = profile_phases.of_flowing(ENDS.take, ENDS.send)
WORKER = profile_phases.of_worker(ENDS.receive, ENDS.run)
ROOT = ["MainThread\0<thread>\x001", "_bootstrap\0threading.py\x001001", "do_serve\0handlers.py\x001"]


def stack(*functions) -> list[str]:
    return ROOT + [each if isinstance(each, str) else identifier(each) for each in functions]


def users(name: str, file: Path, line: int = 3) -> str:
    return f"{name}\0{file}\0{line}"


PRODUCED = [Producer.run, Producer._open_loop]
FLOWED = [Producer.run, FlowingProducer._open_loop, FlowingProducer._run_until]
WORKED = [Worker.run]


@pytest.mark.parametrize(
    ("rules", "functions", "phase"),
    [
        (PRODUCER, [*PRODUCED, Producer._send, JsonBase64.encode, json.dumps], "encode"),
        (PRODUCER, [*PRODUCED, Producer._send], "encode"),
        (PRODUCER, [*PRODUCED, Producer._send, ENDS.send, "sendmsg\0<built-in>\x000"], "send"),
        (PRODUCER, [*PRODUCED, Producer._send, Producer._collect, ENDS.receive], "send"),
        (PRODUCER, [*PRODUCED, Producer._wait, Producer._rest, "sleep\0<built-in>\x000"], WAITING),
        (PRODUCER, [*PRODUCED, Producer._wait, Producer._spin], WAITING),
        (PRODUCER, [*PRODUCED, Producer._wait, Producer._collect, Producer._see, Producer._check], CHECKS),
        (PRODUCER, [*PRODUCED, ENDS.take], SOURCE),
        (PRODUCER, [Producer.run], OWN),
        (PRODUCER, [json.dumps], OWN),
        (FLOWING, [*FLOWED, FlowingProducer._attempt, FlowingProducer._encode, JsonBase64.encode], "encode"),
        (FLOWING, [*FLOWED, FlowingProducer._attempt, ENDS.send, "sendmsg\0<built-in>\x000"], "send"),
        (FLOWING, [*FLOWED, FlowingProducer._pause, Producer._await_reply, ENDS.receive], WAITING),
        (FLOWING, [*FLOWED, FlowingProducer._collect, FlowingProducer._see, Producer._check], CHECKS),
        (FLOWING, [*FLOWED, FlowingProducer._admit, FlowingProducer._look_ahead, ENDS.take], SOURCE),
        (FLOWING, [*FLOWED, FlowingProducer._admit, "put\0waiting.py\x001"], OWN),
        (WORKER, [*WORKED, ENDS.receive, "select\0<built-in>\x000"], WAITING),
        (WORKER, [*WORKED, Worker._decode, JsonBase64.decode], "decode"),
        (WORKER, [*WORKED, Worker._gather, ENDS.receive], "batch"),
        (WORKER, [*WORKED, Worker._gather, Worker._decode, JsonBase64.decode], "decode"),
        (WORKER, [*WORKED, Worker._handle, ENDS.run, JsonBase64.encode, ENDS.send], "compute"),
        (WORKER, [*WORKED, Worker._handle, Worker._reply, JsonBase64.encode], "reply"),
        (WORKER, [*WORKED, Worker._handle, Worker._reply, Worker._hand_over, ENDS.send], "reply"),
        (WORKER, [*WORKED, Worker._handle, ENDS.ack], "reply"),
        (WORKER, [*WORKED, Worker._handle, Worker._verify, ENDS.ack], CHECKS),
    ],
)
def test_the_phase_is_told_from_who_called_whom(rules, functions, phase):
    found = phases([(stack(*functions), 0.5)], rules)
    assert set(found) == {phase}
    assert (found[phase].samples, found[phase].seconds) == (1, 0.5)


def compute(tmp_path: Path, *paths: tuple[list[str], float]) -> tuple[Frame, ...]:
    """Frames of `compute` for what the stage called, with seconds."""
    samples = [(stack(*WORKED, Worker._handle, ENDS.run, *inner), seconds) for inner, seconds in paths]
    return phases(samples, WORKER)["compute"].frames


def test_a_users_function_is_named_with_file_and_line_and_its_share(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "detector.py"
    frames = compute(tmp_path, ([users("hot", file, 12)], 3.0), ([users("cold", file, 40)], 1.0))
    assert [(frame.name, frame.where, frame.share) for frame in frames] == [
        ("detector.hot", "detector.py:12", 0.75),
        ("detector.cold", "detector.py:40", 0.25),
    ]


def test_the_class_is_named_and_the_line_that_ran_makes_no_other_function(tmp_path):
    named = users("run", tmp_path / "net.py", 7)
    frames = compute(tmp_path, ([f"{named}\1cNet\1l9"], 1.0), ([f"{named}\1cNet\1l11"], 1.0))
    assert [(frame.name, frame.share) for frame in frames] == [("Net.run", 1.0)]


def test_built_in_functions_are_counted_where_they_are_called(tmp_path):
    hot = users("hot", tmp_path / "detector.py")
    (frame,) = compute(tmp_path, ([hot, "dot\0<built-in>\x000"], 3.0), ([hot], 1.0))
    assert (frame.name, frame.builtin, frame.share) == ("detector.hot", "dot", 1.0)
    (frame,) = compute(tmp_path, ([hot, "dot\0<built-in>\x000"], 1.0), ([hot], 3.0))
    assert frame.builtin == ""


def test_a_helper_says_which_of_the_users_functions_called_it_most(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "detector.py"
    hot, cold, spin = users("hot", file, 5), users("cold", file, 8), users("spin", file, 1)
    (frame,) = compute(tmp_path, ([hot, spin], 3.0), ([cold, spin], 1.0))
    assert (frame.name, frame.caller, frame.caller_share) == (
        "detector.spin",
        "detector.hot (detector.py:5)",
        0.75,
    )
    (frame,) = compute(tmp_path, ([hot, identifier(json.dumps)], 1.0))
    assert (frame.name, frame.where, frame.caller) == (
        "json.dumps",
        f"json/__init__.py:{json.dumps.__code__.co_firstlineno}",
        "detector.hot (detector.py:5)",
    )


def test_names_of_anybodys_code_are_one_printable_line_of_bounded_length(tmp_path):
    (frame,) = compute(tmp_path, ([users("evil\n\x1b[31m" + "x" * 900, tmp_path / "a\u202eb.py")], 1.0))
    for text in (frame.name, frame.where):
        assert text.isprintable()
        assert len(text) <= 120


def test_a_file_outside_of_every_import_path_shows_no_folders(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    secret = Path("/home/somebody/private/detector.py")
    monkeypatch.setattr("sys.path", ["/usr/lib/nowhere"])
    monkeypatch.chdir(tmp_path)
    (frame,) = compute(tmp_path, ([users("hot", secret)], 1.0))
    assert frame.where == "detector.py:3"


def test_a_moment_without_a_core_outweighs_no_hundred_others(tmp_path):
    file = tmp_path / "detector.py"
    hot, cold = [users("hot", file)], [users("cold", file)]
    samples = [(hot, 0.001)] * 75 + [(cold, 0.001)] * 24 + [(cold, 0.5)]
    found = phases([(stack(*WORKED, Worker._handle, ENDS.run, *inner), s) for inner, s in samples], WORKER)
    compute = found["compute"]
    assert [(frame.name, round(frame.share, 2)) for frame in compute.frames] == [
        ("detector.hot", 0.72),
        ("detector.cold", 0.28),
    ]
    assert compute.seconds + compute.rare_s == pytest.approx(0.099 + 0.5)
    assert compute.rare_s == pytest.approx(0.495)


def test_what_is_always_long_counts_in_full(tmp_path):
    long = [users("native", tmp_path / "detector.py")]
    short = [users("python", tmp_path / "detector.py")]
    frames = compute(tmp_path, *[(long, 0.1)] * 10, *[(short, 0.001)] * 100)
    assert frames[0].share == pytest.approx(1.0 / 1.1)


def test_waits_are_as_long_as_they_are():
    samples = [(stack(*WORKED, ENDS.receive), seconds) for seconds in (0.001, 0.001, 0.001, 2.0)]
    assert phases(samples, WORKER)[WAITING].seconds == pytest.approx(2.003)
