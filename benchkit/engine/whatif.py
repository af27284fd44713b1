"""Trials under way: saturated blocks for demands, then experiments and changes in interleaved rounds.

Trials stand in `Run.trials`, without samples, and in no cell's blocks. What was tried before a runner died is not
tried again: the plan of trials follows from the scenario's seed and the first trials' figures, which are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError

from benchkit.analysis.whatif.figures import WAITS, figures
from benchkit.engine import placement
from benchkit.engine.block import run_block
from benchkit.engine.canary import Canary
from benchkit.engine.crew import Crew
from benchkit.engine.ready import ReadyCell, make_ready
from benchkit.engine.site import Site
from benchkit.engine.task import Task
from benchkit.engine.trials import (
    Mode,
    Planned,
    Question,
    base,
    changed,
    changes,
    chosen,
    confirmable,
    duration_s,
    fitted,
    in_flight,
    open_loop,
    ordered,
    phases,
    unfit,
)
from benchkit.engine.underway import Place
from benchkit.engine.work import describe as describe_error
from benchkit.errors import BenchkitError
from benchkit.load.closed import Closed
from benchkit.records.run import Block, Failure, Run, Trial
from benchkit.records.samples import PHASES, Samples, next_seq
from benchkit.records.what_if import Figures, WhatIf
from benchkit.scenario.model import WhatIfOptions
from benchkit.scenario.plan import Plan

_BASE_SHARE = 0.5
"""Of the time, what demands may take; cells beyond it are left out."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the runner lends."""

    members: Crew
    site: Site
    canary: Canary
    broker_cores: tuple[int, ...]
    watch: Callable[[str, int, int], None]
    """Told what is done, how much of how many."""
    note: Callable[[], None]
    """Called after each trial: a checkpoint may be due."""


class Trials:
    """The trials of one run."""

    def __init__(
        self, plan: Plan, asked: WhatIfOptions, ready: Mapping[int, ReadyCell], tools: Tools,
        unloaded_s: Mapping[int, float],
    ) -> None:  # fmt: skip
        self._plan = plan
        self._asked = asked
        self._tools = tools
        self._ready: dict[tuple[int, str], ReadyCell] = {(index, ""): each for index, each in ready.items()}
        self._unloaded_s = unloaded_s
        self._left: dict[str, list[str]] = {}
        self._changes: dict[int, list[str]] = {}
        self._confirm: dict[int, list[str]] = {}
        self._trials: list[Trial] = []
        self._position = 0
        self._first = 0
        """How many trials come before any experiment."""
        self._wrapped: dict[int, tuple[str, ...]] = {}
        """By cell, the phases that any of its trials slows."""

    def run(self, header: Run, position: int) -> int:
        """Try what is not in `header.trials` yet; where a later block would stand is returned."""
        self._trials, self._position = header.trials, position
        about = self._about()
        first = base(self._plan, about, self._unloaded_s)
        header.what_if = self._record(about, self._asked.longest)
        self._all(first, f"saturating, {_about_s(first)}", 0)
        self._first = len(first)
        spent_s = _seconds(first)
        questions = self._questions(about, self._asked.longest - spent_s)
        rest = ordered(questions, self._plan.seed)
        header.what_if = self._record(about, _seconds([*first, *rest]))
        self._all(rest, f"what if, {len(rest)} blocks, {_about_s(rest)}", len(first))
        return position + len(first) + len(rest)

    # What is asked --------------------------------------------------------------------------------------

    def _about(self) -> list[int]:
        """The cells asked about that there is time for; the changes that each can be asked about."""
        found = [index for index in chosen(self._plan, self._asked) if (index, "") in self._ready]
        for index, cell in enumerate(self._plan.cells):
            if (index, "") in self._ready and (why := unfit(cell)):
                self._leave(index, why)
        while (
            len(found) > 1
            and _seconds(base(self._plan, found, self._unloaded_s)) > _BASE_SHARE * self._asked.longest
        ):
            self._leave(found.pop(), "no time for it; what_if.longest can give more, --only fewer cells")
        for index in found:
            self._changes[index] = changes(self._plan, index, self._asked)
        return found

    def _leave(self, index: int, why: str) -> None:
        self._left.setdefault(self._plan.cells[index].id, []).append(why)

    def _record(self, about: Sequence[int], expected_s: float) -> WhatIf:
        cells = self._plan.cells
        return WhatIf(
            cells=tuple(cells[index].id for index in about),
            changes={cells[index].id: tuple(found) for index, found in self._changes.items()},
            confirm=self._asked.confirm,
            expected_s=expected_s,
            left_out={cell: tuple(why) for cell, why in self._left.items()},
            one_process=tuple(
                each.cell.id for (_, change), each in self._ready.items() if not change and each.one_process
            ),
        )

    def _questions(self, about: Sequence[int], budget_s: float) -> dict[int, tuple[Question, int]]:
        """By cell, what is tried in how many rounds; the time is shared alike."""
        found: dict[int, tuple[Question, int]] = {}
        for at, index in enumerate(about):
            cell = self._plan.cells[index]
            means_ns = self._means_ns(index)
            if not means_ns:
                self._leave(index, "too few messages arrived when it was saturated")
                continue
            slowed, left = phases(cell, means_ns, self._asked)
            for why in left:
                self._leave(index, why)
            if self._asked.confirm:
                self._confirm[index] = [change for change in self._changes[index] if self._can(index, change)]
            wanted: tuple[Mode, ...] = ("saturated", "paced") if open_loop(cell) else ("saturated",)
            alone_s = sum(value for name, value in means_ns.items() if name not in WAITS) / 1e9
            modes = {mode: duration_s(self._plan, cell, mode, alone_s) for mode in wanted}
            question = Question(index, modes, slowed, tuple(self._confirm.get(index, ())), self._asked.slow)
            if not slowed and not question.changes:
                continue
            share_s = budget_s / (len(about) - at)
            question, rounds, left = fitted(question, share_s, self._asked)
            for why in left:
                self._leave(index, why)
            budget_s -= rounds * question.round_s()
            self._wrapped[index] = tuple(question.phases_ns)
            found[index] = question, rounds
        return found

    def _means_ns(self, index: int) -> dict[str, float]:
        """Mean phases of the cell's first saturated trials; of these alone, so that a resumed run finds the same."""
        id_ = self._plan.cells[index].id
        mine = (t for t in self._trials[: self._first] if t.block.cell == id_ and not t.change)
        own = [trial.figures for trial in mine if trial.figures is not None]
        if not own:
            return {}
        return {name: sum(each.phase_means_ns[name] for each in own) / len(own) for name in PHASES}

    def _can(self, index: int, change: str) -> bool:
        """Make the changed cell ready; what cannot be is said."""
        cell = self._plan.cells[index]
        if not confirmable(change, cell, self._asked, len(placement.cores())):
            self._leave(
                index,
                f"{change}: there are fewer cores than parties; what_if.workers asks for it all the same",
            )
            return False
        try:
            made = changed(self._plan, index, change)
            self._ready[index, change] = make_ready(self._tools.members, self._plan, made)
        except (BenchkitError, ValidationError) as error:
            self._leave(index, f"{change}: {describe_error(error)['what']}")
            return False
        finally:
            self._tools.members.dismiss("oracle")
        return True

    # How it is tried ------------------------------------------------------------------------------------

    def _all(self, planned: Sequence[Planned], doing: str, first: int) -> None:
        for at, each in enumerate(planned):
            self._tools.watch(doing, at, len(planned))
            if first + at < len(self._trials):
                continue
            self._trials.append(self._one(each, first + at))
            self._tools.note()

    def _one(self, planned: Planned, number: int) -> Trial:
        ready = self._ready[planned.index, planned.change]
        load = ready.cell.load
        depth = None if planned.mode == "paced" else in_flight(ready.cell)
        place = Place(
            self._position + number, planned.round, ready.record.payload_bytes,
            getattr(load, "rate_per_s", None) if planned.mode == "paced" else None, None,
        )  # fmt: skip
        found: Figures | None = None
        try:
            block, samples = self._measured(ready, planned, place, depth)
            step = ready.cell.workers * ready.cell.batch_size
            found = figures(samples, block.usage, step=step, batched=ready.cell.batch_size > 1)
        except BenchkitError as error:
            told = describe_error(error)
            failure = Failure(ready.cell.id, told["type"], told["what"], told["remedy"])
            block = Block(
                ready.cell.id, place.index, place.round, 0, 0, 0, place.offered_per_s, failures=(failure,)
            )
        block = replace(block, cell=self._plan.cells[planned.index].id, slowed=planned.slowed)
        return Trial(number, planned.mode, planned.change, depth, block, found)

    def _measured(
        self, ready: ReadyCell, planned: Planned, place: Place, depth: int | None
    ) -> tuple[Block, Samples]:
        tools = self._tools
        ready.brief(tools.members, self._plan)
        address = ready.open(tools.site, tools.members)
        try:
            if address.broker_pid is not None:
                placement.pin(address.broker_pid, tools.broker_cores)
            task = self._task(ready, planned, depth)
            place = replace(place, broker_pid=address.broker_pid, server_times=ready.server_times)
            before = tools.canary.look()
            block, samples = run_block(tools.members, task, place, ready.hosts)
            block = replace(block, disturbance=tools.canary.since(before))
        finally:
            ready.close()
        ready.count_on(next_seq(samples, task.first_seq))
        return block, samples

    def _task(self, ready: ReadyCell, planned: Planned, depth: int | None) -> Task:
        task = replace(
            ready.task(self._plan, planned.round), duration_s=planned.duration_s, warmup_s=planned.warmup_s,
            warmup_max_s=0.0,
        )  # fmt: skip
        if depth is not None and open_loop(ready.cell):
            task = replace(task, load=Closed(in_flight=depth).config())
        if planned.slowed is None:
            return task
        # Whatever any trial of the cell slows is wrapped in all of them.
        slow = dict.fromkeys(self._wrapped[planned.index], 0)
        if planned.slowed.phase:
            slow[planned.slowed.phase] = planned.slowed.added_ns
        return replace(task, slow=slow)


def _seconds(planned: Sequence[Planned]) -> float:
    return sum(each.expected_s for each in planned)


def _about_s(planned: Sequence[Planned]) -> str:
    return f"about {_seconds(planned):.0f} s"
