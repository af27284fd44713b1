"""The verdict of a chain names the stage that was planted as its bottleneck, wherever it stands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated_chain import US, Chain

from benchkit.analysis.analysed import analyse
from benchkit.analysis.document import document
from benchkit.analysis.verdict.chained import Chained, chained
from benchkit.records.run import Block, Cell, Floor, Run
from benchkit.records.seen import Usage
from benchkit.report.exports.messages import messages

MS = 1000 * US
COUNT = 400


def record(**changes) -> Cell:
    cell = Cell(
        id="unix/raw/camera/100ps", group="camera", transport="unix", codec="raw", stage="synthetic", source="camera",
        load="100ps", parameters={"transport": {"kind": "unix", "depth": 8}}, workers=1, replies=False,
        payload_bytes=256, wire_bytes=320, arrival="constant", delivery="at-most-once", durability="process",
        ordering="none", zero_copy=False, lossy=False, path="",
    )  # fmt: skip
    return replace(cell, **changes)


def run_of(chain: Chain, gap_ns: int, blocks: int = 3) -> Run:
    cell = chain.cell(record())
    run = Run(
        started_utc="2026-11-22T20:17:53+00:00", duration_s=12.0, seed=0, quick=False, scenario={"name": "x"},
        environment={"cpu": "some", "cores": 16, "fingerprint": "00ff", "warnings": []},
        floor=Floor(30.0, 1e10, {"p50": 5.0, "p99": 20.0}, {"p50": 60.0, "p99": 200.0}), placement={}, slo={},
        cells=[cell],
    )  # fmt: skip
    parts = []
    for index in range(blocks):
        chain.seed = index
        due = [(index + 1) * 10**10 + number * gap_ns for number in range(COUNT)]
        samples = chain.joined(due, warmup=10, block=index).samples
        parts.append(samples)
        parties = {}
        for hop, name in enumerate(chain.names):
            for number, table in enumerate(chain.tables[hop]):
                busy = sum(chain.service_ns(hop, 0) for _ in table)
                used = Usage(
                    busy,
                    10**7,
                    over_ns=int(COUNT * gap_ns),
                    messages=len(table),
                    thread_cpu_ns=busy,
                    thread_runnable_ns=0,
                    voluntary_switches=2 * len(table),
                    spin_ns=0,
                )
                parties[f"{name}-{number}"] = used
        used = Usage(COUNT * 60 * US, 10**7, over_ns=int(COUNT * gap_ns), messages=COUNT, spin_ns=0)
        parties["producer-0"] = used
        ended = int(samples["finished"].max())
        run.blocks.append(
            Block(
                cell.id, index, index, due[0], ended, COUNT, 1e9 / gap_ns, parties=parties,
                usage={"producer": used, "stage": Usage(10**8, 10**7)}, warmup_messages=10,
            )
        )  # fmt: skip
    run.samples = {cell.id: np.concatenate(parts)}
    return run


def verdict_of(run: Run):
    """Whatever speaks against the cell's validity: what is asked here is where the time goes."""
    done = analyse(run, run.cells[0], {})
    assert done.detail is not None
    return chained(
        Chained(
            done.cell, done.blocks, done.measure, done.uneven, run.floor, done.hops, done.detail.resources
        )
    )


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("planted", range(3))
@pytest.mark.parametrize("load", [0.5, 1.3])
def test_the_planted_stage_is_named(planted, load, workers):
    service = [2 * MS, 2 * MS, 2 * MS]
    service[planted] = 9 * MS
    count = [1, 1, 1]
    count[planted] = workers
    chain = Chain((-1, 0, 1), count, lambda hop, number: service[hop])
    run = run_of(chain, round(9 * MS / workers / load))
    found = verdict_of(run)
    assert found.stage == f"s{planted}"
    assert f"`s{planted}`" in found.line
    assert found.resource == "stage"
    if load < 1:
        assert (found.kind, found.bottleneck) == ("compute-bound", "compute")
    else:
        assert found.kind == "overload"
    (cell,) = document(run)["cells"]
    busy = {hop["name"]: hop["utilisation"] for hop in cell["hops"]}
    assert max(busy, key=lambda name: busy[name]) == f"s{planted}"
    assert busy[f"s{planted}"] == pytest.approx(min(load, 1.0), abs=0.12)
    if cell["validity"]["valid"]:
        assert cell["verdict"]["stage"] == f"s{planted}"


@pytest.mark.parametrize("branch", [1, 2])
def test_of_two_branches_the_slow_one_is_named(branch):
    service = [MS, MS, MS]
    service[branch] = 7 * MS
    chain = Chain((-1, 0, 0), (1, 1, 1), lambda hop, number: service[hop])
    assert verdict_of(run_of(chain, 12 * MS)).stage == f"s{branch}"


def test_what_is_encoded_for_the_next_stage_is_the_stage_s_that_encodes_it():
    chain = Chain(
        (-1, 0, 1), (1, 1, 1), lambda hop, number: MS, encode_ns=lambda hop: (8 if hop == 2 else 1) * MS
    )
    found = verdict_of(run_of(chain, 15 * MS))
    assert (found.bottleneck, found.resource, found.stage) == ("encode", "stage", "s1")
    assert found.kind == "serialisation-bound"


def test_the_producer_s_encoding_is_no_stage_s():
    chain = Chain(
        (-1, 0, 1), (1, 1, 1), lambda hop, number: MS, encode_ns=lambda hop: (0.1, 9)[hop == 0] * MS
    )
    found = verdict_of(run_of(chain, 15 * MS))
    assert (found.bottleneck, found.resource, found.stage) == ("encode", "producer", "")


def test_a_stage_alone_has_no_name():
    chain = Chain((-1,), (1,), lambda hop, number: 5 * MS)
    run = run_of(chain, 10 * MS)
    run.cells = [replace(run.cells[0], hops=())]
    (cell,) = document(run)["cells"]
    assert cell["verdict"]["stage"] == ""
    assert "hops" not in cell


def test_where_a_message_was_lost_is_told():
    chain = Chain((-1, 0, 1), (1, 1, 1), lambda hop, number: MS, lost={(1, 50), (2, 60)}, fails={(1, 70)})
    (cell,) = document(run_of(chain, 12 * MS))["cells"]
    told = {hop["name"]: hop["account"] for hop in cell["hops"]}
    assert [told[name]["lost"] for name in ("s0", "s1", "s2")] == [0, 3, 3]
    assert told["s1"]["dead_lettered"] == 3
    assert cell["account"]["lost"] == 6 and cell["account"]["dead_lettered"] == 3
    assert cell["account"]["scheduled"] == sum(
        cell["account"][name] for name in ("lost", "dead_lettered", "delivered")
    )


def test_shares_along_a_chain_add_up():
    chain = Chain((-1, 0, 1), (1, 2, 1), lambda hop, number: (hop + 1) * MS)
    (cell,) = document(run_of(chain, 12 * MS))["cells"]
    assert sum(hop["share"] for hop in cell["hops"]) == pytest.approx(1.0)
    for hop in cell["hops"]:
        assert sum(phase["share"] for phase in hop["phases_us"].values()) == pytest.approx(hop["share"])
    assert cell["residual_us"]["max"] == 0.0


def test_an_export_shows_each_way_with_its_parties():
    chain = Chain((-1, 0, 0), (1, 2, 1), lambda hop, number: MS)
    run = run_of(chain, 12 * MS, blocks=1)
    shown = list(messages(run, None))
    assert len(shown) == 3 * (COUNT - 10) == sum(each.status == "delivered" for each in shown)
    parties = {(each.hop, phase.name): set() for each in shown for phase in each.phases}
    for each in shown:
        assert sum(phase.end_ns - phase.begin_ns for phase in each.phases) == each.end_ns - each.begin_ns
        for phase in each.phases:
            parties[each.hop, phase.name].add(phase.party)
    assert parties[0, "encode"] == {"producer"} and parties[0, "compute"] == {"s0-0"}
    assert parties[1, "encode"] == {"s0-0"} == parties[2, "encode"]
    assert parties[1, "compute"] <= {"s1-0", "s1-1"} and parties[2, "compute"] == {"s2-0"}
    assert parties[1, "transit"] == {"in flight"}


def test_a_producer_s_demand_is_its_own_part_of_encode_and_send():
    chain = Chain((-1, 0, 1), (1, 1, 1), lambda hop, number: MS, encode_ns=lambda hop: (1, 5, 1)[hop] * MS)
    (cell,) = document(run_of(chain, 15 * MS))["cells"]
    (producer,) = (row for row in cell["resources"] if row["role"] == "producer")
    assert producer["demand_us_per_message"] < 1100
    assert cell["phases_us"]["encode"]["mean"] == pytest.approx(7000, rel=0.01)
    assert cell["floor"] is None
