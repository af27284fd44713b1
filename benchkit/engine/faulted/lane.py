"""The trials of a plan: each fault in each cell that can take it, and in each cell once nothing (the control).

They are numbered by their place in the plan, so that a run which is resumed knows which ones it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from benchkit.alerts.alerting import Alerting
from benchkit.engine.alerted.trials import Accounts
from benchkit.engine.faulted.able import MOST_PER_S, load_of, rate_of, refusal
from benchkit.engine.faulted.nursery import Nursery, nursery
from benchkit.engine.faulted.terms import Loaded, Terms
from benchkit.engine.faulted.trial import run_trial
from benchkit.engine.site import Site
from benchkit.errors import BenchkitError
from benchkit.faults.base import Fault
from benchkit.records.faults import LeftOut, Trial
from benchkit.records.operations import Operations
from benchkit.scenario.faulting import standard
from benchkit.scenario.model import Faulting, FaultOptions
from benchkit.scenario.plan import Plan, PlannedCell
from benchkit.scenario.seeds import Stream, seed_for

Keep = Callable[[Trial, Operations], None]
Tell = Callable[[str, int, int, str], None]
"""What is done, how many trials are behind, how many there are, in which cell."""
_PILOT: Final = Terms(warmup_s=0.1, before_s=0.3, after_s=0.0, spread_s=0.0, patience_s=2.0, slack_s=5.0)
_PILOT_PER_S: Final = 4000.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One trial, before it is run."""

    number: int
    cell: PlannedCell
    fault: Fault | None
    """None: the control."""
    seed: int

    @property
    def label(self) -> str:
        """For whoever watches."""
        return "nothing (control)" if self.fault is None else self.fault.label()


def asked(plan: Plan, given: Faulting) -> tuple[list[Asked], list[LeftOut]]:
    """The trials in their order, and what cannot be done to which cell."""
    faults = given.faults or standard()
    found: list[Asked] = []
    left: list[LeftOut] = []
    number = 0
    for at, cell in enumerate(plan.cells):
        if why := refusal(cell):
            left.append(LeftOut(cell.id, "", why))
            continue
        able: list[Fault | None] = [None]
        for fault in faults:
            if why := fault.refuses(cell.transport):
                # What nobody asked for need not be excused.
                left += [LeftOut(cell.id, fault.label(), why)] if given.faults else []
            else:
                able.append(fault)
        for turn in range(given.options.times):
            for which, one in enumerate(able):
                found.append(Asked(number, cell, one, seed_for(plan.seed, Stream.FAULTS, at, which, turn)))
                number += 1
    return found, left


def terms_of(options: FaultOptions) -> Terms:
    """The section's numbers."""
    return Terms(
        warmup_s=options.warmup, before_s=options.before, after_s=options.after, window_s=options.window,
        spread_s=options.spread, patience_s=options.patience,
    )  # fmt: skip


class Lane:
    """Runs trials one after the other. One thread."""

    def __init__(
        self, site: Site, starter: Nursery, given: Faulting, seed: int, alerts: Alerting | None = None
    ) -> None:
        """`seed` is the plan's, of which the messages' content comes."""
        self._alerts = alerts
        self._accounts = None if alerts is None else Accounts(alerts)
        self._site = site
        self._nursery = starter
        self._given = given
        self._terms = terms_of(given.options)
        self._seed = seed
        self._loaded: dict[str, Loaded] = {}

    def run(self, one: Asked) -> tuple[Trial, Operations]:
        """Raises BenchkitError where its cell cannot be brought under load."""
        loaded = self._cell(one.cell)
        terms = loaded.lengthened(self._terms)
        if one.fault is not None:
            terms = replace(terms, slack_s=terms.slack_s + one.fault.lasting)
        trial, rows = run_trial(
            self._nursery,
            self._site,
            loaded,
            one.fault,
            terms,
            number=one.number,
            seed=one.seed,
            alerts=self._alerts,
        )
        return (trial if self._accounts is None else self._accounts.add(trial, rows)), rows

    def _cell(self, cell: PlannedCell) -> Loaded:
        if cell.id not in self._loaded:
            sizes = self._nursery.size(
                source=cell.source.config(), codec=cell.codec.config(), transport=cell.transport.config(),
                stage=cell.stage.config(), seed=seed_for(self._seed, Stream.PAYLOAD),
                stage_seed=seed_for(self._seed, Stream.STAGE),
            )  # fmt: skip
            wanted = self._given.options.rate
            rate = rate_of(cell, wanted) or self._half(Loaded(cell, {}, _PILOT_PER_S, sizes, self._seed))
            self._loaded[cell.id] = Loaded(cell, load_of(cell, wanted, rate), rate, sizes, self._seed)
        return self._loaded[cell.id]

    def _half(self, loaded: Loaded) -> float:
        """Half of what the cell can, by a look at it with more than it can."""
        load = load_of(loaded.cell, loaded.rate_per_s, loaded.rate_per_s)
        trial, rows = run_trial(
            self._nursery, self._site, replace(loaded, load=load), None, _PILOT, number=0, seed=self._seed
        )
        until_ns = trial.before_from_ns + int(_PILOT.before_s * 1e9)
        within = (rows["acked"] > trial.before_from_ns) & (rows["acked"] <= until_ns)
        return max(1.0, min(MOST_PER_S, 0.5 * float(within.sum()) / _PILOT.before_s))


def run(
    plan: Plan, site: Site, done: Sequence[Trial], keep: Keep, tell: Tell, alerts: Alerting | None = None
) -> tuple[list[LeftOut], list[BenchkitError]]:
    """Run what is not `done`; what cannot be done to which cell, and the errors of cells that failed.

    What was kept before an interrupt stays kept.
    """
    if plan.faulting is None:
        return [], []
    trials, left = asked(plan, plan.faulting)
    have = {trial.number for trial in done}
    errors: list[BenchkitError] = []
    if all(one.number in have for one in trials):
        return left, errors
    tell("preparing the faults", 0, len(trials), "")
    with nursery(site.folder) as starter:
        lane = Lane(site, starter, plan.faulting, plan.seed, alerts)
        for at, one in enumerate(trials):
            if one.number in have:
                continue
            tell(f"fault: {one.label}", at, len(trials), one.cell.id)
            try:
                keep(*lane.run(one))
            except BenchkitError as error:
                if starter.gone:
                    raise
                error.where = f"{one.cell.id}, {one.label}: {error.where}".removesuffix(": ")
                errors.append(error)
    return left, errors
