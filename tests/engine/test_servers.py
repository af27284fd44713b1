"""Transports with a server that the machine may lack: its absence costs a cell, its presence nothing is lost."""

from __future__ import annotations

import pytest
from test_producers import plan_of, planned

from benchkit.engine.runner import Runner
from benchkit.load.constant import Constant
from benchkit.records.samples import Status
from benchkit.transports._nats import server as nats_server
from benchkit.transports._rabbitmq import server as rabbitmq_server
from benchkit.transports.base import registry

LOAD = Constant(rate=200)


def cell(kind: str, **changes: object):
    return planned(kind, LOAD, id=kind, **changes)


def test_without_a_server_the_cell_is_skipped_with_the_install_command_and_the_run_goes_on(monkeypatch):
    for server in (nats_server, rabbitmq_server):
        monkeypatch.setattr(server, "program", lambda: None)
    run = Runner(plan_of(cell("rabbitmq"), cell("nats"), cell("unix")), lambda _: None).run()
    assert set(run.samples) == {"unix"}
    told = {cell.id: (cell.skipped, cell.skipped_remedy) for cell in run.cells if cell.skipped}
    assert "needs a RabbitMQ server" in told["rabbitmq"][0]
    assert "apt-get install rabbitmq-server" in told["rabbitmq"][1]
    assert "needs a NATS server" in told["nats"][0]
    assert "apt-get install nats-server" in told["nats"][1]


def test_with_its_server_every_message_of_two_producers_arrives_and_the_broker_is_seen():
    kinds = [kind for kind in ("nats", "rabbitmq") if registry.load(kind).lacks() is None]
    if not kinds:
        pytest.skip("neither a NATS nor a RabbitMQ server is installed")
    run = Runner(plan_of(*[cell(kind, producers=2, workers=2) for kind in kinds]), lambda _: None).run()
    assert [cell.skipped for cell in run.cells] == [""] * len(kinds)
    for block in run.blocks:
        assert (run.samples[block.cell]["status"] == Status.DELIVERED).all(), block.failures
        assert (block.drained, block.unexpected, block.duplicated, block.corrupted) == (True, 0, 0, 0)
        assert block.usage["broker"].cpu_ns > 0
        assert {path["server"] for path in block.paths.values()} == {block.claimed["server"]}
