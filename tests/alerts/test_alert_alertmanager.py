"""What Alertmanager is sent, held to the definitions of its published API.

ALERTS is `postableAlerts` of prometheus/alertmanager, api/v2/openapi.yaml (Swagger 2.0, version 0.0.1 of the API, as of
commit 07d03b6c2c7e747335198f07d382060721dd2831), written down as a JSON Schema; what is added to it is that nothing
else may stand in an alert, and that label names are those of Prometheus' data model.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import jsonschema
import pytest
from alert_servers import NOTICE, Told, serving, status

from benchkit.alerts.sinks.alertmanager import Alertmanager

LABELS = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"},
    "additionalProperties": {"type": "string"},
}
ALERTS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "labels": LABELS,
            "generatorURL": {"type": "string", "format": "uri", "pattern": "^[a-z]+:."},
            "startsAt": {"type": "string", "format": "date-time"},
            "endsAt": {"type": "string", "format": "date-time"},
            "annotations": LABELS,
        },
        "required": ["labels"],
        "additionalProperties": False,
    },
}


def sent(server, count):
    assert server.wait_for(count)
    bodies = [body for _, _, body in server.asked]
    for body in bodies:
        jsonschema.Draft202012Validator(ALERTS).validate(body)
        for alert in body:
            for moment in ("startsAt", "endsAt"):
                assert datetime.fromisoformat(alert[moment]).tzinfo is not None
    return bodies


def moments(alert):
    return [datetime.fromisoformat(alert[name]) for name in ("startsAt", "endsAt")]


def test_firing_and_resolved_are_one_alert_by_its_labels_and_start():
    told = Told()
    now = told.around.clock()
    firing = replace(
        NOTICE, at_ns=now, fired_ns=now, labels={**NOTICE.labels, "stage.name": "x", "empty": ""}
    )
    resolved = replace(firing, state="resolved", at_ns=now + 1_000_000_000)
    with serving(status(200)) as server:
        sink = Alertmanager(url=server.url).open(told.around)
        sink.take(firing)
        sink.take(resolved)
        assert told.wait_for(2)
        sink.close(5)
        (first,), (last,) = sent(server, 2)
        assert [path for path, _, _ in server.asked] == ["/api/v2/alerts"] * 2
    assert first["labels"] == last["labels"] == {
        "alertname": "dead", "severity": "critical", "pipeline": "unix/raw", "party": "stage-0", "stage_name": "x"
    }  # fmt: skip
    assert first["annotations"]["summary"] == NOTICE.summary
    assert abs((moments(first)[0] - moments(last)[0]).total_seconds()) < 0.1
    # While it fires its end lies ahead, so that it ends by itself when nobody reminds it; then it lies where it was.
    assert (moments(first)[1] - moments(first)[0]).total_seconds() > 200
    assert 0.9 < (moments(last)[1] - moments(last)[0]).total_seconds() < 1.1


def test_what_fires_is_said_again_until_it_is_well():
    told = Told()
    with serving(status(200)) as server:
        sink = Alertmanager(url=f"{server.url}/", remind=0.05).open(told.around)
        sink.take(NOTICE)
        sink.take(replace(NOTICE, rule="loss"))
        bodies = sent(server, 4)
        assert sorted(alert["labels"]["alertname"] for alert in bodies[3]) == ["dead", "loss"]
        for rule in ("dead", "loss"):
            sink.take(replace(NOTICE, rule=rule, state="resolved"))
        assert told.wait_for(4)
        sink.close(5)
        last = sent(server, 1)[-1]
    assert [alert["labels"]["alertname"] for alert in last] == ["loss"]


@pytest.mark.parametrize(
    ("given", "path"),
    [("", "/api/v2/alerts"), ("/", "/api/v2/alerts"), ("/am", "/am/api/v2/alerts"),
     ("/am/api/v2/alerts", "/am/api/v2/alerts")],
)  # fmt: skip
def test_the_apis_path_stands_behind_a_prefix(given, path):
    told = Told()
    with serving(status(200)) as server:
        sink = Alertmanager(url=server.url + given).open(told.around)
        sink.take(NOTICE)
        assert told.wait_for(1)
        sink.close(5)
        assert [asked for asked, _, _ in server.asked] == [path]
