"""A synchronous service at twice what it can do, with time-outs and retries, beside a queue under the same load."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchkit import scenario
from benchkit.analysis.document import document
from benchkit.engine.runner import Runner

TEXT = """
name: storm
source: {kind: images, form: jpeg, distinct: 2, sizes: {median: 8kB, sigma: 0.3, least: 4kB, most: 16kB}}
stage: {kind: image, size: 32x32, accelerator: 20ms}
transport: {kind: redis-list, depth: 256}
flow: {deadline: 5s}
load: {arrival: constant, rate: 90/s}
blocks: {rounds: 1, duration: 800ms, warmup: 50ms, drain: 4s}
include:
  - transport: {kind: http, depth: 128, queue: 16}
    flow: {deadline: 5s, timeout: 100ms, hangs_up: true, retry: {attempts: 3, backoff: 10ms, budget: null}}
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory):
    path: Path = tmp_path_factory.mktemp("storm") / "storm.yaml"
    path.write_text(TEXT)
    return document(Runner(scenario.load(path), lambda progress: None, floors=False).run())


def test_the_synchronous_form_collapses_and_the_queue_does_not(found) -> None:
    cells = {cell["transport"]: cell for cell in found["cells"]}
    queue, waiting = cells["redis-list"], cells["http"]
    assert queue["account"]["delivered"] == queue["account"]["scheduled"]
    assert queue["bulk"]["backlog"]["most"] > 20
    assert waiting["account"]["delivered"] < 0.8 * waiting["account"]["scheduled"]
    traffic = waiting["traffic"]
    assert traffic["timed_out"] > 0
    assert traffic["refused"] > 0
    # What the stage did for clients that had hung up.
    assert traffic["late"] > 0
    assert traffic["retries"] > 0.3 * waiting["account"]["scheduled"]
    account = waiting["account"]
    places = ("delivered", "dropped", "rejected", "dead_lettered", "lost", "pending")
    assert sum(account[name] for name in places) == account["scheduled"]


def test_it_is_the_first_thing_said(found) -> None:
    (told,) = found["collapse"]
    (fallen,) = told["fallen"]
    assert told["best"].startswith("redis-list/")
    assert fallen["cell"].startswith("http/")
    assert fallen["goodput_ratio"] < 0.8
    assert fallen["attempts_per_message"] > 1.3
    assert found["answer"][: len(told["sentences"])] == told["sentences"]
    assert "http raw" in told["sentences"][0]
    assert "decoding pictures" in told["sentences"][-1]


def test_the_ledger_tells_what_decoding_took_of_compute(found) -> None:
    for cell in found["cells"]:
        told = cell["told"]
        assert 0 < told["decode_us"]["mean"] < cell["phases_us"]["compute"]["mean"]
        assert told["model_us"]["mean"] >= 20_000
