"""The proxy's process: `python -m benchkit.link.serve FD`. Commands and answers are JSON, a line each, on FD.

Only the standard library is imported, so that it is there in a moment and small. It ends with its parent, or
when the parent's end of FD is closed.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchkit.link.lane import Lane
from benchkit.link.loop import READ, Loop
from benchkit.link.plan import Endpoint, Impairment
from benchkit.link.tcp import TcpLink
from benchkit.link.udp import UdpLink

_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Link:
    """Two lanes, shared by the ways to all servers behind it."""

    up: Lane
    down: Lane
    ways: list[TcpLink | UdpLink] = field(default_factory=list)


class Server:
    """The links of one process and the channel by which it is told what to do."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._loop = Loop()
        self._links: dict[int, Link] = {}
        self._count = 0
        self._said = b""
        self._orders: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "open": self._open,
            "lead": self._lead,
            "stats": lambda said: _stats(self._links[said["link"]]),
            "close": self._close,
            "impair": self._impair,
            "reset": lambda said: _many(
                way.reset(silent=said.get("silent", False)) for way in self._ways(said)
            ),
            "half-open": lambda said: _many(way.half_open(said["way"]) for way in self._ways(said)),
            "blackout": self._black_out,
        }
        self._loop.watch(channel.fileno(), READ, self._hear)

    def serve(self) -> None:
        """Until the channel ends."""
        self._loop.run()

    def _hear(self, _bits: int) -> None:
        # Commands and answers are short, and the other side waits for each answer.
        told = self._channel.recv(_CHUNK_BYTES)
        if not told:
            self._loop.stop()
            return
        *lines, self._said = (self._said + told).split(b"\n")
        for line in lines:
            self._channel.sendall(json.dumps(self._obey(json.loads(line))).encode() + b"\n")

    def _obey(self, said: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"done": True, **self._orders[said["do"]](said)}
        except (OSError, ValueError, KeyError) as error:
            return {"done": False, "why": str(error) or type(error).__name__}

    def _open(self, said: dict[str, Any]) -> dict[str, Any]:
        up, down = (Lane(Impairment.of(said[way]), f"{said['seed']}/{way}") for way in ("up", "down"))
        self._count += 1
        self._links[self._count] = Link(up, down)
        return {"link": self._count}

    def _lead(self, said: dict[str, Any]) -> dict[str, Any]:
        link, upstream = self._links[said["link"]], Endpoint(**said["upstream"])
        kind = UdpLink if said["protocol"] == "udp" else TcpLink
        way = kind(self._loop, upstream, link.up, link.down)
        link.ways.append(way)
        return {"port": way.port}

    def _ways(self, said: dict[str, Any]) -> list[TcpLink | UdpLink]:
        return self._links[said["link"]].ways

    def _close(self, said: dict[str, Any]) -> dict[str, Any]:
        link = self._links.pop(said["link"])
        found = _stats(link)
        for way in link.ways:
            way.close()
        return found

    def _impair(self, said: dict[str, Any]) -> dict[str, Any]:
        link = self._links[said["link"]]
        for name, lane in (("up", link.up), ("down", link.down)):
            lane.become(Impairment.of(said[name]))
        return {}

    def _black_out(self, said: dict[str, Any]) -> dict[str, Any]:
        link, now_ns = self._links[said["link"]], time.monotonic_ns()
        for lane in (link.up, link.down):
            lane.black_out(now_ns, said["lasts_ns"])
        return {}


def _many(counts: Iterable[int]) -> dict[str, Any]:
    return {"connections": sum(counts)}


def _stats(link: Link) -> dict[str, Any]:
    facts = [way.facts() for way in link.ways]
    names = {name for each in facts for name in each}
    return {
        **{name: sum(each.get(name) or 0 for each in facts) for name in names},
        "up": link.up.tally.plain(),
        "down": link.down.tally.plain(),
    }


def main() -> None:
    """Serve; what the parent leaves behind when it is killed ends with it."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # What lives now lives until the end: no collection needs to look at it again.
    gc.freeze()
    Server(socket.socket(fileno=int(sys.argv[1]))).serve()
    os._exit(0)


if __name__ == "__main__":
    main()
