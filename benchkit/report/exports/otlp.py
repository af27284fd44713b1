"""OpenTelemetry's protocol in JSON (OTLP 1.x, `ExportTraceServiceRequest`): what a collector takes over HTTP.

Specification: opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding": identifiers are hexadecimal, 64-bit
numbers are texts. A message is a trace: one span from due to done, one child for each phase in the resource of
the party that it was with. An event of a party is a trace of its own. Moments are those of the stamps, laid
from the run's start by the calendar, so they are right to the second and exact among themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import islice
from typing import Any, Final

from benchkit import __version__
from benchkit.records.run import Run
from benchkit.report.exports import Source
from benchkit.report.exports.messages import IN_FLIGHT, PRODUCER, Collected, Message, events, messages

_INTERNAL, _PRODUCES, _CONSUMES = 1, 4, 5
_OK, _ERROR = 1, 2
_CHUNK: Final = 2000
_SCOPE: Final = {"name": "benchkit", "version": __version__}

Span = dict[str, Any]


def export(source: Source) -> Iterator[str]:
    """One request; spans of a few thousand messages at a time, those of one cell and party together."""
    run = source.run
    name = str(run.scenario.get("name") or "run")
    first = True
    yield '{"resourceSpans": [\n'
    for together in _in_parts(source):
        for (cell, party), spans in together.items():
            told = {"service.name": party, "service.namespace": name, "benchkit.cell": cell}
            head = json.dumps({"resource": {"attributes": _attributes(told)}})[:-1]
            yield (
                "" if first else ",\n"
            ) + f'{head}, "scopeSpans": [{{"scope": {json.dumps(_SCOPE)}, "spans": [\n'
            yield from _joined(spans)
            yield "\n]}]}"
            first = False
    yield "\n]}\n"


def _in_parts(source: Source) -> Iterator[dict[tuple[str, str], list[Span]]]:
    """Spans by cell and party: of some messages, of the next ones, and so on; at last those of events."""
    run = source.run
    shift = _shift_ns(run)
    seed = f"{run.started_utc}/{run.seed}/{shift}"
    shown = messages(run, source.messages)
    while part := list(islice(shown, _CHUNK)):
        together: dict[tuple[str, str], list[Span]] = {}
        for message in part:
            for party, span in _of_message(message, seed, shift):
                together.setdefault((message.cell, party), []).append(span)
        yield together
    together = {}
    for number, each in enumerate(events(run)):
        span = _of_event(each, f"{seed}/event/{number}", shift)
        together.setdefault((each.cell, each.party), []).append(span)
    yield together


def _joined(spans: Iterable[Span]) -> Iterator[str]:
    for at, span in enumerate(spans):
        yield (",\n" if at else "") + json.dumps(span)


def _shift_ns(run: Run) -> int:
    """From the clock of the stamps to the calendar's."""
    first = min((block.started_ns for block in run.blocks), default=0)
    try:
        started = datetime.fromisoformat(run.started_utc)
    except ValueError:
        return 0
    if started.tzinfo is None:
        started = started.replace(tzinfo=UTC)
    return int(started.timestamp()) * 1_000_000_000 - first


def _of_message(message: Message, seed: str, shift: int) -> Iterator[tuple[str, Span]]:
    trace = _hex(f"{seed}/{message.cell}/{message.hop}/{message.seq}/{message.begin_ns}", 16)
    root = _hex(trace, 8)
    delivered = message.status == "delivered"
    told: dict[str, str | int] = {
        "messaging.message.id": str(message.seq),
        "messaging.message.body.size": message.payload_bytes,
        "benchkit.hop": message.hop,
        "benchkit.status": message.status,
    }
    status = {"code": _OK} if delivered else {"code": _ERROR, "message": message.status}
    yield (
        PRODUCER,
        {
            **_span("message", trace, root, "", message.begin_ns + shift, message.end_ns + shift, _PRODUCES),
            "attributes": _attributes(told),
            "status": status,
        },
    )
    for phase in message.phases:
        kind = _INTERNAL if phase.party in (PRODUCER, IN_FLIGHT) else _CONSUMES
        own = _hex(f"{trace}/{phase.name}", 8)
        yield (
            phase.party,
            _span(phase.name, trace, own, root, phase.begin_ns + shift, phase.end_ns + shift, kind),
        )


def _of_event(each: Collected, seed: str, shift: int) -> Span:
    trace = _hex(seed, 16)
    begin = each.begin_ns + shift
    return {
        **_span(each.kind, trace, _hex(trace, 8), "", begin, begin + each.duration_ns, _INTERNAL),
        "attributes": _attributes({"benchkit.what": each.what}),
    }


def _span(name: str, trace: str, own: str, parent: str, begin_ns: int, end_ns: int, kind: int) -> Span:
    return {
        "traceId": trace,
        "spanId": own,
        **({"parentSpanId": parent} if parent else {}),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(max(0, begin_ns)),
        "endTimeUnixNano": str(max(0, end_ns)),
    }


def _attributes(told: Mapping[str, str | int]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in told.items()]


def _value(value: str | int) -> dict[str, str]:
    if isinstance(value, int):
        return {"intValue": str(value)}
    # Lone surrogates are no text for a parser of protocol buffers.
    return {"stringValue": value.encode("utf-8", "replace").decode()}


def _hex(text: str, nbytes: int) -> str:
    """An identifier that another export of the same run gives again; never zero but by a chance of nothing."""
    return blake2b(text.encode("utf-8", "replace"), digest_size=nbytes).hexdigest()
