"""SARIF 2.1.0, for code scanning: what was found, at the scenario that asked for it.

The fields are those that GitHub reads: rules with descriptions, results with a level, a place and a fingerprint that
stays the same from run to run (no figures in it), so that one regression is one alert until it is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

from benchkit import __version__
from benchkit.report.exports import Figures
from benchkit.report.exports.findings import RULES, Finding, findings

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final = {"error": "error", "warning": "warning", "notice": "note"}
_MOST: Final = 5000
"""GitHub shows no more results of a run."""


def export(source: Figures) -> Iterator[str]:
    """The log of one tool run."""
    found = findings(source)[:_MOST]
    driver = {
        "name": "benchkit",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(code, text) for code, text in RULES.items()],
    }
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(each) for each in found]}],
    }
    yield json.dumps(log, indent=1) + "\n"


def _rule(code: str, text: str) -> dict[str, Any]:
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in code.split("-")),
        "shortDescription": {"text": text},
        "fullDescription": {"text": text},
        "help": {"text": f"{text} See the run's report for the evidence."},
        "properties": {"tags": ["performance"]},
    }


def _result(each: Finding) -> dict[str, Any]:
    place = {
        "artifactLocation": {"uri": quote(each.file or f"scenarios/{each.scenario}.yaml")},
        "region": {"startLine": 1},
    }
    about = f"{each.cell}: " if each.cell else ""
    remedy = f" Remedy: {each.remedy}." if each.remedy else ""
    # A sentence of no cell and no metric is told apart by its words.
    key = "\n".join((each.code, each.scenario, each.cell, each.metric, "" if each.cell else each.what))
    return {
        "ruleId": each.code,
        "ruleIndex": list(RULES).index(each.code),
        "level": _LEVELS[each.level],
        "message": {"text": f"{about}{each.what}.{remedy}"},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"benchkit/v1": sha256(key.encode("utf-8", "replace")).hexdigest()},
    }
