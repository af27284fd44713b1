"""JUnit XML as CI systems read it: promises and rows of comparisons are test cases, a cell is a class.

Broken promises and regressions are failures, what needed something that failed is an error, what cannot be decided
is skipped with the reason: a test that could not be run is none that passed. Layout: the schema that Jenkins' xUnit
plug-in publishes (junit-10.xsd).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from xml.etree import ElementTree as ET

from benchkit.report import promised
from benchkit.report.exports import Figures
from benchkit.report.exports.findings import change

Entry = Mapping[str, Any]
Outcome = Literal["passed", "failure", "error", "skipped"]
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OF_ROW: Final[Mapping[str, Outcome]] = {"FAIL": "failure", "INCONCLUSIVE": "skipped"}


@dataclass(frozen=True, slots=True)
class _Case:
    cell: str
    name: str
    outcome: Outcome
    what: str = ""


def export(source: Figures) -> Iterator[str]:
    """The whole file: one suite a run or comparison."""
    suites = [_suite(str(run["scenario"].get("name") or "run"), run, _of_run(run)) for run in source.runs]
    suites += [
        _suite(f"{each['scenario']}: compared", each, _of_comparison(each)) for each in source.comparisons
    ]
    root = ET.Element("testsuites")
    root.extend(suites)
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(each.get(name, "0")) for each in suites)))
    ET.indent(root)
    yield '<?xml version="1.0" encoding="utf-8"?>\n'
    yield ET.tostring(root, encoding="unicode") + "\n"


def _of_run(run: Entry) -> Iterator[_Case]:
    for cell in run["cells"]:
        reasons = "; ".join(f"{each['code']}: {each['message']}" for each in cell["validity"]["reasons"])
        valid = cell["validity"]["valid"]
        yield _Case(cell["id"], "valid", "passed" if valid else "skipped", "" if valid else reasons)
    for each in run["promises"]:
        outcome: Outcome = "passed" if each["kept"] else "skipped" if each["kept"] is None else "failure"
        what = f"measured {promised.quantity(each, 'value')}: {promised.said(each)}"
        yield _Case(each["cell"], promised.asked(each), outcome, what)
    for each in run["failures"]:
        yield _Case(each["party"], each["type"], "error", f"{each['what']}; {each['remedy']}".strip("; "))


def _of_comparison(found: Entry) -> Iterator[_Case]:
    for row in found["rows"]:
        what = change(row) + (f": {row['why']}" if row.get("why") else "")
        yield _Case(row["cell"], row["metric"] or "compared", _OF_ROW.get(row["verdict"], "passed"), what)
    for each in found.get("missing", ()):
        outcome: Outcome = "skipped" if found.get("on_missing") == "ignore" else "failure"
        yield _Case(each["cell"], "on both sides", outcome, each["why"])


def _suite(name: str, document: Entry, cases: Iterator[_Case]) -> ET.Element:
    suite = ET.Element("testsuite", name=_text(name))
    counts = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for case in cases:
        own = ET.SubElement(suite, "testcase", classname=_text(case.cell), name=_text(case.name), time="0")
        counts["tests"] += 1
        if case.outcome != "passed":
            counts[case.outcome if case.outcome == "skipped" else f"{case.outcome}s"] += 1
            # No type: it is optional, and a message says more.
            ET.SubElement(own, case.outcome, message=_text(case.what))
        elif case.what:
            ET.SubElement(own, "system-out").text = _text(case.what)
    for key, value in counts.items():
        suite.set(key, str(value))
    seconds = document.get("duration_s", document.get("seconds", 0.0))
    suite.set("time", f"{float(seconds):.3f}")
    suite.set("timestamp", str(document.get("started_utc", "")).removesuffix("Z").partition("+")[0])
    return suite


def _text(text: str) -> str:
    """What XML 1.0 can hold."""
    return _NO_XML.sub("?", text)
