"""Seldon's MLServer, as people run it, as the stage of a cell: a process of its own with a model of a few lines."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from kserve_ends import RAW, message, setup

from benchkit.errors import BrokerError
from benchkit.tensors.wire import unpack
from benchkit.transports._kserve.server import Server
from benchkit.transports.base import ArraySpec
from benchkit.transports.kserve_http import KserveHttp

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mlserver") is None,
    reason='pip install "benchkit[kserve-test]" (Python below 3.13)',
)

START_S = 60.0
MODEL = """
import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

class Sums(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        total = sum(NumpyCodec.decode_input(each).sum(dtype=np.float64) for each in payload.inputs)
        outputs = [NumpyCodec.encode_output("sum", np.array([total]))]
        return InferenceResponse(id=payload.id, model_name=self.name, outputs=outputs)
"""
WINDOW = np.arange(12, dtype=np.float32).reshape(3, 4)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mlserver")
    http, grpc, metrics = _free_ports(3)
    (folder / "their_sums.py").write_text(MODEL)
    (folder / "settings.json").write_text(
        json.dumps(
            {
                "host": "127.0.0.1", "http_port": http, "grpc_port": grpc, "metrics_port": metrics,
                "parallel_workers": 0, "debug": False,
            }
        )
    )  # fmt: skip
    inputs = [{"name": "window", "datatype": "FP32", "shape": [-1, 4]}]
    (folder / "model-settings.json").write_text(
        json.dumps({"name": "sums", "implementation": "their_sums.Sums", "inputs": inputs})
    )
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", "from mlserver.cli import main; main()", "start", str(folder)],
            stdout=output, stderr=output, cwd=folder,
        )  # fmt: skip
    try:
        found = f"http://127.0.0.1:{http}"
        _await_ready(found, process, log)
        yield found
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + START_S
    server = Server(url, "sums", "", {})
    while time.monotonic() < give_up and process.poll() is None:
        try:
            if server.ask("/v2/models/sums/ready")[0] == 200:
                return
        except BrokerError:
            pass
        time.sleep(0.1)  # a pause between questions, not what is waited for
    pytest.fail(f"MLServer did not start: {log.read_text(errors='replace')[-2000:]}")


def test_it_answers_what_it_was_sent(url: str, tmp_path: Path) -> None:
    transport = KserveHttp(url=url, model="sums", depth=2)
    with transport.prepare(setup(tmp_path, (ArraySpec("window", "float32", (3, 4)),))) as address:
        assert address.path.startswith("mlserver ")
        assert "tensors as JSON" in address.path
        assert transport.server_times(address) is None
        sender = transport.sender(address)
        try:
            for seq in range(20):
                assert sender.send(message(seq, {"window": WINDOW + seq}), 5.0)
                reply = sender.reply(5.0)
                assert reply is not None
                envelope, body = unpack(reply.view)
                assert (envelope.seq, envelope.item) == (seq, 7)
                assert RAW.decode(body)[0]["sum"].reshape(-1).tolist() == [66.0 + 12 * seq]
        finally:
            sender.close()


def test_another_model_is_not_ready(url: str, tmp_path: Path) -> None:
    other = KserveHttp(url=url, model="other")
    with pytest.raises(BrokerError, match="not ready: HTTP 404"), other.prepare(setup(tmp_path)):
        pass
