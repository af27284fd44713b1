"""The targets by name, each in the module that knows its decoder; a campaign goes from the most exposed to the least."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from fuzz_target import Target

MODULES: dict[str, tuple[str, ...]] = {
    "envelope": ("wire",),
    "brokers": ("resp", "amqp", "nats", "unix"),
    "http_requests": ("http-request", "kserve-request"),
    "http_answers": ("http-answer", "kserve-answer"),
    "datagrams": ("udp-worker", "udp-producer"),
    "klv_streams": ("klv", "transport-stream"),
    "runs": ("run-json", "record-json", "blocks-jsonl", "samples-npy", "baseline"),
    "traces": ("trace-file", "trace-join", "arrival-times"),
    "scenarios": ("scenario",),
    "codecs": tuple(
        f"codec-{kind}" for kind in ("raw", "msgpack", "json-base64", "klv", "npy", "zstd", "jpeg")
    ),
}
"""Module of this package: its targets."""

NAMES = tuple(name for names in MODULES.values() for name in names)


def target(name: str) -> Target:
    """The target of this name; imports its decoder and no other."""
    module = next(module for module, names in MODULES.items() if name in names)
    found: Iterator[Target] = iter(import_module(f"fuzz_targets.{module}").TARGETS)
    return next(each for each in found if each.name == name)
