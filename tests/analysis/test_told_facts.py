"""Facts of several workers and blocks become those of a cell."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from synthetic import a_block, a_cell, block_samples

from benchkit.analysis.told import as_document, frames_seen

BLOCK = a_block(a_cell(), 0, block_samples(np.random.default_rng(0), 0))


def told(*parties: dict[str, Any]) -> dict[str, Any]:
    """Each in a block of its own."""
    return as_document([dataclasses.replace(BLOCK, told={"stage-0": each}) for each in parties])


def test_counts_are_summed_over_workers_and_blocks() -> None:
    block = dataclasses.replace(BLOCK, told={"stage-0": {"lost": 2}, "stage-1": {"lost": 3, "late": 1}})
    assert as_document([block, block]) == {"lost": 10, "late": 2}
    assert as_document([BLOCK]) == {}


def test_spreads_are_weighted_and_keep_their_ends() -> None:
    few = {"count": 1, "min": -5, "p50": 0.0, "max": 1}
    many = {"count": 3, "min": 0, "p50": 4.0, "max": 9}
    assert told({"us": few}, {"us": many}) == {"us": {"count": 4, "min": -5, "p50": 3.0, "max": 9}}
    assert told({"us": few}, {"us": {"count": 0}}) == {"us": few}
    assert told({"us": {"count": 0}}) == {"us": {"count": 0}}


def test_what_one_of_them_does_not_tell_is_told_of_none() -> None:
    assert told({"us": {"count": 1, "p99": 2.0}}, {"us": {"count": 1, "p50": 2.0}}) == {"us": {"count": 2}}


@given(st.lists(st.lists(st.integers(-1000, 1000), min_size=1), min_size=1, max_size=6))
def test_means_of_parts_are_the_mean_of_all(parts: list[list[int]]) -> None:
    spreads = [{"count": len(p), "mean": sum(p) / len(p), "min": min(p), "max": max(p)} for p in parts]
    together = told(*({"x": spread} for spread in spreads))["x"]
    every = [value for part in parts for value in part]
    assert together["count"] == len(every)
    assert abs(together["mean"] - sum(every) / len(every)) < 1e-6
    assert (together["min"], together["max"]) == (min(every), max(every))


def video(row: str, decoded: int | None, *, valid: bool = True) -> dict[str, Any]:
    told = {} if decoded is None else {"told": {"frames_decoded": decoded}}
    return {
        "group": "live", "labels": {"group": "live, 9 kB", "row": row}, "validity": {"valid": valid},
        "account": {"scheduled": 200}, **told,
    }  # fmt: skip


def test_frames_that_nobody_could_see_are_said_a_sentence_a_group() -> None:
    assert frames_seen([video("all", 200), video("none", None)]) == []
    assert frames_seen([video("broken", 3, valid=False)]) == []
    (sentence,) = frames_seen([video("all", 201), video("few", 20), video("broken", 3, valid=False)])
    assert sentence.startswith("live, 9 kB: of the frames that were sent, decoded: all 100%, few 10%; ")
