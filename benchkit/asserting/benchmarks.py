"""Cells among pytest-benchmark's benchmarks, so that its JSON, groups, tables and comparisons hold them.

A round is a block's median latency: the unit is the block, never the message. pytest-benchmark has no public way to
add figures that it did not time itself; what is used is its session's list and `Metadata` (5.0 to 5.3), and where
they are not as expected nothing is added and a warning says so.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from benchkit.report.exports.rounds import extra_info, rounds_s

if TYPE_CHECKING:
    from benchkit.asserting.result import CellResult, Result


class NotAdded(pytest.PytestWarning):
    """pytest-benchmark is not one that is known."""


class _Timed:
    """What `Metadata` asks of a fixture."""

    cprofile_stats = None
    has_error = False

    def __init__(self, node: pytest.Item, scenario: str, cell: CellResult) -> None:
        marker = node.get_closest_marker("benchmark")
        given = getattr(getattr(node, "callspec", None), "params", {})
        self.name = f"{node.name}::{scenario}[{cell.id}]"
        self.fullname = f"{node.nodeid}::{scenario}[{cell.id}]"
        self.group = (
            marker.kwargs.get("group") if marker else None
        ) or f"{scenario}: {cell.document['group']}"
        self.param = cell.id
        self.params = {**{name: str(value) for name, value in given.items()}, "cell": cell.id}
        self.extra_info = extra_info(cell.document)


def add(node: pytest.Item, result: Result) -> None:
    """The valid cells of a run; nothing where pytest-benchmark is not there, or was told to do nothing."""
    session: Any = getattr(node.config, "_benchmarksession", None)
    if session is None or session.disabled or session.skip:
        return
    try:
        metadata: Any = import_module("pytest_benchmark.stats").Metadata
        scenario = str(result.document["scenario"]["name"])
        for cell in result.cells:
            rounds = rounds_s(cell.document)
            if cell.valid and rounds:
                benchmark = metadata(_Timed(node, scenario, cell), iterations=1, options={})
                for seconds in rounds:
                    benchmark.update(seconds)
                session.benchmarks.append(benchmark)
    except (ImportError, AttributeError, TypeError) as error:
        warnings.warn(NotAdded(f"not added to pytest-benchmark: {error}"), stacklevel=2)
