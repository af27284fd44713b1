"""A small inference server of somebody else's: plain HTTP, binary or JSON, counters and shared memory on request.

It adds up the numbers of its inputs. What it was asked is kept in `asked`, headers and all.
"""

from __future__ import annotations

import json
import mmap
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from benchkit.runtime.folders import SEGMENTS

DTYPES = {"UINT8": np.uint8, "FP32": np.float32, "FP64": np.float64}


@dataclass
class Manner:
    """How the server behaves."""

    inputs: list[dict[str, Any]] = field(
        default_factory=lambda: [{"name": "window", "datatype": "FP32", "shape": [4, 4]}]
    )
    extensions: tuple[str, ...] = ("binary_tensor_data", "statistics", "system_shared_memory")
    batched: bool = False
    token: str = ""
    status: int = 200
    """Of inference."""
    said: str = "the model burst"
    location: str = ""
    off_by: float = 0.0
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    regions: dict[str, tuple[str, int]] = field(default_factory=dict)
    count: int = 0

    @property
    def requests(self) -> list[tuple[str, dict[str, str], bytes]]:
        return [each for each in self.asked if each[0].endswith("/infer")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    manner: Manner

    def log_message(self, *_: object) -> None: ...

    def _send(self, status: int, page: Any, content: bytes = b"") -> None:
        text = json.dumps(page).encode()
        self.send_response(status)
        if content:
            self.send_header("Inference-Header-Content-Length", str(len(text)))
        if self.manner.location:
            self.send_header("Location", self.manner.location)
        self.send_header("Content-Length", str(len(text) + len(content)))
        self.end_headers()
        self.wfile.write(text + content)

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        manner = self.manner
        manner.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        if manner.token and self.headers.get("Authorization") != f"Bearer {manner.token}":
            return self._send(401, {"error": "who are you"})
        match self.path.split("/")[2:]:
            case []:
                self._send(200, {"name": "small", "version": "0.1", "extensions": list(manner.extensions)})
            case ["models", "sums", "ready"]:
                self._send(200, {"ready": True})
            case ["models", "sums"]:
                self._send(200, {"name": "sums", "inputs": manner.inputs})
            case ["models", "sums", "stats"] if "statistics" in manner.extensions:
                names = ("success", "queue", "compute_input", "compute_infer", "compute_output")
                each = {name: {"count": manner.count, "ns": 1000 * manner.count} for name in names}
                self._send(200, {"model_stats": [{"name": "sums", "version": "1", "inference_stats": each}]})
            case ["systemsharedmemory", "region", name, "register"] if (
                "system_shared_memory" in manner.extensions
            ):
                asked = json.loads(body)
                manner.regions[name] = (asked["key"], asked["byte_size"])
                self._send(200, {})
            case ["systemsharedmemory", "region", name, "unregister"]:
                manner.regions.pop(name)
                self._send(200, {})
            case ["models", "sums", "infer"]:
                self._infer(body)
            case _:
                self._send(404, {"error": f"no {self.path}"})
        return None

    def _infer(self, body: bytes) -> None:
        manner = self.manner
        if manner.status != 200:
            return self._send(manner.status, {"error": manner.said})
        length = int(self.headers.get("Inference-Header-Content-Length", len(body)))
        request = json.loads(body[:length])
        total = manner.off_by
        at = length
        for given in request["inputs"]:
            parameters = given.get("parameters", {})
            if "shared_memory_region" in parameters:
                array = self._shared(parameters, DTYPES[given["datatype"]])
            elif "binary_data_size" in parameters:
                end = at + parameters["binary_data_size"]
                array = np.frombuffer(body[at:end], DTYPES[given["datatype"]])
                at = end
            else:
                array = np.array(given["data"])
            assert array.size == np.prod(given["shape"])
            total += float(array.sum(dtype=np.float64))
        assert at == len(body)
        manner.count += 1
        shape = [1, 1] if manner.batched else [1]
        output = {"name": "sum", "datatype": "FP64", "shape": shape}
        page = {"model_name": "sums", "id": request["id"], "outputs": [output]}
        if request.get("parameters", {}).get("binary_data_output"):
            output["parameters"] = {"binary_data_size": 8}
            return self._send(200, page, np.array([total]).tobytes())
        output["data"] = [total]
        return self._send(200, page)

    def _shared(self, parameters: dict[str, Any], dtype: type[np.generic]) -> Any:
        key, size = self.manner.regions[parameters["shared_memory_region"]]
        fd = os.open(SEGMENTS / key.lstrip("/"), os.O_RDONLY)
        try:
            with mmap.mmap(fd, size, prot=mmap.PROT_READ) as memory:
                start = parameters["shared_memory_offset"]
                return np.frombuffer(memory[start : start + parameters["shared_memory_byte_size"]], dtype)
        finally:
            os.close(fd)


@contextmanager
def running(manner: Manner) -> Iterator[str]:
    """The server's URL."""
    handler = type("Handler", (_Handler,), {"manner": manner})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
