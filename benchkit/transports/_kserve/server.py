"""A server of somebody else's as the stage: is it ready, does the model fit, what do its own counters say?"""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from benchkit.errors import BrokerError, InputMismatch, MessageError, UsageError
from benchkit.tensors.message import MAX_ARRAYS
from benchkit.transports._kserve.document import MAX_JSON_BYTES, read_json
from benchkit.transports._kserve.tensors import DATATYPES
from benchkit.transports.base import ArraySpec

_ASK_S = 5.0
_MOST_BYTES = 1 << 20
_OK = 200
_REDIRECTS = range(300, 400)
_SHOWN = 300
_COMPUTE = ("compute_input", "compute_infer", "compute_output")


def endpoint(url: str) -> tuple[str, int]:
    """Host and port of `http://host:port`; raises ValueError for anything more."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("it is not of the form http://host:port")
    if parts.username or parts.password or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise ValueError("it is http://host:port and nothing more; a secret goes into `token`")
    return parts.hostname, parts.port or 80


def is_loopback(host: str, port: int) -> bool:
    """Every address of the name is this machine's own."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BrokerError(f"the host {host!r} is not known: {error}") from error
    return bool(found) and all(ipaddress.ip_address(each[4][0]).is_loopback for each in found)


@dataclass(frozen=True, slots=True)
class Fit:
    """How the cell's messages go into the model."""

    batched: bool
    binary: bool
    about: str
    """The server in words: name, version, model."""


class Server:
    """Asked between blocks, over connections of its own."""

    def __init__(self, url: str, model: str, version: str, headers: Mapping[str, str]) -> None:
        self.endpoint = endpoint(url)
        self.where = f"{url.rstrip('/')} model {model}"
        self._model = f"/v2/models/{quote(model, safe='')}" + (
            f"/versions/{quote(version, safe='')}" if version else ""
        )
        self.headers = headers
        """A secret among them: never shown."""

    @property
    def infer_path(self) -> str:
        """Where inference is asked for."""
        return f"{self._model}/infer"

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, bytes]:
        """Status and body; a redirect is refused. Raises BrokerError."""
        host, port = self.endpoint
        with closing(http.client.HTTPConnection(host, port, timeout=_ASK_S)) as connection:
            try:
                text = None if body is None else json.dumps(body)
                headers = (
                    self.headers if text is None else {**self.headers, "Content-Type": "application/json"}
                )
                connection.request("GET" if body is None else "POST", path, text, headers)
                response = connection.getresponse()
                content = response.read(_MOST_BYTES + 1)
            except (OSError, http.client.HTTPException) as error:
                raise BrokerError(
                    f"the server does not answer: {error or type(error).__name__}",
                    where=self.where,
                    remedy="start it, or correct the transport's `url`",
                ) from error
        if response.status in _REDIRECTS:
            raise BrokerError(
                f"the server answered {path} with {response.status}: redirects are refused", where=self.where
            )
        if len(content) > _MOST_BYTES:
            raise BrokerError(
                f"the server's answer to {path} is longer than {_MOST_BYTES} bytes", where=self.where
            )
        return response.status, content

    def _page(self, path: str) -> dict[str, Any] | None:
        """A page that is an object of JSON; None where the server has none."""
        status, content = self.ask(path)
        if status != _OK:
            return None
        try:
            page = read_json(content)
        except MessageError as error:
            raise BrokerError(f"the server's answer to {path} is {error.what}", where=self.where) from error
        return page if isinstance(page, dict) else None

    def fit(self, inputs: Sequence[ArraySpec], names: Mapping[str, str], *, binary: bool | None) -> Fit:
        """Raises BrokerError when it is not ready, InputMismatch when its model takes other tensors."""
        status, content = self.ask(f"{self._model}/ready")
        if status != _OK:
            raise BrokerError(
                f"the model is not ready: HTTP {status} {_words(content)}".rstrip(),
                where=self.where,
                remedy="see the names that the server knows, `model` and `version`, and its log",
            )
        server, model = self._page("/v2") or {}, self._page(self._model)
        if model is None:
            raise BrokerError("the server tells nothing of the model", where=self.where)
        unknown = names.keys() - {each.name for each in inputs}
        if unknown:
            raise InputMismatch(
                f"`inputs` renames {', '.join(sorted(unknown))}, and the source makes no such array",
                where=self.where, remedy=f"it makes {', '.join(each.name for each in inputs)}",
            )  # fmt: skip
        batched = self._check(inputs, names, model.get("inputs"))
        extensions = server.get("extensions")
        knows = isinstance(extensions, list) and "binary_tensor_data" in extensions
        about = f"{_text(server.get('name'))} {_text(server.get('version'))}"
        return Fit(batched, knows if binary is None else binary, about)

    def _check(self, inputs: Sequence[ArraySpec], names: Mapping[str, str], told: Any) -> bool:
        """Whether each message is a batch of one for this model."""
        wanted = _told_inputs(told)
        if not wanted:
            return False
        ours = {names.get(each.name, each.name): each for each in inputs}
        if ours.keys() != wanted.keys():
            raise InputMismatch(
                f"the model takes {', '.join(wanted)}, the source makes {', '.join(each.name for each in inputs)}",
                where=self.where,
                remedy="rename with the transport's `inputs: {name of the array: name of the input}`",
            )
        for batched in (False, True):
            if all(_fits(ours[name], *wanted[name], batched=batched) for name in wanted):
                return batched
        theirs = (f"{name} {datatype} {shape}" for name, (datatype, shape) in wanted.items())
        made = (f"{name} {DATATYPES.get(s.dtype, s.dtype)} {list(s.shape)}" for name, s in ours.items())
        raise InputMismatch(
            f"the model takes {', '.join(theirs)}; the source makes {', '.join(made)}",
            where=self.where,
            remedy="make the source's arrays as the model wants them, or serve a model for these",
        )

    def times(self) -> dict[str, int] | None:
        """Its counters since it began, all versions asked together; None where it keeps none."""
        try:
            page = self._page(f"{self._model}/stats")
        except BrokerError:
            return None
        entries = page.get("model_stats") if page else None
        if not isinstance(entries, list) or not entries:
            return None
        total = dict.fromkeys(("requests", "queue_ns", "compute_ns"), 0)
        for entry in entries[:MAX_ARRAYS]:
            with suppress(KeyError, TypeError, ValueError):
                stats = entry["inference_stats"]
                total["requests"] += int(stats["success"]["count"])
                total["queue_ns"] += int(stats["queue"]["ns"])
                total["compute_ns"] += sum(int(stats[name]["ns"]) for name in _COMPUTE)
        return total

    @contextmanager
    def registered(self, name: str, nbytes: int) -> Iterator[None]:
        """The server has mapped `/dev/shm/<name>`, until exit; raises UsageError when it will not."""
        path = f"/v2/systemsharedmemory/region/{name}"
        status, content = self.ask(f"{path}/register", {"key": f"/{name}", "offset": 0, "byte_size": nbytes})
        if status != _OK:
            raise UsageError(
                f"the server does not take shared memory: HTTP {status} {_words(content)}".rstrip(),
                where=self.where,
                remedy="shared_memory: false, or let it share this machine's memory (a container: --ipc=host) "
                "under this user",
            )
        try:
            yield
        finally:
            with suppress(BrokerError):  # a server that is gone holds nothing
                self.ask(f"{path}/unregister", {})


def _told_inputs(told: Any) -> dict[str, tuple[str, list[int]]]:
    """Name to datatype and shape, of what is well-formed."""
    found = {}
    for entry in told if isinstance(told, list) else ():
        match entry:
            case {"name": str(name), "datatype": str(datatype), "shape": list(shape)}:
                # Some servers write sides as text.
                with suppress(TypeError, ValueError):
                    found[name] = (datatype, [int(side) for side in shape])
    return found


def _fits(own: ArraySpec, datatype: str, shape: Sequence[int], *, batched: bool) -> bool:
    if batched:
        if shape[:1] not in ([-1], [1]):
            return False
        shape = shape[1:]
    return (
        DATATYPES.get(own.dtype) == datatype
        and len(shape) == len(own.shape)
        and all(theirs < 0 or theirs == ours for theirs, ours in zip(shape, own.shape, strict=True))
    )


def _text(value: Any) -> str:
    return value[:_SHOWN] if isinstance(value, str) else "?"


def _words(content: bytes) -> str:
    """The error that a server's answer holds."""
    with suppress(MessageError):
        match read_json(content):
            case {"error": str(what)}:
                return what[:_SHOWN]
    return ""


assert _MOST_BYTES <= MAX_JSON_BYTES  # noqa: S101  (a page that was read is never too long to parse)
