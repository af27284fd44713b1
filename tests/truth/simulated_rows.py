"""Rows of SAMPLE from a simulated clock, as the engine would have joined them."""

from __future__ import annotations

import numpy as np
from simulated_queues import Floats

from benchkit.analysis.ledger import Column
from benchkit.records.samples import SAMPLE, Samples, Status

START_NS = 1_000_000_000


def rows(arrivals: Floats, waits: Floats, service: Floats, unit_ns: float = 1e6) -> Samples:
    """One block for each row of the arrays (shape (blocks, messages)), a mean service time being `unit_ns`.

    Everything between due moment and service is the wait for the stage (`queue`); sending takes no time.
    """
    blocks, messages = arrivals.shape
    samples = np.zeros(blocks * messages, SAMPLE)
    due, started, finished = (column.ravel() for column in stamps(arrivals, waits, service, unit_ns))
    for name in ("due", "taken", "encoded", "sent"):
        samples[name] = due
    for name in ("asked", "received", "decoded", "started"):
        samples[name] = started
    for name in ("finished", "replied", "returned"):
        samples[name] = finished
    samples["seq"] = np.arange(blocks * messages)
    samples["block"] = np.repeat(np.arange(blocks), messages)
    samples["payload_bytes"] = 1000
    samples["status"] = Status.DELIVERED
    return samples


def stamps(arrivals: Floats, waits: Floats, service: Floats, unit_ns: float) -> tuple[Column, Column, Column]:
    """When each message is due, started and finished, int64 ns."""
    due = START_NS + np.rint(arrivals * unit_ns).astype(np.int64)
    started = due + np.rint(waits * unit_ns).astype(np.int64)
    return due, started, started + np.maximum(1, np.rint(service * unit_ns).astype(np.int64))
