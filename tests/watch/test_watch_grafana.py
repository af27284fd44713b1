"""The dashboard is one that Grafana takes, and every query asks for what is really exposed."""

from __future__ import annotations

import json
import re
import urllib.request
from functools import cache
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from benchkit.alerts import METRICS, Notice, Observation
from benchkit.alerts.sinks.base import Around
from benchkit.alerts.sinks.prometheus import FIRING, Prometheus
from benchkit.cli.watch import watch

pytest.importorskip("prometheus_client")
from prometheus_client.parser import text_string_to_metric_families

LABELS = {"pipeline": "cameras", "party": "worker-0", "queue": "frames", "promise": "p99", "objective": "0.99"}

TEXT = {"type": "string", "minLength": 1}
SOURCE = {
    "type": "object",
    "properties": {"type": {"const": "prometheus"}, "uid": {"const": "${datasource}"}},
    "required": ["type", "uid"],
}
PANEL = {
    "type": "object",
    "required": ["id", "type", "title", "description", "datasource", "gridPos", "fieldConfig", "options", "targets"],
    "properties": {
        "id": {"type": "integer", "minimum": 1},
        "type": {"enum": ["timeseries", "stat", "state-timeline"]},
        "title": TEXT,
        "description": TEXT,
        "datasource": SOURCE,
        "gridPos": {
            "type": "object",
            "required": ["h", "w", "x", "y"],
            "properties": {
                "h": {"type": "integer", "minimum": 1},
                "w": {"type": "integer", "minimum": 1, "maximum": 24},
                "x": {"type": "integer", "minimum": 0, "exclusiveMaximum": 24},
                "y": {"type": "integer", "minimum": 0},
            },
            "additionalProperties": False,
        },
        "fieldConfig": {
            "type": "object",
            "required": ["defaults", "overrides"],
            "properties": {
                "defaults": {
                    "type": "object",
                    "required": ["unit", "color", "mappings", "thresholds"],
                    "properties": {
                        "unit": TEXT,
                        "color": {"properties": {"mode": {"enum": ["thresholds", "palette-classic"]}}},
                        "thresholds": {
                            "required": ["mode", "steps"],
                            "properties": {
                                "mode": {"enum": ["absolute", "percentage"]},
                                "steps": {"type": "array", "minItems": 1, "items": {"required": ["color", "value"]}},
                            },
                        },
                        "mappings": {
                            "type": "array",
                            "items": {"required": ["type", "options"], "properties": {"type": {"const": "value"}}},
                        },
                    },
                },
                "overrides": {"type": "array"},
            },
        },
        "targets": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["refId", "datasource", "expr", "legendFormat"],
                "properties": {"refId": TEXT, "datasource": SOURCE, "expr": TEXT, "legendFormat": TEXT},
            },
        },
    },
}
# What Grafana's own kind `dashboard` asks of schemaVersion 36 (kinds/dashboard/dashboard_kind.cue).
SCHEMA = {
    "type": "object",
    "required": ["title", "style", "editable", "graphTooltip", "schemaVersion", "panels", "templating", "time"],
    "properties": {
        "id": {"type": "null"},
        "title": TEXT,
        "style": {"enum": ["dark", "light"]},
        "editable": {"type": "boolean"},
        "graphTooltip": {"enum": [0, 1, 2]},
        "schemaVersion": {"const": 36},
        "version": {"type": "integer", "minimum": 0},
        "refresh": TEXT,
        "tags": {"type": "array", "items": TEXT},
        "time": {"required": ["from", "to"]},
        "panels": {"type": "array", "minItems": 8, "items": PANEL},
        "annotations": {"properties": {"list": {"type": "array"}}},
        "templating": {
            "required": ["list"],
            "properties": {
                "list": {
                    "type": "array",
                    "items": {
                        "required": ["type", "name"],
                        "properties": {
                            "type": {
                                "enum": ["query", "adhoc", "constant", "datasource", "interval", "textbox", "custom", "system"]
                            },
                            "hide": {"enum": [0, 1, 2]},
                        },
                    },
                }
            },
        },
    },
    "not": {"required": ["uid"]},
}


@cache
def dashboard() -> dict[str, Any]:
    """As people get it."""
    printed = CliRunner().invoke(watch, ["--grafana"])
    assert printed.exit_code == 0
    return json.loads(printed.output)


@cache
def exposed() -> dict[str, set[str]]:
    """Every series that a scraper gets when everything is observed: its name and labels."""
    endpoint = Prometheus(port=0).open(Around(lambda text, style: None))
    try:
        seen = [Observation(1, name, LABELS, 1.0) for name in METRICS]
        endpoint.show(seen, [Notice("firing", "dead", LABELS, 1.0, 0, 1, "worker-0 is gone")])
        with urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}/metrics", timeout=20) as answer:
            text = answer.read().decode()
    finally:
        endpoint.close(1)
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {sample.name: set(sample.labels) for sample in samples}


def expressions() -> list[tuple[dict[str, Any], str]]:
    return [(panel, target["expr"]) for panel in dashboard()["panels"] for target in panel["targets"]]


def test_it_is_of_the_schema_that_it_claims():
    Draft202012Validator.check_schema(SCHEMA)
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(dashboard())] == []


def test_every_query_asks_for_series_and_labels_that_are_exposed():
    for _, expr in expressions():
        names = set(re.findall(r"benchkit_\w+", expr))
        assert names
        assert names <= set(exposed()), expr
        used = set(re.findall(r"(\w+)=~", expr))
        for group in re.findall(r"by \(([^)]*)\)", expr):
            used |= {label.strip() for label in group.split(",")}
        for name in names:
            assert used <= exposed()[name], (expr, name)


def test_legends_name_labels_that_their_series_have():
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            (name, *_) = re.findall(r"benchkit_\w+", target["expr"])
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= exposed()[name]


def test_everything_that_should_be_seen_is():
    asked = {name for _, expr in expressions() for name in re.findall(r"benchkit_\w+", expr)}
    assert asked >= {
        "benchkit_up", "benchkit_heartbeat_age_seconds", "benchkit_queue_depth", "benchkit_oldest_age_seconds",
        "benchkit_handled_total", "benchkit_rate_per_second", "benchkit_arrivals_per_second",
        "benchkit_pending_entries", "benchkit_consumers", "benchkit_lost_total", "benchkit_frame_age_seconds",
        "benchkit_slo_good_total", "benchkit_slo_total", FIRING,
    }  # fmt: skip


def test_units_are_those_of_the_metrics():
    """By the metric's own name: seconds as `s`, per second as counts per second, the rest as numbers."""
    for panel, expr in expressions():
        unit = panel["fieldConfig"]["defaults"]["unit"]
        if "(" in expr.partition("{")[0]:
            assert unit in ("short", "none"), expr
        elif expr.startswith(("benchkit_up", FIRING)):
            assert unit == "none"
        else:
            name = expr.partition("{")[0]
            wanted = "s" if name.endswith("_seconds") else "cps" if name.endswith("_per_second") else "short"
            assert unit == wanted, expr


def test_the_data_source_is_a_variable_and_nothing_is_fixed():
    first, *others = dashboard()["templating"]["list"]
    assert (first["type"], first["name"], first["query"]) == ("datasource", "datasource", "prometheus")
    text = json.dumps(dashboard())
    assert set(re.findall(r'"uid": "([^"]*)"', text)) == {"${datasource}"}
    defined = {each["name"] for each in (first, *others)}
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval"}
    assert used == defined


def test_panels_have_ids_of_their_own_and_do_not_lie_on_each_other():
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not own & cells
        cells |= own
