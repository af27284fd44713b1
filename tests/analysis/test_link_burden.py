"""What a link costs a message, and the link as a resource."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from synthetic import a_block, a_cell, block_samples

from benchkit.analysis.link import NO_BURDEN, burden
from benchkit.analysis.measure import measure
from benchkit.analysis.resources import resources, stations
from benchkit.records.run import Block, Cell
from benchkit.records.seen import LinkSeen, LinkWay

SAMPLES = block_samples(np.random.default_rng(0), 0)


def way(rate: float | None = None, delay_us: float = 0.0) -> dict[str, Any]:
    return {
        "rate_bytes_per_s": rate, "jitter_us": 0.0,
        "delay_us": {"mean": delay_us, "p50": delay_us, "p90": delay_us, "p99": delay_us},
    }  # fmt: skip


def linked(side: str, up: dict[str, Any], down: dict[str, Any], *seen: LinkSeen) -> tuple[Cell, Block]:
    asked = {"name": "own", "side": side, "up": up, "down": down}
    cell = dataclasses.replace(a_cell(), link=asked, wire_bytes=10_000)
    return cell, a_block(cell, 0, SAMPLES, links=seen)


def seen(side: str, up_busy_s: float, rate: float | None = None) -> LinkSeen:
    up = LinkWay(1, 1, busy_s=up_busy_s, rate_bytes_per_s=rate)
    return LinkSeen(side, up, LinkWay(1, 1, busy_s=0.9), connections=1, elapsed_s=1.0)


def test_bytes_over_the_rate_that_was_asked_or_that_was_seen() -> None:
    cell, block = linked("producer", way(5e6), way(1e3), seen("producer", 0.3))
    # The reply's direction is as slow as it likes: a message's bytes do not pass there.
    assert burden(cell, [block]).transmission_us == pytest.approx(2000.0)
    assert burden(cell, [block]).busy_share == pytest.approx(0.3)
    cell, block = linked("producer", way(5e6), way(), seen("producer", 0.3, rate=4e6))
    assert burden(cell, [block]).transmission_us == pytest.approx(2500.0)


def test_a_message_passes_the_stages_link_downwards_and_both_where_there_are_two() -> None:
    cell, block = linked("stage", way(1e3), way(5e6, 300.0), seen("stage", 0.1))
    found = burden(cell, [block])
    assert (found.transmission_us, found.busy_share, found.delay_us, found.back_us) == (
        2000.0,
        0.9,
        300.0,
        0.0,
    )
    cell, block = linked("both", way(5e6, 100.0), way(2e6, 200.0), seen("producer", 0.2), seen("stage", 0.1))
    found = burden(cell, [block])
    assert (found.transmission_us, found.delay_us, found.back_us) == (5000.0, 300.0, 300.0)


def test_no_link_and_a_link_that_limits_nothing_take_nothing() -> None:
    assert burden(a_cell(), []) == NO_BURDEN
    cell, block = linked("producer", way(delay_us=50.0), way(), seen("producer", 0.5))
    found = burden(cell, [block])
    assert (found.transmission_us, found.busy_share, found.delay_us) == (0.0, 0.0, 50.0)


def test_a_link_with_a_rate_is_a_resource_that_saturates() -> None:
    cell, block = linked("producer", way(2e6), way(), seen("producer", 0.5))
    rows = resources(cell, [block], measure(SAMPLES), 2)
    (row,) = (each for each in rows if each.name == "link")
    assert row.demand is not None
    assert row.demand.each_ns == pytest.approx(5e6)
    assert row.saturates_per_s == pytest.approx(200.0)
    assert {each.name for each in stations(rows)} >= {"link"}
    cell, block = linked("producer", way(), way(), seen("producer", 0.0))
    (row,) = (each for each in resources(cell, [block], measure(SAMPLES), 2) if each.name == "link")
    assert row.demand is None
    assert "limits no rate" in row.gaps["link"]
