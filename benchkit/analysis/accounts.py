"""What a process used over the blocks of a cell, from the accounts that the blocks keep; nothing is guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from benchkit.analysis.measure import Measure
from benchkit.records.run import Block, Cell
from benchkit.records.seen import Usage

_EACH: Final = (
    "voluntary_switches", "involuntary_switches", "minor_faults", "major_faults",
)  # fmt: skip

_OLD: Final = "it was measured before processes kept accounts"


@dataclass(frozen=True, slots=True)
class Accounts:
    """One party's, a Usage for each block that has one."""

    used: Sequence[Usage] = ()
    gaps: Mapping[str, str] = field(default_factory=dict)
    """By field of Usage, or by the party's name where there is no account at all."""
    open_loop: bool = False

    def per_message(self, name: str) -> float | None:
        """The field's sum over the messages that were counted with it; None where no block tells both."""
        return self._over(name, "messages")

    def share(self, name: str) -> float | None:
        """The same over the time for which it was counted."""
        return self._over(name, "over_ns")

    def _over(self, name: str, by: str) -> float | None:
        known = [(getattr(each, name), getattr(each, by)) for each in self.used]
        known = [(value, over) for value, over in known if value is not None and over is not None]
        over = sum(over for _, over in known)
        return sum(value for value, _ in known) / over if over else None

    @property
    def work_ns(self) -> float | None:
        """CPU time a message without a transport's spinning; pacing is in no CPU time."""
        cpu_ns, spin_ns = self.per_message("cpu_ns"), self.per_message("spin_ns")
        return None if cpu_ns is None else max(0.0, cpu_ns - (spin_ns or 0.0))

    @property
    def runnable_share(self) -> float | None:
        """Of the time in which the thread that sends or serves wanted a core, what it had none."""
        ran, waited = self.share("thread_cpu_ns"), self.share("thread_runnable_ns")
        return None if ran is None or waited is None or ran + waited == 0 else waited / (ran + waited)

    def as_document(self) -> dict[str, Any]:
        """As run.json holds it; see `records.run.Usage` for what each is."""
        longest = [each.gc_longest_ns for each in self.used if each.gc_longest_ns is not None]
        pauses = [each.gc_pauses for each in self.used if each.gc_pauses is not None]
        threads = [each.threads for each in self.used if each.threads is not None]
        waited_ns, gc_ns = self.per_message("thread_runnable_ns"), self.per_message("gc_pause_ns")
        work_ns = self.work_ns
        return {
            "cpu_us_per_message": None if work_ns is None else work_ns / 1e3,
            "spin_share": self.share("spin_ns"),
            "runnable_share": self.runnable_share,
            "runnable_us_per_message": None if waited_ns is None else waited_ns / 1e3,
            **{f"{name}_per_message": self.per_message(name) for name in _EACH},
            "gc_share": self.share("gc_pause_ns"),
            "gc_us_per_message": None if gc_ns is None else gc_ns / 1e3,
            "gc_pauses": sum(pauses) if pauses else None,
            "gc_longest_us": max(longest) / 1e3 if longest else None,
            "gil_wait_at_most_share": self.share("gil_wait_at_most_ns"),
            "memory_bytes": max((each.peak_rss_bytes or each.rss_bytes for each in self.used), default=None),
            "threads": max(threads, default=None),
            "shares_process": any(each.shares_process for each in self.used),
        }


def accounts_of(cell: Cell, blocks: Sequence[Block], measure: Measure) -> dict[str, Accounts]:
    """By party. Blocks of an older benchkit tell the CPU time by role alone: where that is one process, it counts."""
    counts = {each.index: (each.count, each.span_ns) for each in measure.blocks}
    used: dict[str, list[Usage]] = {}
    gaps: dict[str, dict[str, str]] = {}
    for block in blocks:
        parties = block.parties or _by_role(cell, block, *counts.get(block.index, (0, 0)))
        for party, each in parties.items():
            used.setdefault(party, []).append(each)
        for name, why in block.gaps.items():
            party, _, own = name.partition(".")
            gaps.setdefault(party, {})[own or party] = why
    if not any(block.parties for block in blocks):
        gaps = {party: {party: _OLD} for party in used}
    open_loop = all(block.offered_per_s is not None for block in blocks)
    names = {*used, *(name for name in gaps if name != "cores")}
    return {name: Accounts(used.get(name, ()), gaps.get(name, {}), open_loop) for name in names}


def _by_role(cell: Cell, block: Block, messages: int, span_ns: int) -> dict[str, Usage]:
    single = {"producer": "producer-0"} if cell.producers == 1 else {}
    single |= {"stage": "stage-0"} if cell.workers == 1 else {}
    single |= {"broker": "broker"}
    return {
        single[role]: replace(each, messages=messages or None, over_ns=span_ns or None)
        for role, each in block.usage.items()
        if role in single
    }
