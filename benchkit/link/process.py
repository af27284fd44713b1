"""The proxy seen from outside: started, told what to open, asked what happened, gone when this is."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from benchkit.errors import PartyError
from benchkit.link.plan import Endpoint, Impairment
from benchkit.runtime.child import child, module

Way = Literal["up", "down", "both"]

_ANSWER_S = 20.0
_ROOT = Path(__file__).parents[2]


class OpenLink:
    """One link in the proxy. All that is led through it shares its rate and its queue."""

    def __init__(self, process: LinkProcess, number: int, asked: tuple[Impairment, Impairment]) -> None:
        self._process, self._number = process, number
        self.asked = asked
        """What `open` was told, up and down."""

    def lead(self, upstream: Endpoint, protocol: Literal["tcp", "udp"] | None = None) -> int:
        """The port of 127.0.0.1 to go to instead of `upstream`, over its protocol; raises PartyError."""
        chosen = protocol or upstream.protocol
        return int(self._ask("lead", upstream=asdict(upstream), protocol=chosen)["port"])

    def _ask(self, do: str, **data: Any) -> dict[str, Any]:
        return self._process.ask(do, link=self._number, **data)

    def stats(self) -> dict[str, Any]:
        """What it has done so far: `connections`, and for `up` and `down` what `Tally.plain` says."""
        return self._ask("stats")

    def close(self) -> dict[str, Any]:
        """Close it with all its connections; what it did."""
        return self._ask("close")

    def reset(self) -> int:
        """Reset all connections; new ones are taken. How many there were."""
        return int(self._ask("reset")["connections"])

    def half_open(self, way: Way = "both") -> int:
        """From now on nothing crosses any open connection this way; new ones work. How many there were.

        Nobody is told: what is sent that way fills the kernel's buffers. `up` is towards the server.
        """
        return int(self._ask("half-open", way=way)["connections"])

    def end_half_open(self) -> int:
        """Reset the connections that `half_open` left dead; how many are left of them."""
        return int(self._ask("reset", silent=True)["connections"])

    def impair(self, up: Impairment, down: Impairment) -> None:
        """Other impairments from now on; blackouts stay as they are."""
        self._ask("impair", up=up.plain(), down=down.plain())

    def black_out(self, lasts_s: float) -> None:
        """Deliver nothing for so long, in either direction."""
        self._ask("blackout", lasts_ns=int(lasts_s * 1e9))


class LinkProcess:
    """A running proxy."""

    def __init__(self, channel: socket.socket, pid: int) -> None:
        self._channel = channel
        self._said = b""
        self.pid = pid

    def open(self, up: Impairment, down: Impairment, seed: str) -> OpenLink:
        """A new link; raises PartyError. `up` is towards the servers that will be behind it."""
        number = self.ask("open", up=up.plain(), down=down.plain(), seed=seed)["link"]
        return OpenLink(self, number, (up, down))

    def ask(self, do: str, **data: Any) -> dict[str, Any]:
        """A command and its answer; raises PartyError when it fails or the proxy is gone."""
        try:
            self._channel.sendall(json.dumps({"do": do, **data}).encode() + b"\n")
            answer = self._line()
        except (OSError, EOFError) as error:
            raise PartyError(
                "the process that impairs the link is gone", where="link", remedy="see what ended it"
            ) from error
        if not answer["done"]:
            raise PartyError(f"the link could not {do}: {answer['why']}", where="link")
        return answer

    def _line(self) -> dict[str, Any]:
        while b"\n" not in self._said:
            told = self._channel.recv(1 << 16)
            if not told:
                raise EOFError
            self._said += told
        line, _, self._said = self._said.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def link_process() -> Iterator[LinkProcess]:
    """Start a proxy; it is gone when the context ends, or when this process does."""
    ours, theirs = socket.socketpair()
    with ours:
        fd = theirs.fileno()
        argv = module("benchkit.link.serve", str(fd))
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        with theirs, child(argv, env={"PYTHONPATH": os.pathsep.join(paths)}, pass_fds=[fd]) as process:
            theirs.close()
            ours.settimeout(_ANSWER_S)
            yield LinkProcess(ours, process.pid)
            ours.close()
