"""Pipelines of known times without processes: what producer and workers would have told of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchkit.analysis.hops import afters
from benchkit.engine.chain_join import join_chain
from benchkit.engine.forwarding import WAY_COLUMNS
from benchkit.engine.join import Joined
from benchkit.engine.worker import COLUMNS
from benchkit.records.run import Cell, Hop
from benchkit.records.samples import Status

US = 1000
FIRST_SEQ = 40


@dataclass
class Chain:
    """A pipeline and what goes wrong in it; times in ns."""

    after: Sequence[int]
    workers: Sequence[int]
    service_ns: Callable[[int, int], int]
    """Of a hop and a message."""
    seed: int = 0
    encode_ns: Callable[[int], int] = lambda hop: 20 * US
    """Of the messages on their way to a hop."""
    fails: Collection[tuple[int, int]] = ()
    """(hop, message): the stage raises."""
    lost: Collection[tuple[int, int]] = ()
    """(hop, message): sent there and never received."""
    refused: Collection[tuple[int, int]] = ()
    """(hop, message): the way there says no."""
    twice: Collection[tuple[int, int]] = ()
    """(hop, message): received twice."""
    died: Collection[tuple[int, int]] = ()
    """(hop, worker): it took its columns along."""
    tables: list[list[list[list[int]]]] = field(default_factory=list)
    ways: list[list[dict[int, list[list[int]]]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    @property
    def names(self) -> list[str]:
        return [f"s{hop}" for hop in range(len(self.after))]

    def little(self, most_us: int = 30) -> int:
        return int(self._rng.integers(1, most_us * US))

    def play(self, due: Sequence[int]) -> tuple[dict[str, Any], list[list[dict[str, Any]]]]:
        """The producer's columns, and by hop what its workers tell."""
        producer = {
            name: np.zeros(len(due), np.int64)
            for name in ("due", "taken", "encoded", "sent", "returned", "status")
        }
        arrivals: list[list[tuple[int, int]]] = [[] for _ in self.after]
        free = 0
        for number, moment in enumerate(due):
            taken = max(moment, free) + self.little(5)
            encoded = taken + self.encode_ns(0)
            free = sent = encoded + self.little()
            arrived = encoded + self.little()
            for name, value in (("due", moment), ("taken", taken), ("encoded", encoded), ("sent", sent)):
                producer[name][number] = value
            if (0, number) in self.refused:
                producer["status"][number] = Status.REJECTED
            else:
                arrivals[0].append((arrived, number))
        self.tables = [[[] for _ in range(workers)] for workers in self.workers]
        self.ways = [[{} for _ in range(workers)] for workers in self.workers]
        for hop in range(len(self.after)):
            self._serve(hop, arrivals)
        return producer, [self._told(hop) for hop in range(len(self.after))]

    def _serve(self, hop: int, arrivals: list[list[tuple[int, int]]]) -> None:
        free = [0] * self.workers[hop]
        onward = [at for at, before in enumerate(self.after) if before == hop]
        own = [each for each in sorted(arrivals[hop]) if (hop, each[1]) not in self.lost]
        own += [(at + 1, number) for at, number in own if (hop, number) in self.twice]
        for at, number in sorted(own):
            worker = int(np.argmin(free))
            asked = free[worker]
            received = max(at, asked) + self.little(10)
            decoded = received + self.little(10)
            started = decoded + self.little(2)
            moment = finished = started + self.service_ns(hop, number)
            ok = (hop, number) not in self.fails
            for way in onward:
                row = [0] * len(WAY_COLUMNS)
                if ok:
                    taken = moment + self.little(2)
                    encoded = taken + self.encode_ns(way)
                    moment = encoded + self.little()
                    status = Status.REJECTED if (way, number) in self.refused else 0
                    row = [taken, encoded, moment, 64, int(status)]
                    if not status:
                        arrivals[way].append((encoded + self.little(), number))
                self.ways[hop][worker].setdefault(way, []).append(row)
            free[worker] = replied = moment + self.little(5)
            values = {
                "seq": number + FIRST_SEQ,
                "asked": asked,
                "received": received,
                "decoded": decoded,
                "started": started,
                "finished": finished,
                "replied": replied,
                "ok": int(ok),
            }
            self.tables[hop][worker].append([values[name] for name in COLUMNS])

    def _told(self, hop: int) -> list[dict[str, Any]]:
        onward = [at for at, before in enumerate(self.after) if before == hop]
        told = []
        for worker in range(self.workers[hop]):
            if (hop, worker) in self.died:
                continue
            table = np.array(self.tables[hop][worker], np.int64).reshape(-1, len(COLUMNS))
            ways = {
                self.names[way]: np.array(self.ways[hop][worker].get(way, []), np.int64).tobytes()
                for way in onward
            }
            columns = {name: table[:, at].tobytes() for at, name in enumerate(COLUMNS)}
            told.append({"columns": columns, "onward": ways})
        return told

    def joined(self, due: Sequence[int], *, gave_up: bool = False, warmup: int = 0, block: int = 0) -> Joined:
        producer, told = self.play(due)
        return join_chain(
            producer,
            told,
            self.names,
            self.after,
            block=block,
            first_seq=FIRST_SEQ,
            warmup_messages=warmup,
            payload_bytes=256,
            gave_up=gave_up,
        )

    def cell(self, cell: Cell, **changes: Any) -> Cell:
        """A record of it."""
        from dataclasses import replace

        hops = tuple(
            Hop(
                name,
                "synthetic",
                workers,
                "unix",
                "raw",
                self.names[after] if after >= 0 else "",
                wire_bytes=64,
                **changes,
            )
            for name, workers, after in zip(self.names, self.workers, self.after, strict=True)
        )
        made = replace(cell, hops=hops, replies=False, workers=self.workers[0])
        assert afters(made) == tuple(self.after)
        return made
