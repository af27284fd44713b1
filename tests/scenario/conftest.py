"""Small plug-ins with the options of the real ones, so that these tests need no other room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from pydantic import Field, SecretStr, field_validator, model_validator

from benchkit.plugins import Entry, Plugin, Registry
from benchkit.scenario import load
from benchkit.scenario.plan import Plan
from benchkit.sources import base as source_base
from benchkit.sources.base import Item, Source
from benchkit.stages import base as stage_base
from benchkit.stages.base import OpenStage, Stage
from benchkit.tensors.codecs import base as codec_base
from benchkit.tensors.codecs.raw import Raw
from benchkit.transports import base as transport_base
from benchkit.transports.base import Address, Capabilities, Receiver, Sender, Setup, Transport
from benchkit.units import FrameSize, PerSecond


class Camera(Source):
    """A camera."""

    kind: ClassVar[str] = "camera"
    size: FrameSize = (1920, 1080)
    rate: PerSecond = 30.0
    noise: float = Field(0.5, ge=0)

    def label(self) -> str:
        return f"camera-{self.size[0]}x{self.size[1]}"

    def items(self, seed: int) -> Iterator[Item]:
        raise NotImplementedError


class Video(Camera):
    """A file."""

    kind: ClassVar[str] = "video"
    path: Path

    def label(self) -> str:
        return f"video-{self.path.stem}"


class Sensors(Source):
    """Windows of channels."""

    kind: ClassVar[str] = "sensors"
    samples: int = Field(144, ge=1)
    channels: int = Field(12, ge=1)

    def label(self) -> str:
        return f"sensors-{self.samples}x{self.channels}"

    def items(self, seed: int) -> Iterator[Item]:
        raise NotImplementedError


class JsonBase64(Raw):
    """Text."""

    kind: ClassVar[str] = "json-base64"
    in_place: ClassVar[bool] = False


class Zstd(Raw):
    """Compressed."""

    kind: ClassVar[str] = "zstd"
    requires: ClassVar[tuple[str, ...]] = ("no_such_library.inner",)
    install: ClassVar[str] = "pip install no-such-library"


class Http(Transport):
    """HTTP."""

    kind: ClassVar[str] = "http"

    def capabilities(self) -> Capabilities:
        return Capabilities("at-most-once", "process", "fifo", many_producers=True)

    def prepare(self, setup: Setup) -> AbstractContextManager[Address]:
        raise NotImplementedError

    def sender(self, address: Address) -> Sender:
        raise NotImplementedError

    def receiver(self, address: Address, worker: int) -> Receiver:
        raise NotImplementedError


class Shm(Http):
    """Shared memory."""

    kind: ClassVar[str] = "shm"
    spin: int = Field(0, ge=0)
    loan: bool = False

    def capabilities(self) -> Capabilities:
        return Capabilities("at-least-once", "memory", "fifo", loans=True, in_place=self.loan)


class Inproc(Http):
    """One process."""

    kind: ClassVar[str] = "inproc"

    def capabilities(self) -> Capabilities:
        return Capabilities("at-most-once", "process", "fifo", same_process=True)


class RedisList(Http):
    """A queue."""

    kind: ClassVar[str] = "redis-list"
    url: SecretStr | None = None
    socket: bool = False

    @field_validator("url")
    @classmethod
    def _scheme(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError(f"{url.get_secret_value()} is no redis:// URL")
        return url


class RedisStream(RedisList):
    """A log."""

    kind: ClassVar[str] = "redis-stream"


class NullStage(Stage):
    """Nothing."""

    kind: ClassVar[str] = "null"

    def open(self, seed: int) -> OpenStage:
        raise NotImplementedError


class Onnx(NullStage):
    """A model."""

    kind: ClassVar[str] = "onnx"
    model: Path
    threads: int | Literal["auto"] = "auto"
    inputs: dict[str, str] = Field({})
    providers: list[str] = Field(["CPU"])
    extra: list[Path] = Field([])


class Odd(NullStage):
    """Checks its options together, and fails in its own way."""

    kind: ClassVar[str] = "odd"
    low: int = 0
    high: int = 10
    enabled: bool = True

    @model_validator(mode="after")
    def _ordered(self) -> Odd:
        if self.low > self.high:
            raise ValueError("low is above high")
        if self.low == 7:
            raise ZeroDivisionError("seven")
        return self


PLUGINS: dict[Registry, list[type[Plugin]]] = {
    source_base.registry: [Camera, Sensors, Video],
    codec_base.registry: [Raw, JsonBase64, Zstd],
    transport_base.registry: [Http, RedisList, RedisStream, Shm, Inproc],
    stage_base.registry: [NullStage, Onnx, Odd],
}


def pretend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only these plug-ins, and the real arrivals, are installed."""
    for registry, classes in PLUGINS.items():
        known = {cls.kind: cls for cls in classes}
        entries = {kind: Entry(kind, f"tests:{cls.__name__}", "tests") for kind, cls in sorted(known.items())}
        monkeypatch.setattr(registry, "entries", lambda entries=entries: entries)
        original = Registry.load
        monkeypatch.setattr(
            registry,
            "load",
            lambda kind, known=known, registry=registry, original=original: (
                known[kind] if kind in known else original(registry, kind)
            ),
        )


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a model and a film."""
    monkeypatch.chdir(tmp_path)
    for name in ("level.onnx", "sensors.onnx", "film.avi"):
        (tmp_path / name).touch()
    return tmp_path


Planner = Callable[..., Plan]


@pytest.fixture
def plan(folder: Path) -> Planner:
    """The plan of a scenario's text, written to s.yaml in the working directory."""

    def planned(text: str, **options: object) -> Plan:
        path = Path("s.yaml")
        path.write_text(text, encoding="utf-8")
        return load(path, **options)  # type: ignore[arg-type]

    return planned
