"""NVIDIA's Python client, as people use it, against benchkit's own end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from kserve_ends import served

if TYPE_CHECKING:
    from pathlib import Path

http = pytest.importorskip("tritonclient.http", reason='pip install "tritonclient[http]" (in benchkit[test])')

FRAME = np.arange(20, dtype=np.uint8).reshape(4, 5)
GAIN = np.ones(3, np.float32)


def test_the_client_finds_the_model(tmp_path: Path) -> None:
    with served(tmp_path, model="dam") as here:
        client = http.InferenceServerClient(f"127.0.0.1:{here.port}")
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("dam")
        assert client.is_model_ready("dam", "1")
        assert not client.is_model_ready("other")
        assert client.get_server_metadata()["name"] == "benchkit"
        assert [each["name"] for each in client.get_model_metadata("dam")["inputs"]] == ["frame", "gain"]
        client.close()


@pytest.mark.parametrize("inputs_binary", [True, False])
@pytest.mark.parametrize("outputs_binary", [None, True, False])
def test_the_client_gets_its_answers(
    tmp_path: Path, inputs_binary: bool, outputs_binary: bool | None
) -> None:
    with served(tmp_path, model="dam") as here:
        client = http.InferenceServerClient(f"127.0.0.1:{here.port}")
        inputs = [http.InferInput("frame", [4, 5], "UINT8"), http.InferInput("gain", [3], "FP32")]
        inputs[0].set_data_from_numpy(FRAME, binary_data=inputs_binary)
        inputs[1].set_data_from_numpy(GAIN, binary_data=inputs_binary)
        outputs = None
        if outputs_binary is not None:
            outputs = [http.InferRequestedOutput("sum", binary_data=outputs_binary)]
        for _ in range(3):  # one connection, kept
            result = client.infer("dam", inputs, outputs=outputs, request_id="frame-1")
            assert result.as_numpy("sum").tolist() == [190, 3]
            assert result.get_response()["id"] == "frame-1"
        with pytest.raises(http.InferenceServerException, match="the inputs are frame, gain"):
            client.infer("dam", inputs[:1])
        client.close()
        assert here.foreign == 3
