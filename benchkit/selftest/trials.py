"""Trials, measured: a few dozen a run of the engine, first the healthy pipelines and then the planted ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from benchkit.analysis.document import document
from benchkit.engine.runner import Progress, Runner, Watch
from benchkit.records.samples import PHASES
from benchkit.scenario.order import Order
from benchkit.scenario.plan import Blocks, Plan
from benchkit.scenario.seeds import Stream, seed_for
from benchkit.selftest.kinds import BY_NAME, KINDS
from benchkit.selftest.recipe import UNLIMITED, Recipe, Spent
from benchkit.selftest.shapes import Ask, Shaped

REPEATS: Final = 3
"""Times that a trial whose cell was not valid is run again; so many tries for healthy pipelines as well."""
ROUNDS: Final = 2
BLOCK_S: Final = 0.35
WARMUP_S: Final = 0.05
OTHERS: Final = 0.25
WAITED: Final = 0.1
"""Where other programs use more than this share of the cores, and the parties wait for cores for more than this share
of the latency, a trial has a second cause. Either alone is no reason: on an idle machine a wrong account must show."""
CHUNK: Final = 24
"""Trials of one run of the engine: what is lost where the self-test is ended."""
HEALTHY: Final = "healthy/"
"""Begins the names of the cells that size the trials."""
_HEALTHY_RATE: Final = 60.0
_HEALTHY_US: Final = 15_000.0
"""A healthy pipeline takes less than a message's share of the time; one that takes longer was disturbed."""

Entry = dict[str, Any]
Naturals = dict[str, dict[str, float]]
"""Median of each phase in microseconds, by recipe."""


@dataclass(frozen=True, slots=True, order=True)
class Trial:
    """One trial, before it is run."""

    kind: str
    seed: int
    share: float
    """What is asked for, of the latency."""
    level: int
    """The number of that share among those asked for."""

    @property
    def recipe(self) -> Recipe:
        """The pipeline, nothing planted."""
        return BY_NAME[self.kind].variant(self.seed, self.level)

    @property
    def name(self) -> str:
        """As a cell's id: `json-base64-encode/s3/55`."""
        kind = "".join(char if char.isalnum() else "-" for char in self.kind)
        return f"{kind}/s{self.seed}/{round(100 * self.share)}"


def planned(seeds: Iterable[int], shares: Sequence[float], only: Sequence[str] = ()) -> list[Trial]:
    """All trials, seed after seed, so that a part of them is a fair sample."""
    return [
        Trial(kind.name, seed, share, level)
        for seed in seeds
        for kind in KINDS
        for level, share in enumerate(shares)
        if not only or any(wanted in kind.name for wanted in only)
    ]


def key(recipe: Recipe) -> str:
    """Equal for pipelines that are alike before anything is planted."""
    return json.dumps(asdict(_healthy(recipe)), sort_keys=True)


def _healthy(recipe: Recipe) -> Recipe:
    load = {"kind": "constant", "rate": _HEALTHY_RATE}
    link = {**recipe.link, "rate": UNLIMITED} if recipe.link else {}
    return replace(recipe, spent=Spent(), planted={}, load=load, batch_delay_us=0.0, link=link)


class Bench:
    """Runs trials and remembers what healthy pipelines take."""

    def __init__(self, naturals: Naturals, watch: Watch) -> None:
        self.naturals = naturals
        self._watch = watch

    def run(self, trials: Sequence[Trial], measured: Callable[[], None] = lambda: None) -> Iterator[Entry]:
        """The lines of trials of one seed; `measured` is called when healthy pipelines were added."""
        fresh = {
            key(trial.recipe): trial.recipe for trial in trials if key(trial.recipe) not in self.naturals
        }
        for _ in range(REPEATS):
            fresh = {name: recipe for name, recipe in fresh.items() if name not in self.naturals}
            if fresh:
                self._measure(fresh, trials[0].seed)
                measured()
        shaped = {trial.name: self._shaped(trial) for trial in trials if key(trial.recipe) in self.naturals}
        found = self._cells({name: each.recipe for name, each in shaped.items()}, trials[0].seed, ROUNDS)
        for trial in trials:
            yield line(trial, shaped.get(trial.name), found.get(trial.name))

    def _measure(self, fresh: Mapping[str, Recipe], seed: int) -> None:
        names = {f"{HEALTHY}{number}": each for number, each in enumerate(fresh)}
        found = self._cells({name: _healthy(fresh[each]) for name, each in names.items()}, seed, 1)
        for name, each in names.items():
            phases = found[name]["phases_us"]
            # Medians: one message that the machine held up says nothing of the pipeline.
            medians = {phase: phases[phase]["p50"] for phase in PHASES}
            if None not in medians.values() and sum(medians.values()) <= _HEALTHY_US:
                self.naturals[each] = medians

    def _shaped(self, trial: Trial) -> Shaped:
        seeds = tuple(seed_for(trial.seed, Stream.SCHEDULE, round_) for round_ in range(ROUNDS))
        natural = self.naturals[key(trial.recipe)]
        ask = Ask(trial.recipe, natural, trial.share, seeds, BLOCK_S + WARMUP_S)
        return BY_NAME[trial.kind].shape(ask)

    def _cells(self, recipes: Mapping[str, Recipe], seed: int, rounds: int) -> dict[str, Entry]:
        """The entries of run.json by name."""
        cells = tuple(recipe.cell(name) for name, recipe in recipes.items())
        plan = Plan(
            name="truth", seed=seed, quick=False, cells=cells, order=Order(len(cells), rounds, seed),
            blocks=Blocks(rounds, BLOCK_S, WARMUP_S, 1.0), checksum_every=128, check_replies=False, on_error="continue",
            slo={}, resolved={"name": "truth"},
        )  # fmt: skip
        made = document(Runner(plan, self._watch).run())
        return {cell["id"]: cell for cell in made["cells"]}


def settled(found: Entry) -> bool:
    """A trial that counts: its cell is valid, or not valid for the very reason that was planted.

    What its verdict says plays no part: asking that would be choosing among answers.
    """
    refused = BY_NAME[found["kind"]].refused
    return bool(found["valid"]) or (bool(refused) and refused in found["reasons"])


def line(trial: Trial, shaped: Shaped | None, cell: Entry | None) -> Entry:
    """What is kept of a trial: plain data for one line of JSON."""
    base = {
        "kind": trial.kind,
        "seed": trial.seed,
        "asked_share": trial.share,
        "transport": trial.recipe.transport["kind"],
    }
    if shaped is None or cell is None:
        return {**base, "valid": False, "reasons": ["no healthy run of this pipeline"], "verdict": None}
    why = {
        each["code"]: each["message"] for each in cell["validity"]["reasons"] if each["severity"] == "invalid"
    }
    times = (cell["latency_us"]["mean"] or 0.0) / shaped.latency_us if shaped.latency_us else 0.0
    if times > shaped.most_times:
        why["not-as-planted"] = f"messages took {times:.1f} times as long as was planted"
    others, without_core = _others(cell["resources"]), _without_core(cell["resources"])
    crowded = sum(without_core.values()) > WAITED * (cell["latency_us"]["mean"] or 0.0)
    if crowded and (others or 0.0) > OTHERS and not BY_NAME[trial.kind].contended:
        why["no-core-left"] = f"other programs used {others:.0%} of the cores, and the parties waited for one"
    return {
        **base,
        "planted_share": shaped.share,
        "planted_us": shaped.latency_us,
        "valid": not why,
        "reasons": list(why),
        "why": list(why.values()),
        "verdict": cell["verdict"],
        "latency_us": cell["latency_us"]["mean"],
        "others": others,
        "without_core_us": without_core,
        "shares": {phase: round(each["share"], 4) for phase, each in cell["phases_us"].items()},
    }


def _without_core(rows: Sequence[Entry]) -> dict[str, float]:
    """By party: how long it was ready to run and had no core, microseconds a message."""
    return {row["name"]: us for row in rows if (us := row.get("runnable_us_per_message")) is not None}


def _others(rows: Sequence[Entry]) -> float | None:
    """Share of all cores that other programs and the tool itself used; None where the kernel did not say."""
    cores = next((row for row in rows if row["role"] == "cores"), None)
    if cores is None or cores["busy_share"] is None:
        return None
    busy, own = float(cores["busy_share"]), float(cores["utilisation"] or 0.0)
    return max(0.0, busy - own)


def quiet(_: Progress) -> None:
    """Nobody watches."""
