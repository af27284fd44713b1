"""Unlike promises are told apart wherever cells stand side by side."""

from __future__ import annotations

from benchkit.analysis.guarantees import durability, promise, unlike_promises
from benchkit.analysis.unlike import unlike


def document(level: str = "", cell: str = "a", durable: str = "disk") -> dict:
    guarantee = {"delivery": "at-least-once", "durability": durable, "ordering": "fifo"}
    return {
        "environment": {"fingerprint": "x"}, "scenario": {"name": "s"}, "benchkit": "1",
        "cells": [{"id": cell, "guarantee": guarantee | ({"level": level} if level else {})}],
    }  # fmt: skip


def test_a_level_stands_beside_what_holds_the_messages():
    assert durability(document("AOF always")["cells"][0]["guarantee"]) == "disk (AOF always)"
    # As runs of before levels were recorded have it.
    assert durability(document()["cells"][0]["guarantee"]) == "disk"
    assert promise(document("AOF always")["cells"][0]["guarantee"]) == "at-least-once in disk (AOF always)"


def test_runs_that_promise_unlike_things_say_so_and_like_ones_do_not():
    (said,) = unlike_promises([document("AOF always"), document("AOF everysec")])
    assert "disk (AOF always) in run 1" in said
    assert "disk (AOF everysec) in run 2" in said
    assert said in unlike([document("AOF always"), document("AOF everysec")])
    assert not list(unlike_promises([document("AOF always")] * 3))
    assert not list(unlike_promises([document("AOF always"), document("AOF everysec", cell="b")]))
    assert len(list(unlike_promises([document("x"), document("x"), document("y")]))) == 1
