"""Which cells fell behind a queue under the same load, by run.json alone."""

from __future__ import annotations

from typing import Any

from benchkit.analysis.collapse import attempts_per_message, collapse, goodput
from benchkit.records.samples import PHASES


def cell(
    transport: str, good: float, *, retries: int = 0, timed_out: int = 0, **changes: Any
) -> dict[str, Any]:
    """100 messages, of which a share has a result in time."""
    controlled = {"retries": retries, "timed_out": timed_out, "refused": 0, "late": 0}
    return {
        "id": f"{transport}/raw/x",
        "transport": transport,
        "labels": {"row": f"{transport} raw", "group": "x"},
        "load": {"name": "bursty"},
        "workers": 2,
        "parameters": {"source": {"kind": "images"}, "load": {"rate": 9.0}, "transport": {"kind": transport}},
        "account": {"scheduled": 100, "delivered": round(100 * good)},
        "freshness": {"goodput_share": good},
        "traffic": controlled if retries or timed_out else None,
        "bulk": {
            "lead_time_us": {"p50": 4e5, "p90": 9e5, "p99": None, "max": 1.1e6},
            "backlog": {"most": 31, "last": 4},
            "drain_s": 1.25,
        },
        "phases_us": {name: {"mean": 9e4 if name == "compute" else 50.0} for name in PHASES},
        "told": {"decode_us": {"count": 100, "mean": 3e4}},
        **changes,
    }


def test_who_timed_out_and_got_less_has_collapsed() -> None:
    (found,) = collapse([cell("http", 0.4, retries=150, timed_out=190), cell("redis-list", 1.0)])
    assert found["best"] == "redis-list/raw/x"
    (fallen,) = found["fallen"]
    assert fallen["cell"] == "http/raw/x"
    assert fallen["goodput_ratio"] == 0.4
    assert fallen["attempts_per_message"] == 2.5
    first, last = found["sentences"]
    assert "http raw collapses: it has 40% of the goodput of redis-list raw" in first
    assert "190 requests timed out, 150 retries made 2.50x the load" in first
    assert "up to 31 messages at once, lead time p50 400 ms, at the tail 1.1 s" in last
    assert "worked off 1.25 s after the last arrival" in last
    assert "compute, 90.0 ms a message with 2 worker(s) (30.0 ms of it decoding pictures)" in last


def test_a_smaller_loss_is_called_so() -> None:
    (found,) = collapse([cell("http", 0.85, timed_out=9), cell("redis-list", 1.0)])
    assert "http raw falls behind" in found["sentences"][0]


def test_who_kept_up_is_not_blamed() -> None:
    assert not collapse([cell("http", 0.97, retries=4, timed_out=4), cell("redis-list", 1.0)])
    assert not collapse([cell("http", 0.4), cell("redis-list", 1.0)])


def test_without_a_queue_there_is_nothing_to_compare_with() -> None:
    assert not collapse([cell("http", 0.4, timed_out=90)])
    assert not collapse([cell("http", 0.4, timed_out=90), cell("unix", 0.5, timed_out=70)])


def test_another_load_or_other_workers_are_no_comparison() -> None:
    other = {"source": {"kind": "images"}, "load": {"rate": 1.0}, "transport": {"kind": "redis-list"}}
    assert not collapse([cell("http", 0.4, timed_out=90), cell("redis-list", 1.0, parameters=other)])


def test_traffic_control_and_transport_may_differ() -> None:
    parameters = cell("http", 1.0)["parameters"] | {"flow": {"timeout": 0.5}}
    assert collapse([cell("http", 0.4, timed_out=90, parameters=parameters), cell("redis-list", 1.0)])


def test_a_backlog_that_was_not_worked_off_is_said() -> None:
    bulk = cell("x", 1.0)["bulk"] | {"drain_s": None}
    (found,) = collapse([cell("http", 0.4, timed_out=90), cell("redis-list", 0.9, bulk=bulk)])
    assert "not worked off when the block ended" in found["sentences"][-1]


def test_runs_of_an_older_benchkit_have_none_of_this() -> None:
    old = cell("redis-list", 0.5, traffic=None)
    for name in ("freshness", "traffic", "bulk", "told"):
        del old[name]
    assert goodput(old) == 0.5
    assert attempts_per_message(old) == 1.0
    assert not collapse([old])
    nothing = cell("http", 0.0, account={"scheduled": 0, "delivered": 0})
    assert not collapse([nothing])
