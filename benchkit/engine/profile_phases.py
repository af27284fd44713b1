"""Which phase a sample of the profiler belongs to: told from the functions on its stack, never from lines.

The engine's own functions, and the plug-ins' functions that it calls, are known by name, file and first line.
Walking from the block's entry towards the leaf, each of them may change the phase; the first function that is
neither ends the walk, so that a stage that itself encodes or receives is still the stage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchkit.engine.dropping import DroppingWorker
from benchkit.engine.flow_loop import FlowLoop
from benchkit.engine.flowing import FlowingProducer
from benchkit.engine.producer import Producer
from benchkit.engine.worker import Worker, _release

WAITING: Final = "waiting"
CHECKS: Final = "checks"
SOURCE: Final = "source"
OWN: Final = "benchkit"
BUILT_IN: Final = "<built-in>"


def identifier(function: Callable[..., Any]) -> str:
    """As pyinstrument names a function; of a built-in one its name alone is known."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return f"{getattr(function, '__qualname__', function)}\0{BUILT_IN}\0{0}"
    return f"{code.co_name}\0{code.co_filename}\0{code.co_firstlineno}"


@dataclass(frozen=True, slots=True)
class Rules:
    """How one party's stacks are read."""

    entry: str
    own: frozenset[str]
    """The engine's functions."""
    phases: Mapping[str, str]
    """The phase that an engine's function begins."""
    calls: Mapping[tuple[str, str], str]
    """The phase of one function called by another: where a plug-in is entered."""
    leaving: Mapping[str, str]
    """The phase of whatever else an engine's function calls."""

    def read(self, stack: Sequence[str]) -> tuple[str, int]:
        """The phase of a stack (identifiers, root first), and where in it the engine's functions end."""
        try:
            at = stack.index(self.entry)
        except ValueError:
            return OWN, len(stack)
        phase = OWN
        for position in range(at + 1, len(stack)):
            above, function = stack[position - 1], stack[position]
            if (entered := self.calls.get((above, function))) is not None:
                phase = entered
            elif function in self.own:
                phase = self.phases.get(function, phase)
            else:
                phase = self.leaving.get(above, phase)
            if function not in self.own:
                return phase, position
        return phase, len(stack)


def of_producer(take: Callable[..., Any], send: Callable[..., Any]) -> Rules:
    """`take` is the feed's, `send` the sender's."""
    p, name = Producer, identifier
    waiting = (p._wait, p._rest, p._spin, p._await_reply, p._drain, p._refusals, p._collect)
    return Rules(
        entry=name(p.run),
        own=_functions(p),
        phases={
            **{name(each): WAITING for each in waiting},
            name(p._send): "encode",
            name(p._see): CHECKS,
        },
        calls={
            (name(p._send), name(send)): "send",
            (name(p._send), name(p._collect)): "send",
            (name(p._open_loop), name(take)): SOURCE,
            (name(p._closed_loop), name(take)): SOURCE,
        },
        leaving={},
    )


def of_flowing(take: Callable[..., Any], send: Callable[..., Any]) -> Rules:
    """Of a producer with traffic control; its queue, limits and timers are the engine's own."""
    p, name = FlowingProducer, identifier
    plain = of_producer(take, send)
    waiting = (p._pause, p._collect, p._drain)
    return Rules(
        entry=plain.entry,
        own=plain.own | _functions(FlowLoop) | _functions(p),
        phases={
            **plain.phases,
            **{name(each): WAITING for each in waiting},
            name(p._encode): "encode",
            name(p._see): CHECKS,
        },
        calls={(name(p._attempt), name(send)): "send", (name(p._look_ahead), name(take)): SOURCE},
        leaving={},
    )


def of_worker(receive: Callable[..., Any], stage_run: Callable[..., Any]) -> Rules:
    """`receive` is the receiver's, `stage_run` the stage's."""
    w, name = Worker, identifier
    return Rules(
        entry=name(w.run),
        own=_functions(w) | _functions(DroppingWorker) | {name(_release)},
        phases={
            name(w._decode): "decode",
            name(w._gather): "batch",
            name(w._reply): "reply",
            name(w._hand_over): "reply",
            name(w._stage_failed): "compute",
            name(w._verify): CHECKS,
            name(_release): CHECKS,
        },
        calls={
            (name(w.run), name(receive)): WAITING,
            (name(w._handle), name(stage_run)): "compute",
            (name(w._handle), name(time.monotonic_ns)): OWN,
        },
        # `_handle` calls the stage, and else only what acknowledges.
        leaving={name(w._handle): "reply"},
    )


def _functions(cls: type) -> frozenset[str]:
    return frozenset(identifier(each) for each in vars(cls).values() if hasattr(each, "__code__"))
