"""`benchkit run scenarios/dam.yaml --quick`: what it leaves is what CONTRACT.md promises, and it adds up."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shell import ROOT, Done, benchkit

from benchkit.analysis import ledger
from benchkit.records import folder as records
from benchkit.records.samples import PHASES, SAMPLE

pytestmark = pytest.mark.quiet

NUMBER = (int, float)
MAYBE = (int, float, type(None))
LATENCY = dict.fromkeys(("mean", "p50", "p90", "p99", "p999", "max"), MAYBE)
INTERVAL = (list, type(None))
ACCOUNT = [
    "scheduled",
    "delivered",
    "dropped",
    "rejected",
    "dead_lettered",
    "lost",
    "pending",
    "duplicated",
    "reordered",
    "corrupted",
    "unexpected",
]
PLACES = {"delivered": 1, "dropped": 2, "rejected": 3, "dead_lettered": 4, "lost": 5, "pending": 0}

# CONTRACT.md, field by field.
CELL: dict[str, Any] = {
    "id": str, "transport": str, "codec": str, "stage": str, "parameters": dict, "payload_bytes": int, "blocks": int,
    "load": {
        "arrival": str, "offered_per_s": MAYBE, "achieved_per_s": MAYBE, "lateness_us": {"p50": MAYBE, "p99": MAYBE},
    },
    "account": dict.fromkeys(ACCOUNT, int),
    "latency_us": {"count": int, **LATENCY, "p50_ci95": INTERVAL, "p99_ci95": INTERVAL},
    "phases_us": {name: {"mean": MAYBE, "p50": MAYBE, "p99": MAYBE, "share": MAYBE} for name in PHASES},
    "residual_us": {"max": NUMBER},
    "throughput": {"messages_per_s": NUMBER, "bytes_per_s": NUMBER},
    "cost": {
        "producer_cpu_us_per_message": MAYBE, "stage_cpu_us_per_message": MAYBE, "broker_cpu_us_per_message": MAYBE,
        "peak_rss_bytes": {"producer": int, "stage": int, "broker": int},
    },
    "guarantee": {"delivery": str, "durability": str},
    "validity": {"valid": bool, "reasons": [{"code": str, "message": str, "remedy": str}]},
    "verdict": {"bottleneck": str, "resource": str, "share": NUMBER, "evidence": [str], "confidence": NUMBER},
}  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "schema": str, "benchkit": str, "started_utc": str, "duration_s": NUMBER, "seed": int, "quick": bool,
    "scenario": {"name": str},
    "environment": {
        "cpu": str, "cores": int, "memory_bytes": int, "kernel": str, "python": str, "packages": {"numpy": str},
        "git": (str, type(None)), "fingerprint": str, "warnings": [str],
    },
    "floor": {
        "clock_ns": NUMBER, "memcpy_bytes_per_s": NUMBER, "wake_us": {"p50": NUMBER, "p99": NUMBER},
        "null_us": {"p50": NUMBER, "p99": NUMBER},
    },
    "cells": [CELL],
    "ranking": [
        {"cell": str, "p50_us": NUMBER, "ratio_to_best": NUMBER, "ratio_ci95": INTERVAL, "tied_with_best": bool},
    ],
}  # fmt: skip


def misfits(value: Any, shape: Any, where: str = "") -> list[str]:
    """Where `value` is not of the contract's shape."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{where}: no mapping"]
        return [
            fault
            for key, inner in shape.items()
            for fault in (
                misfits(value[key], inner, f"{where}.{key}") if key in value else [f"{where}.{key} missing"]
            )
        ]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where}: no list"]
        return [fault for at, item in enumerate(value) for fault in misfits(item, shape[0], f"{where}[{at}]")]
    kinds = shape if isinstance(shape, tuple) else (shape,)
    fits = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
    return [] if fits else [f"{where}: {value!r} is no {shape}"]


def samples_of(done: Done, cell: dict[str, Any]) -> np.ndarray:
    return np.load(done.folder / cell["samples"], allow_pickle=False)


def test_it_ends_well(dam: Done) -> None:
    assert dam.code == 0, dam.stderr
    assert "Traceback" not in dam.said


def test_the_directory_is_named_and_holds_what_the_contract_says(dam: Done) -> None:
    assert re.fullmatch(r"dam-\d{8}T\d{6}Z-[0-9a-f]{6}", dam.folder.name)
    assert {path.name for path in dam.folder.iterdir()} == {
        "run.json",
        "record.json",
        "blocks.jsonl",
        "samples",
    }
    assert [path.name for path in dam.out.iterdir()] == [dam.folder.name]


def test_the_document_has_every_field_of_the_contract(dam: Done) -> None:
    assert misfits(dam.document, DOCUMENT) == []
    assert dam.document["schema"] == "benchkit.run/1"
    assert dam.document["quick"] is True


def test_standard_output_is_the_document_and_nothing_else(dam: Done) -> None:
    assert dam.stdout == (dam.folder / "run.json").read_text("utf-8")
    assert "In words" in dam.stderr


def test_all_the_ways_and_payloads_of_the_issue_were_measured(dam: Done) -> None:
    cells = dam.document["cells"]
    ways = {(cell["transport"], cell["codec"]) for cell in cells}
    raw = {(name, "raw") for name in ("http", "redis-list", "redis-stream", "shm")}
    assert ways == raw | {("http", "json-base64")}
    assert {cell["source"] for cell in cells} == {
        "camera-1920x1080", "camera-640x360", "sensors-144x12", "site-8x640x360-40ch",
    }  # fmt: skip
    assert all(cell["blocks"] == 3 for cell in cells)


def test_every_cell_knows_how_far_it_is_from_its_floor(dam: Done) -> None:
    beneath = {
        "http": "tcp-socket",
        "redis-list": "resp-list",
        "redis-stream": "resp-stream",
        "shm": "memcpy-spin",
    }
    for cell in dam.document["cells"]:
        floor = cell["floor"]
        assert floor["name"].partition(",")[0] == beneath[cell["transport"]]
        lengths = dam.document["floor"]["paths_us"][floor["name"]]
        assert floor["p50_us"] == lengths[str(cell["wire_bytes"])]["exchange"] > 0
        if floor["ratio"] is not None:
            assert floor["ratio"] > 0


def test_samples_have_the_columns_of_the_contract(dam: Done) -> None:
    named = {"seq", "hop", "worker", "block", "payload_bytes", "status"}
    stamps = {
        "due",
        "taken",
        "encoded",
        "sent",
        "received",
        "decoded",
        "started",
        "finished",
        "replied",
        "returned",
    }
    for cell in dam.document["cells"]:
        samples = samples_of(dam, cell)
        assert samples.dtype == SAMPLE
        assert named | stamps <= set(samples.dtype.names or ())
        assert all(samples.dtype[stamp] == np.int64 for stamp in stamps)


def test_every_account_closes_and_equals_a_recount_of_the_samples(dam: Done) -> None:
    for cell in dam.document["cells"]:
        samples, account = samples_of(dam, cell), cell["account"]
        assert account["scheduled"] == len(samples) == len(np.unique(samples["seq"]))
        recount = {name: int(np.count_nonzero(samples["status"] == code)) for name, code in PLACES.items()}
        assert recount == {name: account[name] for name in PLACES}, cell["id"]
        assert sum(recount.values()) == account["scheduled"]


def test_nothing_was_corrupted_and_every_checked_reply_was_right(dam: Done) -> None:
    for cell in dam.document["cells"]:
        assert not any(cell["account"][name] for name in ("corrupted", "unexpected", "duplicated")), cell[
            "id"
        ]
    for block in dam.record["blocks"]:
        assert block["wrong_replies"] == 0
        assert block["checked_replies"] > 0


def boundaries(row: dict[str, int]) -> list[int]:
    """ARCHITECTURE.md in one function: where each phase of one answered message ends, in integers."""
    send_end = min(row["sent"], row["received"])
    queue_end = min(max(row["asked"], send_end), row["received"])
    reply_end = min(row["replied"], row["returned"])
    return [
        row["due"], row["taken"], row["encoded"], send_end, queue_end, row["received"], row["decoded"],
        row["started"], row["finished"], reply_end, row["returned"],
    ]  # fmt: skip


def test_the_phases_of_every_sample_add_up_to_its_latency_to_the_nanosecond(dam: Done) -> None:
    rows = 0
    for cell in dam.document["cells"]:
        delivered = samples_of(dam, cell)
        delivered = delivered[delivered["status"] == 1]
        phases, latency = ledger.phases_ns(delivered), ledger.latency_ns(delivered)
        assert np.array_equal(phases.sum(axis=1), latency)
        for sample, found in zip(delivered, phases.tolist(), strict=True):
            row = {name: int(sample[name]) for name in sample.dtype.names}
            ends = boundaries(row)
            own = [end - begin for begin, end in pairwise(ends)]
            assert own == found
            assert min(own) >= 0
            assert sum(own) == row["returned"] - row["due"]
            rows += 1
        assert cell["residual_us"]["max"] == 0
    assert rows > 1000


def test_figures_of_the_document_are_those_of_the_samples(dam: Done) -> None:
    for cell in dam.document["cells"]:
        samples = samples_of(dam, cell)
        counted = samples[(samples["status"] == 1) & ~samples["warmup"]]
        latency_us = (counted["returned"] - counted["due"]) / 1e3
        told = cell["latency_us"]
        assert told["count"] == len(counted)
        assert told["max"] == pytest.approx(latency_us.max())
        assert told["mean"] == pytest.approx(latency_us.mean())
        if told["p50"] is not None:
            # Whatever definition of a quantile is used, it stands between the neighbours of the middle.
            low, high = (
                np.quantile(latency_us, [0.5], method="lower"),
                np.quantile(latency_us, [0.5], method="higher"),
            )
            assert low[0] - 1e-6 <= told["p50"] <= high[0] + 1e-6
        shares = [phase["share"] for phase in cell["phases_us"].values()]
        assert sum(shares) == pytest.approx(1)


def test_a_percentile_that_the_sample_is_too_small_for_is_null_with_a_reason(dam: Done) -> None:
    for cell in dam.document["cells"]:
        missing = [name for name in ("p50", "p99", "p999") if cell["latency_us"][name] is None]
        if missing:
            reasons = [r["message"] for r in cell["validity"]["reasons"] if r["code"] == "too-few-samples"]
            assert all(name in reasons[0] for name in missing)


def test_no_line_of_the_table_is_wider_than_eighty_columns_and_none_has_escape_codes(dam: Done) -> None:
    assert "\x1b" not in dam.stderr
    where = str(dam.out)
    long = [line for line in dam.stderr.splitlines() if len(line) > 80 and where not in line]
    assert long == []


def test_a_rate_that_nothing_holds_is_not_valid_and_carries_no_verdict(dam: Done) -> None:
    over = [cell for cell in dam.document["cells"] if cell["load"]["name"] == "600-per-s"]
    assert over
    ranked = {place["cell"] for place in dam.document["ranking"]}
    for cell in over:
        if not cell["validity"]["valid"]:
            assert cell["verdict"]["bottleneck"] == "none"
            assert cell["id"] not in ranked


def test_the_seeds_of_order_payload_stage_and_each_blocks_schedule_are_recorded_and_apart(dam: Done) -> None:
    seeds = dam.document["seeds"]
    schedules = {
        (block["round"], block["schedule_seed"])
        for cell in dam.document["cells"]
        for block in cell["blocks_detail"]
    }
    rounds = {round_ for round_, _ in schedules}
    # One schedule a round, the same for every cell.
    assert len(schedules) == len(rounds) > 1
    every = [*seeds.values(), *(seed for _, seed in schedules)]
    assert seeds.keys() == {"order", "payload", "stage", "link"}
    assert len(set(every)) == len(every)


def test_the_run_loads_again_and_makes_the_same_document(dam: Done) -> None:
    from benchkit.analysis.document import document

    assert document(records.load(dam.folder)) == dam.document


def test_compare_takes_it(dam: Done) -> None:
    done = benchkit("compare", dam.folder, dam.folder / "run.json", "--json", out=dam.out)
    assert done.code == 0, done.stderr
    differences = json.loads(done.stdout)
    assert {each["ratio"] for each in differences} <= {1.0, None}


FOOTAGE = ROOT.parent / "shared" / "data" / "cctv-walkway.avi"


@pytest.mark.skipif(not FOOTAGE.exists(), reason=f"no real footage at {FOOTAGE}")
def test_real_footage_goes_through_the_dam_scenario(tmp_path: Path) -> None:
    done = benchkit(
        "run", "scenarios/dam.yaml", "--quick", "-q", "--out", tmp_path, "--only", "transport=shm",
        "--set", "source.kind=video", "--set", "source.path=../shared/data/cctv-walkway.avi", out=tmp_path,
    )  # fmt: skip
    assert done.code in {0, 3}, done.stderr
    cells = done.document["cells"]
    assert {"video-cctv-walkway-1920x1080", "video-cctv-walkway-640x360"} <= {
        cell["source"] for cell in cells
    }
    delivered = [cell["account"]["delivered"] for cell in cells]
    assert all(delivered)
    assert all(block["wrong_replies"] == 0 for block in done.record["blocks"])
