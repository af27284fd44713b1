"""Summaries of run.json and what makes runs unlike."""

import copy
from typing import Any

import pytest
from synthetic import dam

from benchkit.analysis.compare import compare
from benchkit.analysis.document import document
from benchkit.analysis.summary import summary
from benchkit.analysis.trend import trend
from benchkit.analysis.unlike import unlike
from benchkit.errors import RecordError


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return document(dam())


def test_a_summary_says_the_same_as_the_whole_document(found: dict[str, Any]) -> None:
    other = copy.deepcopy(found)
    for cell in other["cells"]:
        cell["latency_us"]["p50"] *= 1.2
        for block in cell["blocks_detail"]:
            block["p50_us"] *= 1.2
    other["started_utc"] = "2027-01-01T00:00:00+00:00"
    short, long = summary(found, "a"), summary(other, "b")
    assert compare([short, long]) == compare([found, other])
    assert trend([short, long]) == trend([found, other])
    assert unlike([short, long]) == unlike([found, other])
    assert len(str(short)) < 0.5 * len(str(found))


@pytest.mark.parametrize(
    ("field", "value", "where"),
    [
        ("cells", 3, "cells"),
        ("cells", [{"id": "a"}], "cells.0.latency_us"),
        ("duration_s", "long", "duration_s"),
        ("duration_s", float("nan"), "duration_s"),
        ("scenario", None, "scenario"),
    ],
)
def test_a_field_that_cannot_be_is_named(
    found: dict[str, Any], field: str, value: object, where: str
) -> None:
    with pytest.raises(RecordError, match=rf"damaged: {where}") as raised:
        summary({**found, field: value}, "a/run.json")
    assert raised.value.where == "a/run.json"


def test_an_older_document_without_labels_and_blocks_is_taken(found: dict[str, Any]) -> None:
    old = copy.deepcopy(found)
    for name in ("benchkit", "quick", "interrupted", "seed", "answer"):
        del old[name]
    for cell in old["cells"]:
        del cell["labels"], cell["blocks_detail"], cell["phases_us"]
    short = summary(old, "old")
    assert [cell["labels"]["row"] for cell in short["cells"]] == [cell["id"] for cell in old["cells"]]
    assert {each.change for each in compare([short, short])} == {"not decidable"}


def test_everything_by_which_runs_differ_is_said_once(found: dict[str, Any]) -> None:
    assert unlike([found, found]) == []
    other = {
        **found, "quick": True, "interrupted": True, "benchkit": "9.9",
        "environment": {"fingerprint": "beef"}, "scenario": {"name": "camera"},
    }  # fmt: skip
    said = unlike([found, other, found])
    assert len(said) == 5
    for words in ("Run 2 was measured on another machine", "another scenario", "Run 2 was quick", "9.9: 2"):
        assert any(words in each for each in said), words
    unknown = {**found, "environment": {}}
    assert any("not known" in each for each in unlike([unknown, unknown]))
