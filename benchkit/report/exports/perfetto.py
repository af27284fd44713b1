"""Chrome's Trace Event Format, which Perfetto (ui.perfetto.dev) opens.

The format: "Trace Event Format", Google, 2016 and later. Each party is a process; messages that overlap in it lie
on lanes (threads) of their own, because slices of one thread must lie within each other. Times are microseconds
from the first moment that is shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from benchkit import __version__
from benchkit.report.exports import Source
from benchkit.report.exports.messages import PRODUCER, events, messages

_FAILED_LANE: Final = "not delivered"
_EVENT_LANE: Final = "events"


def export(source: Source) -> Iterator[str]:
    """The JSON object format: metadata, complete events (slices), instants."""
    run = source.run
    begins = [block.started_ns for block in run.blocks] + [each.begin_ns for each in events(run)]
    origin = min(begins, default=0)
    scenario = str(run.scenario.get("name") or "run")
    about = {"benchkit": __version__, "run": scenario, "started_utc": run.started_utc, "origin_ns": origin}
    yield f'{{"displayTimeUnit": "ns", "otherData": {json.dumps(about)}, "traceEvents": [\n'
    first = True
    for event in _trace_events(source, origin):
        yield ("" if first else ",\n") + json.dumps(event)
        first = False
    yield "\n]}\n"


class _Places:
    """Numbers of processes and threads, given when they are first used."""

    def __init__(self) -> None:
        self._pids: dict[tuple[str, str], int] = {}
        self._tids: dict[tuple[int, str], int] = {}

    def of(self, cell: str, party: str, lane: str) -> tuple[int, int, list[dict[str, Any]]]:
        """Process and thread of a lane of a party, and the metadata that names what is new."""
        named: list[dict[str, Any]] = []
        pid = self._pids.get((cell, party))
        if pid is None:
            pid = self._pids[cell, party] = len(self._pids) + 1
            named.append(_metadata("process_name", pid, 0, f"{party} - {cell}"))
        tid = self._tids.get((pid, lane))
        if tid is None:
            tid = self._tids[pid, lane] = len(self._tids) + 1
            named.append(_metadata("thread_name", pid, tid, lane))
        return pid, tid, named


def _metadata(name: str, pid: int, tid: int, value: str) -> dict[str, Any]:
    return {"ph": "M", "name": name, "pid": pid, "tid": tid, "ts": 0, "args": {"name": value}}


def _trace_events(source: Source, origin: int) -> Iterator[dict[str, Any]]:
    places, lanes = _Places(), _Lanes()
    for message in messages(source.run, source.messages):
        if not message.phases:
            pid, tid, named = places.of(message.cell, PRODUCER, _FAILED_LANE)
            yield from named
            about: dict[str, Any] = {"seq": message.seq, "hop": message.hop}
            yield _instant(message.status, "message", message.begin_ns - origin, pid, tid, about)
        for party, phases in groupby(message.phases, key=lambda phase: phase.party):
            stretch = list(phases)
            begin, end = stretch[0].begin_ns, stretch[-1].end_ns
            pid, tid, named = places.of(message.cell, party, lanes.take(message.cell, party, begin, end))
            yield from named
            about = {"seq": message.seq, "hop": message.hop, "payload_bytes": message.payload_bytes}
            yield _slice(f"message {message.seq}", "message", begin - origin, end - begin, pid, tid, about)
            for phase in stretch:
                took = phase.end_ns - phase.begin_ns
                own = {"seq": message.seq}
                yield _slice(phase.name, "phase", phase.begin_ns - origin, took, pid, tid, own)
    for each in events(source.run):
        pid, tid, named = places.of(each.cell, each.party, _EVENT_LANE)
        yield from named
        about = {"what": each.what, "duration_us": each.duration_ns / 1e3}
        yield _instant(each.kind, "event", each.begin_ns - origin, pid, tid, about)


class _Lanes:
    """Threads of a party: each stretch lies on the first on which nothing overlaps it."""

    def __init__(self) -> None:
        self._ends: dict[tuple[str, str], list[int]] = {}

    def take(self, cell: str, party: str, begin_ns: int, end_ns: int) -> str:
        """The name of the lane from `begin_ns` to `end_ns`."""
        ends = self._ends.setdefault((cell, party), [])
        lane = next((at for at, end in enumerate(ends) if end <= begin_ns), len(ends))
        ends[lane : lane + 1] = [end_ns]
        return f"lane {lane + 1}"


def _slice(
    name: str, category: str, at_ns: int, took_ns: int, pid: int, tid: int, args: dict[str, Any]
) -> dict[str, Any]:
    return {
        "ph": "X", "name": name, "cat": category, "ts": at_ns / 1e3, "dur": took_ns / 1e3, "pid": pid, "tid": tid,
        "args": args,
    }  # fmt: skip


def _instant(
    name: str, category: str, at_ns: int, pid: int, tid: int, args: dict[str, Any]
) -> dict[str, Any]:
    return {
        "ph": "i", "s": "t", "name": name, "cat": category, "ts": at_ns / 1e3, "pid": pid, "tid": tid, "args": args,
    }  # fmt: skip
