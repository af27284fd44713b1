"""The Open Inference Protocol (KServe v2) over HTTP, binary tensors: benchkit's stage, or a server's, behind it.

Without `url` each worker is an inference server of its own: benchkit's producer calls it as any KServe client
can, and adds its envelope as a parameter, so that sequence numbers and checksums hold. Other clients are
answered too and are in no account. The model's name cannot be guessed unless `model` gives it one.

With `url` a server that runs already (Triton, OpenVINO Model Server, MLServer) is the stage, and benchkit has
no worker in that cell. What happens behind its door cannot be stamped: from `sent` to `returned` is `transit`.
Where the server keeps counters, its own queue and compute times are recorded beside it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from benchkit.errors import BenchkitError, UsageError
from benchkit.transports.base import Address, ArraySpec, Capabilities, Detour, Endpoint, Setup, Transport
from benchkit.transports.http import HOST, KEY_BYTES, HttpReceiver, bound, ports_through

if TYPE_CHECKING:
    from typing import Self

    from benchkit.transports._kserve.sender import KserveSender
    from benchkit.transports._kserve.server import Server

_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"


class KserveHttp(Transport):
    """Open Inference Protocol (KServe v2) over HTTP with binary tensors: own stage, or a server's (`url`)"""

    # A validation error quotes what it was given, here maybe a token.
    model_config = ConfigDict(hide_input_in_errors=True)

    kind: ClassVar[str] = "kserve-http"
    requires: ClassVar[tuple[str, ...]] = ("uvicorn", "httptools", "uvloop")
    install: ClassVar[str] = "pip install uvicorn httptools uvloop"

    url: str | None = Field(
        None,
        description="a server that runs already is the stage: http://127.0.0.1:8000; else a worker of ours is",
    )
    model: str | None = Field(
        None, pattern=_NAME, max_length=128,
        description="the model's name; without `url` what other clients may call ours (default: secret)",
    )  # fmt: skip
    version: str | None = Field(
        None,
        pattern=_NAME,
        max_length=32,
        description="with `url`: the model's version (default: the server chooses)",
    )
    inputs: dict[str, str] = Field(
        default_factory=dict, description="with `url`: the model's name of an array, where it is another"
    )
    binary: bool | None = Field(
        None, description="with `url`: tensors as bytes or as JSON (default: as the server says that it can)"
    )
    shared_memory: bool = Field(
        False,
        description="with `url`: requests refer to tensors in system shared memory, where the server allows it",
    )
    allow_remote: bool = Field(False, description="with `url`: it may be on another machine")
    token: SecretStr | None = Field(None, description="with `url`: sent as `Authorization: Bearer`")
    token_header: str | None = Field(
        None, pattern=r"^[A-Za-z0-9-]+$", description="with `token`: sent as it is under this header instead"
    )
    max_reply_bytes: int = Field(
        256 << 20, ge=1024, le=8 << 30, description="with `url`: longer replies are not taken"
    )
    port: int | None = Field(
        None,
        ge=1024,
        le=65_000,
        description="without `url`: the first worker's port, the others follow (default: any)",
    )
    queue: int | None = Field(
        None, ge=1, le=1_000_000,
        description="without `url`: messages that wait in one worker's server before it answers 503 (default: depth)",
    )  # fmt: skip

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        from benchkit.transports._kserve.server import endpoint

        if url is not None:
            endpoint(url)
        return url

    @model_validator(mode="after")
    def _check_sides(self) -> Self:
        theirs = ("version", "inputs", "binary", "shared_memory", "allow_remote", "token", "token_header")
        if self.url is None and (wrong := [name for name in theirs if getattr(self, name)]):
            raise ValueError(f"{', '.join(wrong)} need `url`: without it the stage is benchkit's own")
        if self.url is not None and (self.port or self.queue):
            raise ValueError("port and queue are benchkit's own server's: leave them out, or `url`")
        if self.url is not None and self.model is None:
            raise ValueError("`url` needs `model`: the name under which that server has it")
        if self.token is not None and not self.token.get_secret_value().isprintable():
            raise ValueError("the token holds what no header may hold")
        return self

    def capabilities(self) -> Capabilities:
        """As HTTP; with `url` the stage is a server's own."""
        return Capabilities(
            delivery="at-most-once",
            durability="process",
            ordering="none",
            same_host=not self.allow_remote,
            # Places in shared memory are one producer's.
            many_producers=not self.shared_memory,
            external_stage=self.url is not None,
            refuses=True,
            reroutable=not self.shared_memory,
            reroutable_with="shared_memory: false" if self.shared_memory else "",
        )

    # Bringing it up ------------------------------------------------------------------------------------

    @contextmanager
    def prepare(self, setup: Setup) -> Iterator[Address]:
        """Reserve a port per worker, or see that the server is ready and its model fits.

        Raises BrokerError when a port or the server is not to be had, InputMismatch when the model takes other
        tensors than the source makes, UsageError when the server will not share memory.
        """
        with ExitStack() as held:
            yield self._own(setup, held) if self.url is None else self._external(setup, held)

    def _own(self, setup: Setup, held: ExitStack) -> Address:
        wanted = [self.port + worker if self.port else 0 for worker in range(setup.workers)]
        ports = [held.enter_context(bound(port)).getsockname()[1] for port in wanted]
        used = " ".join(f"{name} {version(name)}" for name in self.requires)
        told = f" model {self.model} at port {ports[0]}" if self.model else ""
        return Address(
            {
                "ports": ",".join(map(str, ports)),
                "model": self.model or secrets.token_hex(KEY_BYTES),
                "message_bytes": setup.message_bytes,
                "reply_bytes": setup.reply_bytes,
                "producers": setup.producers,
                "inputs": _plain(setup.inputs),
                "outputs": _plain(setup.outputs),
            },
            path=f"Open Inference Protocol over HTTP/1.1, TCP {HOST}{told}, {used}; binary tensors in place",
            claim={
                "family": "tcp",
                "server": f"uvicorn {version('uvicorn')}",
                "mechanism": "uvloop, httptools",
            },
        )

    @property
    def _server(self) -> Server:
        return self._server_with("" if self.token is None else self.token.get_secret_value())

    def _server_with(self, token: str) -> Server:
        from benchkit.transports._kserve.server import Server

        headers = {}
        if token:
            headers = (
                {self.token_header: token} if self.token_header else {"Authorization": f"Bearer {token}"}
            )
        return Server(self.url or "", self.model or "", self.version or "", headers)

    def _external(self, setup: Setup, held: ExitStack) -> Address:
        from benchkit.transports._kserve.region import created, place_bytes
        from benchkit.transports._kserve.server import is_loopback

        server = self._server
        if not self.allow_remote and not is_loopback(*server.endpoint):
            raise UsageError(
                f"{self.url} is not this machine's own", remedy="allow_remote: true, if that is meant"
            )
        fit = server.fit(setup.inputs, self.inputs, binary=self.binary)
        region_bytes = 0
        if self.shared_memory:
            region_bytes = self.depth * place_bytes(setup.message_bytes)
            held.enter_context(created(setup.name, region_bytes))
            held.enter_context(server.registered(setup.name, region_bytes))
        how = (
            "system shared memory" if region_bytes else "binary tensors" if fit.binary else "tensors as JSON"
        )
        batch = ", each message a batch of one" if fit.batched else ""
        token = "" if self.token is None else self.token.get_secret_value()
        return Address(
            {
                "message_bytes": setup.message_bytes,
                "reply_bytes": setup.reply_bytes,
                "batched": int(fit.batched),
                "binary": int(fit.binary),
                "region": setup.name if region_bytes else "",
                "region_bytes": region_bytes,
                "token": token,
            },
            path=f"{fit.about} at {self.url}, model {self.model}, HTTP/1.1, {how}{batch}",
            claim={"family": "tcp"},
        )

    def through(self, address: Address, detour: Detour) -> Address:
        """Every worker's port, or the server's; a server is then asked under the name of the link's port."""
        if self.url is None:
            return ports_through(address, detour)
        port = detour(Endpoint(*self._server.endpoint))
        return replace(address, where={**address.where, "through": port})

    # Ends ----------------------------------------------------------------------------------------------

    def sender(self, address: Address) -> KserveSender:
        """One connection per endpoint to begin with; raises BrokerError when nobody is there."""
        from benchkit.transports._kserve.region import Region
        from benchkit.transports._kserve.sender import KserveSender
        from benchkit.transports._kserve.talk import OwnTalk, ServerTalk

        where = address.where
        message_bytes, reply_bytes = int(where["message_bytes"]), int(where["reply_bytes"])
        if self.url is None:
            endpoints = [(HOST, int(port)) for port in str(where["ports"]).split(",")]
            talk = OwnTalk(f"/v2/models/{where['model']}/infer")
            return KserveSender(endpoints, talk, self.depth, message_bytes, reply_bytes, reply_bytes)
        server = self._server_with(str(where["token"]))
        region = None
        if where["region"]:
            region = Region(str(where["region"]), int(where["region_bytes"]), self.depth)
        theirs = ServerTalk(
            server.infer_path,
            server.headers,
            self.inputs,
            bool(where["batched"]),
            bool(where["binary"]),
            region,
        )
        endpoint = (HOST, int(where["through"])) if "through" in where else server.endpoint
        limits = (message_bytes, reply_bytes, self.max_reply_bytes)
        return KserveSender([endpoint], theirs, self.depth, *limits, region)

    def receiver(self, address: Address, worker: int) -> HttpReceiver:
        """Listening when it returns; raises BrokerError when it cannot."""
        if self.url is not None:
            raise BenchkitError("the stage is a server of somebody else's: there is nothing to receive at")
        from benchkit.transports._http.server import StageServer
        from benchkit.transports._kserve.app import app
        from benchkit.transports._kserve.intake import OwnFirst, Terms

        where = address.where
        listener = bound(int(str(where["ports"]).split(",")[worker]))
        terms = Terms(str(where["model"]), _specs(str(where["inputs"])), _specs(str(where["outputs"])))
        queue = self.queue or self.depth * int(where["producers"])
        server = StageServer(listener, app(terms), int(where["message_bytes"]), queue)
        return HttpReceiver(server, OwnFirst(server.intake).take)

    def server_times(self, address: Address) -> Mapping[str, int] | None:  # noqa: ARG002  (the server is in the options)
        """The counters of the server's statistics extension (Triton), None where it has none."""
        return None if self.url is None else self._server.times()


def _plain(specs: tuple[ArraySpec, ...]) -> str:
    return json.dumps([[each.name, each.dtype, list(each.shape)] for each in specs])


def _specs(text: str) -> tuple[ArraySpec, ...]:
    return tuple(ArraySpec(name, dtype, tuple(shape)) for name, dtype, shape in json.loads(text))
