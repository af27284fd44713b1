"""Exports, read back by OpenTelemetry's own messages and by the rules of the Trace Event Format."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hostile import hostile_run
from synthetic import a_cell, a_run

from benchkit.analysis.document import document
from benchkit.analysis.ledger import latency_ns, select
from benchkit.cli import cli
from benchkit.errors import UsageError
from benchkit.records.folder import save
from benchkit.records.run import Run
from benchkit.records.samples import PHASES, Status
from benchkit.records.seen import Event
from benchkit.report.exports import FORMATS, Source, format_named
from benchkit.report.exports.messages import chosen, messages

OF_MESSAGES = [name for name, each in FORMATS.items() if each.of == "messages"]


def a_run_with_events(**more: Any) -> Run:
    run = a_run([a_cell(), a_cell("redis-list/raw/camera/100ps")], count=60, **more)
    block = run.blocks[0]
    gc = Event(block.started_ns + 5_000_000, 2_000_000, "stage-0", "gc", "generation 2, 9 objects collected")
    run.blocks[0] = replace(block, events=(gc,))
    lost = run.samples[block.cell]
    lost["status"][20] = Status.LOST
    lost["returned"][20] = 0
    return run


def exported(kind: str, run: Run, most: int | None = None) -> Any:
    return json.loads("".join(format_named(kind).load()(Source(run, most))))


def measured(run: Run) -> int:
    return sum(int((~samples["warmup"]).sum()) for samples in run.samples.values())


# What is shown ---------------------------------------------------------------------------------------------


def test_the_phases_of_a_message_follow_each_other_from_due_to_its_end():
    run = a_run(count=30)
    (samples,) = run.samples.values()
    shown = list(messages(run, None))
    latencies = latency_ns(samples)[select(samples).rows]
    assert [each.end_ns - each.begin_ns for each in shown] == latencies.tolist()
    for each in shown:
        ends = [each.begin_ns, *(phase.end_ns for phase in each.phases)]
        assert [phase.begin_ns for phase in each.phases] == ends[:-1]
        assert ends[-1] == each.end_ns
        assert [phase.name for phase in each.phases] == [
            name for name in PHASES if name not in ("queue", "batch")
        ]


def test_of_many_the_slowest_the_failed_and_others_evenly():
    run = a_run(count=400, rounds=1)
    (samples,) = run.samples.values()
    samples["status"][100:200] = Status.LOST
    rows = chosen(samples, 40)
    assert len(rows) == 40
    assert (np.diff(rows) > 0).all()
    failed = samples["status"][rows] != Status.DELIVERED
    assert failed.sum() == 4
    own = select(samples).rows
    slowest = own[np.argsort(latency_ns(samples)[own])[-18:]]
    assert set(slowest) <= set(rows)
    others = np.setdiff1d(rows[~failed], slowest)
    assert others.min() < 40
    assert others.max() > 350
    assert not samples["warmup"][rows].any()


@pytest.mark.parametrize("most", [1, 2, 3, 10, 94, 95, 96, None])
def test_never_more_than_was_asked_for(most):
    (samples,) = a_run(count=100, rounds=1).samples.values()
    samples["status"][50] = Status.REJECTED
    assert len(chosen(samples, most)) == min(most or 95, 95)


# OpenTelemetry ---------------------------------------------------------------------------------------------


def parsed(document: dict[str, Any]) -> Any:
    """By OpenTelemetry's own schema; its JSON writes identifiers in hexadecimal, protobuf's in base 64."""
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    from google.protobuf import json_format

    for span in _spans(document):
        for name in ("traceId", "spanId", "parentSpanId"):
            if name in span:
                span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return json_format.Parse(json.dumps(document), service.ExportTraceServiceRequest())


def _spans(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        span for each in document["resourceSpans"] for scope in each["scopeSpans"] for span in scope["spans"]
    ]


def test_otlp_is_what_a_collector_takes():
    run = a_run_with_events()
    request = parsed(exported("otlp", run))
    spans = [span for each in request.resource_spans for scope in each.scope_spans for span in scope.spans]
    assert {(len(span.trace_id), len(span.span_id)) for span in spans} == {(16, 8)}
    assert len({span.span_id for span in spans}) == len(spans)
    roots = {span.span_id: span for span in spans if not span.parent_span_id}
    assert len(roots) == measured(run) + 1
    assert all(any(span.trace_id) and span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)
    assert sum(span.status.code == span.status.STATUS_CODE_ERROR for span in roots.values()) == 1


def test_children_lie_within_their_message_and_fill_it():
    document = exported("otlp", a_run_with_events())
    length = defaultdict(int)
    roots = {span["spanId"]: span for span in _spans(document) if "parentSpanId" not in span}
    for span in _spans(document):
        if "parentSpanId" in span:
            root = roots[span["parentSpanId"]]
            assert span["traceId"] == root["traceId"]
            begin, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
            assert int(root["startTimeUnixNano"]) <= begin
            assert end <= int(root["endTimeUnixNano"])
            length[root["spanId"]] += end - begin
    for key, root in roots.items():
        if root["name"] == "message" and root["status"]["code"] == 1:
            assert length[key] == int(root["endTimeUnixNano"]) - int(root["startTimeUnixNano"])


def test_parties_are_resources_and_moments_are_of_the_run():
    run = a_run_with_events()
    document = exported("otlp", run, 5)
    names = set()
    for each in document["resourceSpans"]:
        told = {one["key"]: one["value"]["stringValue"] for one in each["resource"]["attributes"]}
        names.add((told["benchkit.cell"], told["service.name"]))
    assert names == {(cell.id, party) for cell in run.cells for party in ("producer", "in flight", "stage-0")}
    first = min(int(span["startTimeUnixNano"]) for span in _spans(document))
    assert 0 <= first - 1_795_378_673 * 10**9 < 3600 * 10**9


# Perfetto --------------------------------------------------------------------------------------------------


def test_slices_of_a_thread_lie_within_each_other_and_everything_has_a_name():
    # A message every 10 us, several milliseconds long: hundreds overlap.
    trace = exported("perfetto", a_run_with_events(interval_ns=10_000))
    events = trace["traceEvents"]
    assert {event["ph"] for event in events} == {"M", "X", "i"}
    named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    processes = {e["pid"] for e in events if e["name"] == "process_name"}
    threads = defaultdict(list)
    for event in events:
        assert event["ts"] >= 0
        assert event["pid"] in processes
        if event["ph"] != "M":
            assert (event["pid"], event["tid"]) in named
        if event["ph"] == "X":
            threads[event["pid"], event["tid"]].append((round(event["ts"] * 1e3), -round(event["dur"] * 1e3)))
    assert len(threads) > 20
    for slices in threads.values():
        open_: list[int] = []
        for begin, length in sorted(slices):
            while open_ and open_[-1] <= begin:
                open_.pop()
            assert not open_ or begin - length <= open_[-1]
            open_.append(begin - length)


def test_collections_are_instants_and_lost_messages_are_there():
    run = a_run_with_events()
    events = exported("perfetto", run)["traceEvents"]
    instants = {event["name"]: event for event in events if event["ph"] == "i"}
    assert set(instants) == {"gc", "lost"}
    assert instants["gc"]["args"]["duration_us"] == 2000
    assert instants["gc"]["ts"] == pytest.approx(5000)
    phases = defaultdict(float)
    for event in events:
        if event.get("cat") == "phase":
            phases[event["name"]] += event["dur"]
    own = document(run)["cells"]
    for name in PHASES:
        whole = sum(cell["phases_us"][name]["mean"] * cell["latency_us"]["count"] for cell in own)
        assert phases[name] == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("kind", OF_MESSAGES)
def test_whatever_a_run_is_called_it_is_one_json_document(kind):
    found = exported(kind, hostile_run(), 3)
    if kind == "otlp":
        parsed(found)
    assert found


@pytest.mark.parametrize("kind", OF_MESSAGES)
def test_a_run_without_messages_is_an_empty_document(kind):
    run = a_run(count=10)
    run.blocks, run.samples = [], {}
    assert exported(kind, run)


# The command -----------------------------------------------------------------------------------------------


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(cli, ["export", *map(str, arguments)], standalone_mode=False)


def test_the_command_writes_a_file_or_to_standard_output(tmp_path):
    run = a_run_with_events()
    folder = save(run, document(run), tmp_path)
    said = invoke(folder, "--format", "perfetto", "--messages", "all")
    assert said.exception is None
    assert json.loads(said.stdout) == exported("perfetto", run)
    target = tmp_path / "spans.json"
    said = invoke(folder / "run.json", "--format", "otlp", "--messages", 5, "--out", target)
    assert said.stdout.strip() == str(target)
    assert json.loads(target.read_text()) == exported("otlp", run, 5)
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--format", "xls"], "unknown format 'xls'"),
        (["--format", "otlp", "--messages", "0"], "a number from 1 on"),
        (["--format", "otlp", "--messages", "many"], "a number from 1 on"),
        (["--format", "otlp"], "no run here"),
        (["--format", "otlp", "--out", "."], "a folder, not a file"),
        (["--format", "otlp", "--out", "none/spans.json"], "could not be written"),
    ],
)
def test_wrong_use_is_told(tmp_path, arguments, what, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "none"
    if "--out" in arguments:
        run = a_run(count=10)
        source = save(run, document(run), tmp_path / "results")
    assert what in str(invoke(source, *arguments).exception)


def test_an_unknown_format_names_those_that_are_known():
    with pytest.raises(UsageError) as caught:
        format_named("svg")
    assert "otlp, perfetto" in caught.value.remedy
