"""Gil Tene's case: one stall of 1.4 s in a steady run, and what it does to percentiles that are counted rightly.

("How NOT to Measure Latency": a client that waits for the stalled answer before it sends again sees one slow
message and leaves out all that should have been sent meanwhile.)
"""

from __future__ import annotations

import io

import numpy as np
import pytest
from queueing import starts
from real import cell, delivered, measured
from rich.console import Console

from benchkit.analysis.document import document
from benchkit.analysis.quantiles import PERCENTILES, rank
from benchkit.load.constant import Constant
from benchkit.report.story import story
from benchkit.report.terminal import report
from benchkit.scenario.plan import Blocks
from benchkit.stages.python import Python
from benchkit.transports.shm import Shm

pytestmark = pytest.mark.quiet

STALL_S, RATE_PER_S, AT = 1.4, 200, 100
BLOCKS = Blocks(1, 3.0, 0.0, 4.0)
MESSAGES = int(BLOCKS.duration_s * RATE_PER_S)
STALLED = int(STALL_S * RATE_PER_S)
STAGE = f"""
import itertools
import time
import numpy as np

class Stalls:
    def __init__(self):
        self.calls = itertools.count()

    def __call__(self, arrays):
        if next(self.calls) == {AT}:
            time.sleep({STALL_S})
        return {{"done": np.ones(1)}}

class StallsToo(Stalls):
    pass
"""


@pytest.fixture(scope="module")
def run_and_entries(tmp_path_factory):
    """The same stall behind a queue with room for everything and behind one with room for one message."""
    folder = tmp_path_factory.mktemp("stage")
    (folder / "stalling.py").write_text(STAGE)

    def stage(name):
        return Python(target=f"stalling:{name}", path=folder)

    load = Constant(rate=RATE_PER_S)
    cells = [
        cell("deep", stage("Stalls"), load),
        cell("shallow", stage("StallsToo"), load, transport=Shm(depth=1)),
    ]
    return measured(cells, BLOCKS)


@pytest.fixture(scope="module")
def runs(run_and_entries):
    """Samples and entry of run.json by the queue's name."""
    run, entries = run_and_entries
    return {name: (delivered(run.samples[name]), entry) for name, entry in entries.items()}


def latencies_by_theory_s(samples, services):
    """From the schedule alone: the recursion, message by message."""
    due = (samples["due"] - samples["due"][0]) / 1e9
    return starts(due, services) + services - due


def exact_s(percentile: str) -> float:
    """Of the stall alone: message j of it waits what is left of it, a straight line from 1.4 s to 0."""
    left = np.maximum(0, STALL_S - np.arange(MESSAGES) / RATE_PER_S)
    return float(np.sort(left)[rank(MESSAGES, PERCENTILES[percentile]) - 1])


@pytest.mark.parametrize("name", ["deep", "shallow"])
def test_percentiles_from_due_are_those_of_the_schedule_and_the_stall(runs, name):
    samples, entry = runs[name]
    assert len(samples) == MESSAGES
    stall = np.zeros(MESSAGES)
    stall[AT] = STALL_S
    measured_s = (samples["returned"] - samples["due"]) / 1e9
    # Nothing is faster than the stall alone would let it be, and what is slower the stage's own time explains.
    assert (measured_s >= latencies_by_theory_s(samples, stall)).all()
    worked = (samples["finished"] - samples["started"]) / 1e9
    explained = np.sort(latencies_by_theory_s(samples, worked))
    for percentile in ("p90", "p99"):
        told = entry["latency_us"][percentile] / 1e6
        assert exact_s(percentile) <= told <= 1.15 * explained[rank(MESSAGES, PERCENTILES[percentile]) - 1]
    assert exact_s("p99") == pytest.approx(STALL_S - 6 / RATE_PER_S)


def during_the_stall(samples, stamp):
    begin, end = samples["started"][AT], samples["finished"][AT]
    return int(np.count_nonzero((samples[stamp] > begin) & (samples[stamp] < end)))


def test_with_room_in_the_queue_the_producer_goes_on_sending(runs):
    samples, entry = runs["deep"]
    due = during_the_stall(samples, "due")
    assert due >= STALLED - 1
    assert during_the_stall(samples, "sent") >= 0.8 * due
    # The wait is the stage's queue, and whoever counts from the send sees it too.
    assert entry["phases_us"]["queue"]["p99"] > 0.9 * exact_s("p99") * 1e6
    assert entry["service_us"]["p99"] > 0.9 * entry["latency_us"]["p99"]


def test_without_room_the_wait_is_told_as_lateness_and_the_service_time_hides_it(runs):
    samples, entry = runs["shallow"]
    # One in the queue, one in `send`: the others leave when the stall is over.
    assert during_the_stall(samples, "sent") <= 1
    assert during_the_stall(samples, "taken") <= 2
    assert entry["phases_us"]["lateness"]["p99"] > 0.9 * exact_s("p99") * 1e6
    assert entry["service_us"]["p99"] < 0.5 * entry["latency_us"]["p99"]
    assert entry["service_us"]["max"] > 0.9 * STALL_S * 1e6
    codes = {reason["code"] for reason in entry["validity"]["reasons"] if reason["severity"] == "invalid"}
    assert "offered-load-not-reached" in codes


def test_every_report_says_what_counting_from_the_send_would_have_read(run_and_entries):
    run, _ = run_and_entries
    told = document(run)
    (sentence,) = [sentence for sentence in told["answer"] if "counted from the actual send" in sentence]
    assert sentence.startswith("shallow, 64 B: p99 counts from the moment a message was due: ")
    page = " ".join(claim.text for claim in story(run, told).answer)
    assert sentence in page
    console = Console(file=io.StringIO(), width=400)
    console.print(report(told))
    assert sentence in console.file.getvalue()
