"""What a folder of traces leaves open, in words: each loss with its count and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchkit.errors import RecordError
from benchkit.records.run import Gap
from benchkit.trace.join import Joined
from benchkit.trace.layout import DIGESTED, Mark
from benchkit.trace.reader import Loss, Traced

_NAMED: Final = 3


def gaps_of(traced: Sequence[Traced], losses: Sequence[Loss], joined: Joined) -> Iterator[Gap]:
    """All of one hop."""
    yield from _damaged(traced, losses)
    yield from _not_ended(traced, joined)
    yield from _unmatched(joined)
    yield from _cut(traced, joined)


def _damaged(traced: Sequence[Traced], losses: Sequence[Loss]) -> Iterator[Gap]:
    told = [f"{loss.file}: {loss.what}" for loss in losses]
    for each in traced:
        if each.missing_bytes:
            told.append(f"{each.file}: cut short, {each.missing_bytes} bytes are missing at its end")
        if each.damaged:
            told.append(
                f"{each.file}: {_count(each.damaged, 'mark')} not whole, the first at byte {each.damaged_at}"
            )
        if each.refused:
            told.append(
                f"{each.file}: {_count(each.refused, 'mark')} refused, for a name or number that is none"
            )
    if told:
        more = f"; {len(told) - _NAMED} more such" if len(told) > _NAMED else ""
        what = "; ".join(told[:_NAMED]) + more
        yield Gap("trace-damaged", f"{what}; messages that may have been in there are left out")


def _not_ended(traced: Sequence[Traced], joined: Joined) -> Iterator[Gap]:
    gone = [each for each in traced if not each.ended_ns and not each.running]
    alive = [each for each in traced if each.running]
    if gone:
        own = joined.counted.lost_in_crash
        names = ", ".join(each.file for each in gone[:_NAMED])
        yield Gap(
            "trace-not-ended",
            f"{_count(len(gone), 'process')} ended without closing a trace, killed perhaps ({names}); "
            f"{_count(own, 'message')} in such hands counted as lost",
        )
    if alive:
        yield Gap(
            "trace-not-ended",
            f"{_count(len(alive), 'process')} still running: this is what was marked so far",
            "analyse again when it has ended",
        )


def _unmatched(joined: Joined) -> Iterator[Gap]:
    counted = joined.counted
    if counted.never_produced:
        text = f"{_count(counted.never_produced, 'message')} received that nobody had produced"
        if counted.before_produced:
            text += f"; {counted.before_produced} of them were produced after they were received"
        remedy = "call produced before the message is handed over" if counted.before_produced else ""
        yield Gap("trace-unmatched", text, remedy)
    lost = [
        (counted.never_received, "never received, though later ones were"),
        (counted.never_done, "received and never done"),
        (counted.never_returned, "done, and the reply never came"),
    ]
    if any(count for count, _ in lost):
        text = ", ".join(f"{count} {what}" for count, what in lost if count)
        yield Gap("trace-unmatched", f"counted as lost: {text}", "see whether the calls are on every path")
    if counted.produced_again:
        yield Gap(
            "trace-unmatched",
            f"{_count(counted.produced_again, 'time')} a name was produced again before it was done: sent twice, "
            "or two messages with one name",
        )


def _cut(traced: Sequence[Traced], joined: Joined) -> Iterator[Gap]:
    overwritten = sum(each.overwritten for each in traced)
    outside = joined.counted.outside
    if overwritten:
        yield Gap(
            "trace-cut",
            f"{_count(overwritten, 'mark')} overwritten by later ones; {_count(outside, 'message')} at the ends of "
            "the trace left out",
        )
    elif outside:
        yield Gap(
            "trace-cut",
            f"{_count(outside, 'message')} under way at the trace's end, or of unknown fate, left out",
            "let the producer end first, then the workers",
        )


def _count(count: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"1 {noun}" if count == 1 else f"{count} {plural}"


def nothing_joined(folder: Path, traced: Sequence[Traced], hop: int, joined: Joined) -> None:
    """Raise RecordError where messages were produced and received and no name is on both sides."""
    produced = _names(traced, hop, Mark.PRODUCED)
    received = _names(traced, hop, Mark.RECEIVED)
    if not produced or not received:
        missing = "produced" if received else "received"
        raise RecordError(
            f"on hop {hop} nothing was {missing}",
            where=str(folder),
            remedy=f"call {missing} too, in a process that is traced into the same folder",
        )
    if joined.counted.never_produced:
        raise RecordError(
            f"on hop {hop} no name is on both sides: produced was {produced}, received was {received}",
            where=str(folder),
            remedy="give a message the same name in every call",
        )


def _names(traced: Sequence[Traced], hop: int, mark: Mark) -> str:
    """The first names of a mark, for people; empty where there is none."""
    found: list[str] = []
    for each in traced:
        rows = each.marks[(each.marks["hop"] == hop) & (each.marks["mark"] == mark)][:_NAMED]
        for length, name in zip(rows["length"].tolist(), rows["id"].tolist(), strict=True):
            text = (
                "a long one" if length == DIGESTED else repr(bytes(name[:length]).decode("utf-8", "replace"))
            )
            found.append(text)
    return ", ".join(found[:_NAMED])
