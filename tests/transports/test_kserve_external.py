"""A whole run whose stage is somebody else's server: account, phases, checks, the server's own figures."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from kserve_server import Manner, running

from benchkit.analysis.document import document
from benchkit.engine.runner import Runner
from benchkit.errors import InputMismatch, ScenarioError
from benchkit.load.closed import Closed
from benchkit.records.folder import load as load_run
from benchkit.records.folder import save
from benchkit.records.run import Run
from benchkit.scenario import load
from benchkit.scenario.plan import Blocks, Plan, PlannedCell
from benchkit.sources.sensors import Sensors
from benchkit.stages.base import Stage
from benchkit.stages.null import Null
from benchkit.stages.python import Python
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports.kserve_http import KserveHttp

TWIN = """
import numpy as np

def total(arrays):
    return {"sum": np.array([sum(float(each.sum(dtype=np.float64)) for each in arrays.values())])}
"""


def twin(folder: Path) -> Python:
    (folder / "twin_of_sums.py").write_text(TWIN)
    return Python(target="twin_of_sums:total", path=folder)


def planned(url: str, stage: Stage, samples: int = 4, **options: object) -> Plan:
    cell = PlannedCell(
        id="kserve-http/raw/x", group="x", source=Sensors(samples=samples, channels=4, distinct=3), codec=Raw(),
        transport=KserveHttp.model_validate({"url": url, "model": "sums", "depth": 2, **options}), stage=stage,
        load=Closed(in_flight=1), workers=1, batch_size=1, batch_delay_s=0.0, replies=True,
    )  # fmt: skip
    return Plan(
        name="x", seed=0, quick=True, cells=(cell,), order=(0, 0), blocks=Blocks(2, 0.15, 0.03, 2.0),
        checksum_every=1, check_replies=True, on_error="continue", slo={},
        resolved={"name": "x", "checks": {"replies": True}},
    )  # fmt: skip


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def inputs(samples: int = 4) -> list[dict[str, object]]:
    (name,) = next(iter(Sensors(samples=samples, channels=4).items(0))).arrays
    return [{"name": name, "datatype": "FP32", "shape": [-1, 4]}]


@contextmanager
def measured(manner: Manner, stage: Stage, **options: object) -> Iterator[Run]:
    with running(manner) as url:
        yield Runner(planned(url, stage, **options), lambda _: None).run()


def test_the_account_closes_and_all_of_the_way_is_transit(tmp_path: Path) -> None:
    manner = Manner(inputs())
    with measured(manner, twin(tmp_path)) as run:
        (cell,) = document(run)["cells"]
    account = cell["account"]
    assert account["delivered"] == account["scheduled"] == manner.count > 0
    assert sum(account[name] for name in ("lost", "pending", "unexpected", "corrupted", "duplicated")) == 0
    assert cell["checks"] == {"checked_replies": manner.count, "wrong_replies": 0}
    assert not any(
        phase["mean"] for name, phase in cell["phases_us"].items()
        if name in ("queue", "decode", "batch", "compute", "reply", "return")
    )  # fmt: skip
    assert cell["phases_us"]["transit"]["mean"] > 0
    assert cell["residual_us"]["max"] == 0
    assert not [each for each in cell["failures"] if each["type"] == "PartyError"]
    # The server counts a thousand nanoseconds of queue and three thousand of compute for each request.
    assert cell["server"] == {"requests": manner.count, "queue_mean_us": 1.0, "compute_mean_us": 3.0}
    assert cell["path"].startswith("small 0.1 at http://127.0.0.1:")
    assert cell["cost"]["stage_cpu_us_per_message"] is None
    assert load_run(save(run, document(run), tmp_path / "out")).blocks == run.blocks


def test_wrong_sums_are_found_by_the_twin_and_by_nothing_else(tmp_path: Path) -> None:
    with measured(Manner(inputs(), off_by=1000.0), twin(tmp_path)) as run:
        (cell,) = document(run)["cells"]
    assert cell["checks"]["wrong_replies"] == cell["checks"]["checked_replies"] > 0
    assert not cell["validity"]["valid"]
    with measured(Manner(inputs(), off_by=1000.0, extensions=("binary_tensor_data",)), Null()) as run:
        (cell,) = document(run)["cells"]
    assert cell["checks"]["checked_replies"] == 0
    assert cell["server"] is None
    codes = {each["code"] for each in cell["validity"]["reasons"]}
    assert "replies-unchecked" in codes
    assert "party-died" not in codes


def test_what_the_server_fails_on_is_dead_lettered_in_its_words(tmp_path: Path) -> None:
    with measured(Manner(inputs(), status=500, said="burst at redis://user:hush@host"), Null()) as run:
        (cell,) = document(run)["cells"]
    assert cell["account"]["dead_lettered"] == cell["account"]["scheduled"] > 0
    (failure,) = cell["failures"]
    assert failure["party"] == "stage"
    assert failure["what"] == "HTTP 500: burst at redis://***@host"
    assert "stage-failed" in {each["code"] for each in cell["validity"]["reasons"]}


def test_a_model_for_other_tensors_ends_the_run_before_it_measures() -> None:
    told = [{"name": "window", "datatype": "FP64", "shape": [9]}]
    with running(manner := Manner(told)) as url, pytest.raises(InputMismatch, match="the model takes"):
        Runner(planned(url, Null()), lambda _: None).run()
    assert not manner.requests


def test_other_clients_are_answered_and_are_in_no_account(tmp_path: Path) -> None:
    port = free_port()
    cell = replace(
        planned("http://127.0.0.1:1", twin(tmp_path)).cells[0], transport=KserveHttp(model="dam", port=port)
    )
    plan = replace(planned("http://127.0.0.1:1", Null()), cells=(cell,), order=(0,))
    (name,) = next(iter(Sensors(samples=4, channels=4).items(0))).arrays
    body = json.dumps(
        {"inputs": [{"name": name, "datatype": "FP32", "shape": [4, 4], "data": [1.0] * 16}]}
    ).encode()
    done, answered, failed = threading.Event(), [], []

    def call() -> None:
        while not done.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            with suppress(OSError, http.client.HTTPException), closing(connection):
                connection.request("POST", "/v2/models/dam/infer", body)
                response = connection.getresponse()
                (answered if response.status == 200 else failed).append(response.read())
            done.wait(0.002)

    client = threading.Thread(target=call)
    client.start()
    try:
        run = Runner(plan, lambda _: None).run()
    finally:
        done.set()
        client.join()
    (cell_found,) = document(run)["cells"]
    assert answered
    assert {json.loads(each)["outputs"][0]["data"][0] for each in answered} == {16.0}
    assert run.blocks[0].foreign >= len(answered)
    account = cell_found["account"]
    assert account["delivered"] + account["rejected"] == account["scheduled"] > 0
    assert account["unexpected"] == account["corrupted"] == 0
    assert cell_found["checks"]["wrong_replies"] == 0
    assert "foreign-requests" in {each["code"] for each in cell_found["validity"]["reasons"]}


def test_what_makes_no_sense_with_a_server_is_said_before_anything_runs(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: s\nsource: sensors\ncodec: msgpack\n"
        'transport: {kind: kserve-http, url: "http://127.0.0.1:1", model: m}\n'
        "load: {arrival: constant, rate: 100/s}\nworkers: 2\nreplies: false\nbatch: {size: 2}\n"
    )
    with pytest.raises(ScenarioError) as caught:
        load(path)
    said = [problem.remedy for problem in caught.value.problems]
    assert said == ["codec: raw", "replies: true", "workers: 1", "batch.size: 1"]


def test_a_server_of_somebody_else_has_no_profile_and_says_so() -> None:
    with running(Manner(inputs())) as url:
        run = Runner(planned(url, Null()), lambda _: None, profile=True).run()
    (cell,) = document(run)["cells"]
    assert "no process of ours to profile" in cell["profiles"]["stage"]["gap"]
    assert cell["profiles"]["producer"]["samples"]
    assert cell["blocks"] == 2
    assert not run.failures
