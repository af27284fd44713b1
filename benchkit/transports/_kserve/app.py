"""The stage's end of the protocol: what may be asked under which path."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from benchkit import __version__
from benchkit.transports._http.intake import CONTENT_TOO_LARGE, OK, SERVICE_UNAVAILABLE
from benchkit.transports._http.server import App, Headers, body_bytes
from benchkit.transports._kserve.document import MAX_HEADER_BYTES, MAX_JSON_BYTES
from benchkit.transports._kserve.intake import HEADER_LENGTH, Request, Terms, error
from benchkit.transports._kserve.tensors import DATATYPES

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Sequence

    from benchkit.transports._http.intake import Answer, Incoming, Intake
    from benchkit.transports.base import ArraySpec

_BAD_REQUEST, _NOT_FOUND, _METHOD_NOT_ALLOWED, _UNSUPPORTED = 400, 404, 405, 415
_REFUSALS = {
    CONTENT_TOO_LARGE: "the body is longer than any message of this stage",
    SERVICE_UNAVAILABLE: "the stage's queue is full: try again later",
}
_JSON = ((b"content-type", b"application/json"),)


class KserveApp(App):
    """Health, metadata and inference of one model; its name may be what makes it reachable at all."""

    def __init__(self, terms: Terms, intake: Intake) -> None:
        model = f"/v2/models/{terms.model}"
        super().__init__(f"{model}/infer", intake)
        self._terms = terms
        self._infer = (self.url, f"{model}/versions/1/infer".encode())
        about = json.dumps(_metadata(terms)).encode()
        ready = json.dumps({"name": terms.model, "ready": True}).encode()
        self._pages = {
            b"/v2": json.dumps(
                {"name": "benchkit", "version": __version__, "extensions": ["binary_tensor_data"]}
            ).encode(),
            b"/v2/health/live": b'{"live":true}',
            b"/v2/health/ready": b'{"ready":true}',
            **{path.encode(): about for path in (model, f"{model}/versions/1")},
            **{path.encode(): ready for path in (f"{model}/ready", f"{model}/versions/1/ready")},
        }

    def said(self, answer: Answer) -> Answer:
        """Refusals of the queue in the protocol's words."""
        return error(answer[0], _REFUSALS[answer[0]]) if answer[0] in _REFUSALS and not answer[1] else answer

    def admit(self, method: bytes, url: bytes, headers: Headers, answer: Future[Answer]) -> Incoming | None:
        """Room for an inference request; anything else is answered at once."""
        if url in self._infer:
            if method == b"POST":
                return self._admit(headers, answer)
            answer.set_result(error(_METHOD_NOT_ALLOWED, "inference is asked for with POST"))
        elif url in self._pages:
            page = self._pages[url]
            asked = method == b"GET"
            answer.set_result(
                (OK, page, _JSON) if asked else error(_METHOD_NOT_ALLOWED, "this is read with GET")
            )
        else:
            answer.set_result(error(_NOT_FOUND, "no such model or path"))
        return None

    def _admit(self, headers: Headers, answer: Future[Answer]) -> Incoming | None:
        length = body_bytes(headers)
        given = dict(headers)
        said = given.get(HEADER_LENGTH)
        # int() would take underscores, signs and spaces.
        header_bytes = int(said) if said is not None and said.isdigit() and len(said) < 20 else None
        if b"content-encoding" in given:
            answer.set_result(error(_UNSUPPORTED, "bodies are taken uncompressed"))
        elif said is not None and header_bytes is None:
            answer.set_result(error(_BAD_REQUEST, "Inference-Header-Content-Length is no length"))
        elif header_bytes is None and length is not None and length > MAX_JSON_BYTES:
            answer.set_result(error(CONTENT_TOO_LARGE, f"at most {MAX_JSON_BYTES} bytes of JSON are read"))
        elif header_bytes is not None and header_bytes > MAX_HEADER_BYTES:
            answer.set_result(
                error(CONTENT_TOO_LARGE, f"at most {MAX_HEADER_BYTES} bytes of JSON come before tensors")
            )
        else:
            tensor_bytes = 0 if header_bytes is None or length is None else max(0, length - header_bytes)
            return self.intake.admit(
                answer,
                tensor_bytes,
                lambda intake, future, _: Request(intake, future, length, header_bytes, self._terms),
            )
        return None


def _metadata(terms: Terms) -> dict[str, Any]:
    return {
        "name": terms.model,
        "versions": ["1"],
        "platform": "benchkit",
        "inputs": _specs(terms.inputs),
        "outputs": _specs(terms.outputs),
    }


def _specs(specs: Sequence[ArraySpec]) -> list[dict[str, Any]]:
    return [
        {"name": each.name, "datatype": DATATYPES.get(each.dtype, each.dtype), "shape": list(each.shape)}
        for each in specs
    ]


def app(terms: Terms) -> partial[KserveApp]:
    """For the server, which knows the queue."""
    return partial(KserveApp, terms)
