"""The verdicts of a run in few lines."""

from __future__ import annotations

from typing import Any

from benchkit.report.verdicts import verdicts


def cell(name: str, kind: str, phase: str, share: float, **more: Any) -> dict[str, Any]:
    return {
        "id": name, "group": "g", "labels": {"row": name, "group": "camera"}, "validity": {"valid": True},
        "verdict": {"kind": kind, "bottleneck": phase, "resource": "stage", "share": share, "line": f"line of {name}"},
        **more,
    }  # fmt: skip


def said(*cells: dict[str, Any]) -> list[tuple[str, str]]:
    ranking = [{"cell": each["id"]} for each in reversed(cells)]
    return list(verdicts({"cells": cells, "ranking": ranking}))


def test_cells_that_say_the_same_share_a_line_in_the_order_of_their_ranks():
    found = said(
        cell("http", "compute-bound", "compute", 0.471),
        cell("shm", "compute-bound", "compute", 0.74),
        cell("json", "serialisation-bound", "decode", 0.44),
    )
    assert found == [
        ("camera", "json: line of json"),
        ("camera", "compute-bound (compute, stage), its part of the latency: shm 74%, http 47%"),
    ]


def test_none_is_told_of_all_and_what_is_not_valid_says_nothing():
    found = said(
        cell("http", "none", "none", 0.2),
        cell("shm", "none", "none", 0.2),
        cell("redis", "unclear", "none", 0.3),
        cell("unix", "unclear", "none", 0.3),
        cell("zeromq", "none", "none", 0.2, validity={"valid": False}),
    )
    assert found == [("camera", "no single bottleneck: unix, redis"), ("camera", "no bottleneck: shm, http")]
