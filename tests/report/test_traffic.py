"""What traffic control did, in run.json, in the verdict and on the terminal."""

from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console
from synthetic import a_cell, a_run

from benchkit.analysis.document import document
from benchkit.records.run import Run
from benchkit.records.samples import Status
from benchkit.records.seen import Traffic
from benchkit.report.terminal import report
from benchkit.report.traffic_words import in_words
from benchkit.words import speaking


def controlled(*traffic: Traffic | None, **flow: object) -> Run:
    """A run whose blocks did that; as many of its messages are dropped as they say."""
    run = a_run(count=600, warmup=10)
    run.blocks = [
        dataclasses.replace(block, traffic=each) for block, each in zip(run.blocks, traffic, strict=True)
    ]
    own = run.samples[run.cells[0].id]
    own["status"][: sum(sum(each.drops.values()) for each in traffic if each)] = Status.DROPPED
    parameters = {**run.cells[0].parameters, "flow": flow}
    run.cells[0] = dataclasses.replace(run.cells[0], parameters=parameters)
    return run


FIRST = Traffic(
    {"latest-only": 20}, retries=3, timed_out=4, waited_most=1, limit={"least": 4, "mean": 9, "last": 8}
)
SECOND = Traffic(
    {"latest-only": 10, "deadline": 15}, refused=2, late=1, limit={"least": 6, "mean": 11, "last": 12}
)


def test_all_blocks_together_are_told_in_the_document() -> None:
    (cell,) = document(controlled(FIRST, SECOND, None, policy="latest-only"))["cells"]
    assert cell["traffic"] == {
        "policy": "latest-only", "drops": {"latest-only": 30, "deadline": 15}, "retries": 3, "timed_out": 4,
        "refused": 2, "late": 1, "waited_most": 1, "limit": {"least": 4, "mean": 10, "last": 10},
    }  # fmt: skip
    assert sum(cell["traffic"]["drops"].values()) == cell["account"]["dropped"]
    assert cell["validity"]["valid"]


def test_a_cell_without_traffic_control_has_none() -> None:
    (cell,) = document(a_run())["cells"]
    assert cell["traffic"] is None
    assert in_words(cell) == ""


def test_the_terminal_says_in_one_line_what_was_dropped_by_what() -> None:
    stream = io.StringIO()
    Console(file=stream, width=200).print(report(document(controlled(FIRST, SECOND, None))))
    lines = [
        line for line in stream.getvalue().splitlines() if "latest-only" in line and line.startswith("=")
    ]
    (line,) = lines
    assert "dropped 45 of 1800 messages (2.5%): 30 latest-only, 15 deadline" in line
    assert (
        "3 sent again; 4 not answered in time; 2 refused; limit in flight 10 on average, 4 at least" in line
    )


def test_lateness_under_a_limit_of_the_producers_own_is_called_that() -> None:
    phases = {"lateness": 700, "encode": 20, "send": 20, "transit": 30, "compute": 90}
    run = a_run(phase_us=phases, count=600, warmup=10)
    limited = a_cell(parameters={"flow": {"policy": "block", "credits": 2, "rate": 30.0}})
    for cell, words in (
        (a_cell(), "neither send nor the stage"),
        (limited, "at most 2 in flight, at most 30/s"),
    ):
        run.cells, run.floor = [cell], None
        (found,) = document(run)["cells"]
        assert found["verdict"]["bottleneck"] == "producer"
        assert words in found["verdict"]["line"]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_policies_keep_their_names_in_every_language(language: str) -> None:
    with speaking(language):
        words = in_words(document(controlled(FIRST, SECOND, None))["cells"][0])
    assert "30 latest-only, 15 deadline" in words
