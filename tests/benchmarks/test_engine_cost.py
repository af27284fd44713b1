"""What the engine itself costs a message: `inproc`, the null stage, both ends in one process.

    pytest tests/benchmarks -n0 --benchmark-enable -s

prints the CPU time of both sides per message, and of a stamp. No time is asserted: it belongs to the machine.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchkit.engine.feed import Pool, first_items, prepare
from benchkit.engine.handlers import _settle
from benchkit.engine.producer import Producer
from benchkit.engine.task import Task
from benchkit.engine.worker import COLUMNS, Worker
from benchkit.load.closed import Closed
from benchkit.sources.sensors import Sensors
from benchkit.stages.null import Null
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports.base import Setup
from benchkit.transports.inproc import Inproc

ROUND_S = 0.25


def task(**changed: Any) -> Task:
    plain: dict[str, Any] = {
        "cell": "inproc/raw", "source": {}, "codec": {}, "transport": {}, "stage": {}, "load": {}, "where": {},
        "first_seq": 0, "batch_size": 1, "batch_delay_s": 0.0, "replies": True, "duration_s": ROUND_S,
        "warmup_s": 0.02, "drain_s": 1.0, "payload_seed": 1, "schedule_seed": 1, "stage_seed": 1,
        "checksum_every": 64, "stop_on_error": True, "one_process": True,
    }  # fmt: skip
    return Task(**{**plain, **changed})


class Round:
    """One block's ends, driven without a runner."""

    def __init__(self, folder: Path, places: int) -> None:
        self._places = places
        self._task, self._codec = task(), Raw()
        items = first_items(Sensors(samples=4, channels=4, distinct=8), 1, 8)
        self._prepared = [prepare(item, self._codec, index) for index, item in enumerate(items)]
        self._setup = Setup("benchkit-cost", folder, 4096, 4096, 1, lambda _, make: make().__enter__())
        self.figures: list[dict[str, float]] = []

    def __call__(self) -> None:
        transport = Inproc(depth=self._places)
        stopping: list[str] = []
        with transport.prepare(self._setup) as address:
            worker = Worker(
                self._task,
                self._codec,
                transport.receiver(address, 0),
                Null().open(0),
                lambda: "".join(stopping),
            )
            thread = threading.Thread(target=self._serve, args=(worker,))
            producer = Producer(
                self._task, Pool(self._prepared), self._codec, transport.sender(address), {}, lambda: False
            )
            _settle()
            thread.start()
            producer.run(Closed(in_flight=self._places))
            stopping.append("drain")
            thread.join()
        self._keep(producer.result(), self._stage)

    def _serve(self, worker: Worker) -> None:
        worker.run()
        # The thread's own CPU clock: only it can read that.
        self._stage = worker.result()

    def _keep(self, produced: dict[str, Any], served: dict[str, Any]) -> None:
        returned = np.frombuffer(produced["columns"]["returned"], np.int64)
        assert returned.all()
        count = len(returned) - produced["warmup_messages"]
        producer_us, stage_us = (side["cpu_ns"] / count / 1e3 for side in (produced, served))
        self.figures.append({"producer_us": producer_us, "stage_us": stage_us, "count": count})

    def median(self, name: str) -> float:
        return float(np.median([figures[name] for figures in self.figures]))


@pytest.fixture
def unfrozen() -> Iterator[None]:
    """The engine moves everything out of the garbage collector's sight; the other tests want it back."""
    import gc

    yield
    with contextlib.suppress(RuntimeError):
        gc.unfreeze()


@pytest.mark.parametrize("places", [1, 8])
def test_cpu_of_both_sides_per_message(benchmark: Any, tmp_path: Path, unfrozen: None, places: int) -> None:
    once = Round(tmp_path, places)
    benchmark.pedantic(once, rounds=5, iterations=1)
    told = {name: round(once.median(name), 2) for name in ("producer_us", "stage_us", "count")}
    both = told["producer_us"] + told["stage_us"]
    benchmark.extra_info.update(told, both_us=both)
    print(f"\n{places} in flight: {both:.1f} us CPU a message, both sides; {json.dumps(told)}")  # noqa: T201  (what it is for)
    assert told["count"] > 0


STAMPED = 10_000


def stamp_like_the_producer() -> None:
    """Five columns, each stamp a read of the clock and a store in place."""
    clock = time.monotonic_ns
    columns = [array("q") for _ in range(5)]
    for index in range(STAMPED // len(columns)):
        for column in columns:
            column.append(0)
            column[index] = clock()


def stamp_like_the_worker() -> None:
    """A row at once: seq and ok are no stamps, one clock read stands for each of the others."""
    clock = time.monotonic_ns
    rows = array("q")
    stamps = len(COLUMNS) - 2
    for seq in range(STAMPED // stamps):
        rows.extend((seq, clock(), clock(), clock(), clock(), clock(), clock(), True))


@pytest.mark.parametrize("stamps", [stamp_like_the_producer, stamp_like_the_worker])
def test_cost_of_a_stamp(benchmark: Any, stamps: Any) -> None:
    took = []

    def once() -> None:
        before = time.thread_time_ns()
        stamps()
        took.append((time.thread_time_ns() - before) / STAMPED)

    benchmark.pedantic(once, rounds=9, iterations=1)
    benchmark.extra_info.update(ns_per_stamp=float(np.median(took)))
    print(f"\n{stamps.__name__}: {np.median(took):.0f} ns a stamp")  # noqa: T201  (what it is for)
    assert min(took) > 0
