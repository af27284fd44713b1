"""`benchkit run --profile`: what is quoted is what was planted, and nothing of it is among the figures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shell import Done, benchkit, codes, small

from benchkit.analysis.document import document
from benchkit.analysis.profiles import sentence
from benchkit.records.folder import load
from benchkit.report.facts import of_cell
from benchkit.report.groups import groups
from benchkit.report.profiles import brief

MEASURED = (0, 3)
"""Whether a cell is valid depends on what else the machine does; nothing that the run needed failed."""

STAGES = """
import os
import sys

import numpy as np

def hot():
    for _ in range(36000):
        abs(-1)

def cold():
    for _ in range(12000):
        abs(-1)

def detect(arrays):
    hot()
    cold()
    return {"n": np.array([1])}

def jealous(arrays):
    if sys.getprofile() is not None:
        sys.setprofile(lambda *_: None)
    return {"n": np.array([1])}

def dies(arrays):
    if sys.getprofile() is not None:
        os._exit(7)
    return {"n": np.array([1])}
"""


def line_of(function: str) -> int:
    return next(at for at, line in enumerate(STAGES.splitlines(), 1) if line.startswith(f"def {function}("))


def run(folder: Path, *arguments: str, **sections: Any) -> Done:
    (folder / "detector.py").write_text(STAGES)
    sections.setdefault("blocks", {"rounds": 2, "duration": "400ms", "warmup": "30ms", "warmup_max": "30ms"})
    return benchkit(
        "run", small(folder, **sections), "--out", folder / "run", "--profile", "-q", *arguments,
        out=folder / "run", cwd=folder,
    )  # fmt: skip


def python(target: str) -> dict[str, str]:
    return {"kind": "python", "target": f"detector:{target}", "path": "."}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A stage whose `hot` does three quarters of its work, behind a codec known to take time of its own.

    Work and not time: how long a busy machine keeps either of them from a core is not what is planted.
    """
    return run(
        tmp_path_factory.mktemp("planted"), codec="json-base64", stage=python("detect"),
        source={"kind": "sensors", "samples": 512, "channels": 64},
        load={"arrival": "closed", "in_flight": 1},
    )  # fmt: skip


def top(cell: dict[str, Any], party: str, phase: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in cell["profiles"][party]["top"] if each["phase"] == phase}


def test_a_planted_hot_function_is_named_with_its_line_and_share(planted: Done) -> None:
    (cell,) = planted.document["cells"]
    found = top(cell, "stage-0", "compute")["detector.hot"]
    assert found["where"] == f"detector.py:{line_of('hot')}"
    assert found["share"] == pytest.approx(0.75, abs=0.15)
    assert top(cell, "stage-0", "compute")["detector.cold"]["share"] == pytest.approx(0.25, abs=0.15)


def test_the_codecs_own_functions_are_named(planted: Done) -> None:
    (cell,) = planted.document["cells"]
    encode = top(cell, "producer", "encode")
    library = {
        name: each["share"] for name, each in encode.items() if each["where"].startswith(("json/", "base64"))
    }
    assert sum(library.values()) > 0.5
    assert "JSONEncoder.iterencode" in library


def test_it_is_told_in_one_sentence_and_printed(planted: Done) -> None:
    assert planted.code in MEASURED, planted.stderr
    (cell,) = load(planted.folder).cells
    assert cell.profile is not None
    quote = sentence(cell.profile, "compute")
    assert re.match(rf"profile: \d\d% of compute in detector\.hot \(detector\.py:{line_of('hot')}\)", quote)
    printed = " ".join(planted.stdout.split())
    assert "Under the profiler, in blocks of their own" in printed
    for line in brief(planted.document["cells"][0]):
        assert line in printed or line.startswith("pages:"), "long names of files are folded"


def test_what_profiling_cost_is_printed_with_its_figure(planted: Done) -> None:
    (cell,) = planted.document["cells"]
    slowed = cell["profiles"]["slowdown"]
    assert slowed["latency_p50"] > 0
    assert slowed["throughput"] > 0
    assert set(slowed["cpu"]) == {"producer", "stage"}
    printed = " ".join(planted.stdout.split())
    assert cell["profiles"]["cost"] in printed
    assert re.search(r"under the profiler p50 is [\d.]+x \(measured blocks among themselves: ", printed)


def test_profiled_blocks_are_in_no_figure(planted: Done) -> None:
    (cell,) = planted.document["cells"]
    assert cell["blocks"] == len(planted.record["blocks"]) == 2
    samples = np.load(planted.folder / cell["samples"])
    assert set(samples["block"].tolist()) == {0, 1}


def test_pages_are_in_the_run_and_named_there(planted: Done) -> None:
    (cell,) = planted.document["cells"]
    for party in ("producer", "stage-0"):
        page, data = cell["profiles"][party]["files"]
        assert "<html>" in (planted.folder / page).read_text("utf-8")
        timeline = json.loads((planted.folder / data).read_text("utf-8"))
        assert any(frame["name"] == "hot" for frame in timeline["shared"]["frames"]) == (party == "stage-0")


def test_a_report_made_later_tells_it_from_the_record(planted: Done) -> None:
    run_ = load(planted.folder)
    (group,) = groups(run_, document(run_))
    (row,) = group.rows
    facts = {fact.name: fact.value for fact in of_cell(row)}
    assert "detector.hot" in facts["profile"]
    assert "under the profiler p50 is" in facts["profile"]


@pytest.fixture(scope="module")
def hindered(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Stages that do nothing but hinder the profiler, before one that does not."""
    blocks = {"rounds": 1, "duration": "500ms", "warmup": "30ms", "warmup_max": "30ms", "drain": "300ms"}
    stages = [python("jealous"), python("dies"), "null"]
    return run(tmp_path_factory.mktemp("hindered"), stage=stages, blocks=blocks)


def test_what_hinders_the_profiler_costs_the_profile_and_no_measured_block(hindered: Done) -> None:
    assert hindered.code in MEASURED, hindered.stderr
    assert not hindered.document["failures"]
    for cell in hindered.document["cells"]:
        assert (cell["blocks"], cell["failures"]) == (1, [])
        assert cell["latency_us"]["count"] > 0
        assert "party-died" not in codes(cell)


def test_each_hindrance_is_a_named_gap(hindered: Done) -> None:
    jealous, dies, fine = (of(hindered.document, name) for name in ("jealous", "dies", "null"))
    assert "replaced while the block lasted" in jealous["stage-0"]["gap"]
    assert not jealous["stage-0"]["top"]
    assert "ended with code 7" in dies["stage-0"]["gap"]
    # The process that follows it profiles the next cell.
    assert fine["stage-0"]["gap"] == ""
    assert fine["stage-0"]["samples"]
    printed = " ".join(hindered.stdout.split())
    assert "replaced while the block lasted" in printed
    assert "ended with code 7" in printed


def of(document_: dict[str, Any], stage: str) -> dict[str, Any]:
    """The profiles of the one cell with this stage."""
    (found,) = [cell for cell in document_["cells"] if stage in json.dumps(cell["parameters"]["stage"])]
    return dict(found["profiles"])
