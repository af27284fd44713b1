"""pytest-benchmark's JSON: one benchmark a valid cell, its rounds the blocks' medians.

Read by `py.test-benchmark compare FILE...` and `pytest --benchmark-compare=FILE`. The names are those that the
pytest plug-in gives, so that files of both compare.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from benchkit.report.exports import Figures
from benchkit.report.exports.rounds import extra_info, rounds_s, stats

VERSION: Final = "5.1.0"
"""The layout: pytest-benchmark 5."""


def export(source: Figures) -> Iterator[str]:
    """The document; the machine is the first run's."""
    first: Mapping[str, Any] = source.runs[0] if source.runs else {"environment": {}, "started_utc": ""}
    content = {
        "machine_info": _machine(first["environment"]),
        "commit_info": _commit(first["environment"]),
        "benchmarks": [
            _benchmark(str(run["scenario"].get("name") or "run"), cell)
            for run in source.runs
            for cell in run["cells"]
            if cell["validity"]["valid"] and rounds_s(cell)
        ],
        "datetime": str(first["started_utc"]).replace("Z", "+00:00"),
        "version": VERSION,
    }
    yield json.dumps(content, indent=4) + "\n"


def name(scenario: str, cell: str) -> str:
    """What a cell is called among benchmarks."""
    return f"{scenario}[{cell}]"


def _benchmark(scenario: str, cell: Mapping[str, Any]) -> dict[str, Any]:
    called = name(scenario, cell["id"])
    return {
        "group": f"{scenario}: {cell['group']}",
        "name": called,
        "fullname": called,
        "params": {"cell": cell["id"]},
        "param": cell["id"],
        "extra_info": extra_info(cell),
        "options": {},
        "stats": stats(rounds_s(cell)),
    }


def _machine(environment: Mapping[str, Any]) -> dict[str, Any]:
    """No host's name: a baseline that is published tells nobody where it was made."""
    implementation, _, version = str(environment.get("python", "")).partition(" ")
    system, _, kernel = str(environment.get("kernel", "")).partition(" ")
    release, _, machine = kernel.partition(" ")
    return {
        "node": "", "processor": machine, "machine": machine, "python_implementation": implementation,
        "python_implementation_version": version, "python_version": version, "release": release,
        "system": system, "cpu": {"brand_raw": environment.get("cpu", ""), "count": environment.get("cores")},
        "benchkit_fingerprint": environment.get("fingerprint"),
    }  # fmt: skip


def _commit(environment: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": environment.get("git") or "unversioned", "time": None, "author_time": None, "dirty": None,
        "project": "benchkit", "branch": "(unknown)",
    }  # fmt: skip
