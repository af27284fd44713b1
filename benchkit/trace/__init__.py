"""Stamps for code that people already run: three calls, whatever carries the messages.

The producer says `produced` just before it hands a message over, the worker `received` when it has it and `done`
when the work is finished; the two know a message by the same name (a number, a text or bytes; 7, "7" and b"7"
are one name)::

    from benchkit import trace

    trace.produced(frame_id)            trace.received(frame_id)
    queue.put(...)                      ...
                                        trace.done(frame_id)

    BENCHKIT_TRACE=traces python producer.py  &  BENCHKIT_TRACE=traces python worker.py
    benchkit analyze traces

Off, a call costs a look at one variable. On, about a microsecond: the mark goes into a file that is mapped into
memory (`layout`), one a process, of a bounded size: the last marks are kept. Threads, asyncio and forks need
nothing; a killed process leaves all that it had marked. Whatever happens to the trace, the program runs on.

Finer marks divide what the three leave together; each is optional:

| producer | worker |
|---|---|
| `encoded`: ready to send (`produced` then stands before encoding) | `asked`: about to wait for the next message |
| `sent`: handed over | `decoded`, `started`, `finished`: as they say |
| `returned`: the reply is there | `replied`: the reply is handed over |

A message that is passed on is produced again, with `hop=1`, then 2, and so on.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from benchkit.trace import state as _states
from benchkit.trace.layout import Mark as _Mark

__all__ = [
    "asked", "decoded", "done", "encoded", "finished", "is_on", "produced", "received", "replied", "returned",
    "sent", "started", "stop", "to",
]  # fmt: skip

Id = int | str | bytes
"""A message's name; anything else is taken by its text."""

_PRODUCED, _ENCODED, _SENT, _RETURNED = map(int, (_Mark.PRODUCED, _Mark.ENCODED, _Mark.SENT, _Mark.RETURNED))
_ASKED, _RECEIVED, _DECODED, _STARTED = map(int, (_Mark.ASKED, _Mark.RECEIVED, _Mark.DECODED, _Mark.STARTED))
_FINISHED, _DONE, _REPLIED = map(int, (_Mark.FINISHED, _Mark.DONE, _Mark.REPLIED))
_state = _states.begin()


class _Tracing(AbstractContextManager["_Tracing"]):
    """Ends the trace where a `with` ends; `path` is this process's file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop()


def to(folder: str | Path, *, role: str = "", max_bytes: int | None = None) -> _Tracing:
    """Trace this process, and what it forks from now on, into files in `folder`; may be used with `with`.

    The folder is made where there is none, for this user alone. `role` names the process in reports; `max_bytes`
    (32 MiB) bounds each process's file. Raises benchkit.errors.StorageError when no file can be made there.
    """
    from benchkit.errors import StorageError
    from benchkit.trace.ring import DEFAULT_BYTES, LEAST_BYTES

    stop()
    size = DEFAULT_BYTES if max_bytes is None else max(LEAST_BYTES, max_bytes)
    _state.arm(_states.Wish(Path(folder).absolute(), role, size))
    try:
        return _Tracing(_state.open())
    except OSError as error:
        stop()
        raise StorageError(
            f"no trace can be written there: {error.strerror or error}",
            where=str(folder),
            remedy="name a folder of your own that nobody else can write into, with room for max_bytes",
        ) from error


def stop() -> None:
    """Trace no longer; the file is whole and stays."""
    _state.close()


def is_on() -> bool:
    """Marks are kept, or will be from the first on."""
    return _state.write is not None


def produced(id: Id, *, due_ns: int = 0, payload_bytes: int = 0, hop: int = 0) -> None:
    """The producer turns to a message: just before sending, or before encoding where `encoded` is marked too.

    `due_ns` is when it should have left, on `time.monotonic_ns`; what it left later is then `lateness`.
    """
    write = _state.write
    if write is not None:
        write(_PRODUCED, id, due_ns, payload_bytes, hop)


def received(id: Id, *, hop: int = 0) -> None:
    """The worker has the message: just after receiving it."""
    write = _state.write
    if write is not None:
        write(_RECEIVED, id, 0, 0, hop)


def done(id: Id, *, ok: bool = True, hop: int = 0) -> None:
    """The worker is through with the message; `ok=False` where it failed on it."""
    write = _state.write
    if write is not None:
        write(_DONE, id, 0, 0, hop, not ok)


def encoded(id: Id, *, hop: int = 0) -> None:
    """The payload is ready to be sent."""
    write = _state.write
    if write is not None:
        write(_ENCODED, id, 0, 0, hop)


def sent(id: Id, *, hop: int = 0) -> None:
    """Sending returned."""
    write = _state.write
    if write is not None:
        write(_SENT, id, 0, 0, hop)


def returned(id: Id, *, hop: int = 0) -> None:
    """The producer has the reply: latency then runs until here, else until the work was finished."""
    write = _state.write
    if write is not None:
        write(_RETURNED, id, 0, 0, hop)


def asked(*, hop: int = 0) -> None:
    """The worker is about to wait for its next message; without this mark, since it was done with the last one."""
    write = _state.write
    if write is not None:
        write(_ASKED, b"", 0, 0, hop)


def decoded(id: Id, *, hop: int = 0) -> None:
    """The worker has the content in a form that it can work on."""
    write = _state.write
    if write is not None:
        write(_DECODED, id, 0, 0, hop)


def started(id: Id, *, hop: int = 0) -> None:
    """Work on it begins: what lies between `decoded` and here is waiting for a batch."""
    write = _state.write
    if write is not None:
        write(_STARTED, id, 0, 0, hop)


def finished(id: Id, *, hop: int = 0) -> None:
    """Work on it has ended; what follows until `replied` or `done` is replying."""
    write = _state.write
    if write is not None:
        write(_FINISHED, id, 0, 0, hop)


def replied(id: Id, *, hop: int = 0) -> None:
    """The reply, or the acknowledgement, is handed over."""
    write = _state.write
    if write is not None:
        write(_REPLIED, id, 0, 0, hop)
