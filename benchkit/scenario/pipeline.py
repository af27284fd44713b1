"""`pipeline:` -> hops: each entry's stage, transport and codec are read as the sections of the same name are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import Field

from benchkit.scenario import options, sections
from benchkit.scenario.hops import MAX_HOPS, RESERVED, Hop, Pipeline
from benchkit.scenario.model import AXES, Axis, Batch, Choice, Section
from benchkit.scenario.nodes import Entry, Items, Leaf, Map, Node, Where
from benchkit.scenario.problems import Problems
from benchkit.scenario.refuse import missing_files
from benchkit.scenario.sections import Pick


class HopOptions(Section):
    """What an entry of a pipeline says beside its stage, batch, transport and codec."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")] = Field(
        description="small letters, digits and _; the verdict calls the stage so"
    )
    workers: int = Field(1, ge=1, le=256, description="processes that run this stage")
    after: str = Field("", description="the entry whose output it gets; by default the one above")


PLUGINS: Final = ("stage", "transport", "codec")
"""Sections that an entry may hold, written as at the top of a scenario."""
KEYS: Final = (*HopOptions.model_fields, "batch", *PLUGINS)
BESIDE: Final = ("stage", "workers", "batch")
"""Sections that a pipeline's entries take the place of."""
NONE: Final = Pipeline()


def choices(axis: Axis, found: Sequence[Pick], problems: Problems) -> tuple[Choice, ...]:
    """One choice for each pipeline that is written; mistakes go to `problems`."""
    made: dict[str, Choice] = {}
    for pick in found:
        entry = pick.entries.get(axis.field)
        if entry is None or (isinstance(entry.node, Leaf) and entry.node.value is None):
            made.setdefault("", Choice(axis, "", NONE, pick.where, {}, ""))
            continue
        choice = _choice(axis, entry.node, problems)
        if choice is not None:
            made.setdefault(choice.identity, choice)
    return tuple(made.values())


def _choice(axis: Axis, node: Node, problems: Problems) -> Choice | None:
    if not isinstance(node, Items) or not 1 <= len(node.items) <= MAX_HOPS:
        problems.add(
            node.where,
            f"pipeline: expected a list of 1 to {MAX_HOPS} stages",
            "write for example [{name: decode, stage: {...}}, {name: detect, stage: {...}}]",
        )
        return None
    before = len(problems)
    hops: list[Hop] = []
    places: dict[str, Where] = {}
    identities: list[Any] = []
    for number, item in enumerate(node.items):
        read = _Reader(item, number, problems).hop(hops)
        if read is not None:
            hop, where, identity = read
            hops.append(hop)
            places |= {f"{hop.name}.{key}": place for key, place in where.items()}
            identities.append(identity)
    if len(problems) > before:
        return None
    value = Pipeline.model_construct(pipeline=tuple(hops))
    return Choice(axis, "", value, node.where, places, json.dumps(identities))


class _Reader:
    """One entry."""

    def __init__(self, node: Node, number: int, problems: Problems) -> None:
        self._node = node
        self._title = f"pipeline.{number}"
        self._first = number == 0
        self._problems = problems

    def hop(self, above: Sequence[Hop]) -> tuple[Hop, dict[str, Where], Any] | None:
        """The hop, where its options are written, and what makes it equal to another one."""
        node, problems = self._node, self._problems
        if not isinstance(node, Map):
            problems.add(
                node.where, f"{self._title}: expected a mapping", "write for example {name: detect, ...}"
            )
            return None
        for key, entry in node.entries.items():
            if key not in KEYS:
                problems.unknown(entry.where, f"option of {self._title}", key, KEYS)
        own = {key: entry for key, entry in node.entries.items() if key in HopOptions.model_fields}
        said = options.validate(HopOptions, own, options.Place(self._title, node.where), problems)
        stage = self._one("stage", node.entries) or self._default("stage")
        chosen = {name: self._one(name, node.entries) for name in ("transport", "codec", "batch")}
        if said is None or stage is None:
            return None
        after = self._after(said, node, above)
        batch = chosen["batch"].value if chosen["batch"] else Batch(size=1, delay=0.0)
        assert isinstance(batch, Batch)  # noqa: S101  (its axis' model)
        hop = Hop(
            said.name, _plugin(stage), said.workers, batch.size, batch.delay,
            _plugin(chosen["transport"]), _plugin(chosen["codec"]), after,
        )  # fmt: skip
        where = {"": node.where, **{key: entry.node.where for key, entry in node.entries.items()}}
        identity = [
            said.name, said.workers, after, stage.identity,
            *(each.identity if each else "" for each in chosen.values()),
        ]  # fmt: skip
        return hop, where, identity

    def _after(self, said: HopOptions, node: Map, above: Sequence[Hop]) -> str:
        """The name of what feeds it; one that stands above, so that there is no way round in a circle."""
        names, problems = [hop.name for hop in above], self._problems
        if said.name in names or said.name in RESERVED:
            why = (
                "another entry has this name"
                if said.name in names
                else "every cell has something of this name"
            )
            problems.add(
                node.entries["name"].node.where, f"{self._title}: {why}: {said.name}", "give it another one"
            )
        if not said.after:
            return names[-1] if names else ""
        if said.after not in names:
            remedy = (
                f"entries above: {', '.join(names)}" if names else "leave `after` out: the producer feeds it"
            )
            what = f"{self._title}: no entry above is called {said.after!r}"
            problems.add(node.entries["after"].node.where, what, remedy)
        return said.after

    def _one(self, name: str, entries: Mapping[str, Entry]) -> Choice | None:
        """The one value of a section within an entry; None where it is not written."""
        entry = entries.get(name)
        if entry is None:
            return None
        if self._first and name in ("transport", "codec"):
            self._problems.add(
                entry.where,
                f"{self._title}: the producer's way to the first stage is the cell's own {name}",
                f"write `{name}` at the top of the scenario",
            )
        axis = AXES[name]
        made = sections.choices(axis, sections.picks(axis, entry.node, self._problems), self._problems)
        if len(made) > 1:
            self._problems.add(
                entry.node.where,
                f"{self._title}.{name}: {len(made)} values where a pipeline takes one",
                "write one; another pipeline may stand in an entry of `include`",
            )
        for choice in made:
            if name == "stage":
                missing_files(choice, self._problems)
        return made[0] if made else None

    def _default(self, name: str) -> Choice | None:
        """The section's default, where an entry leaves it out."""
        axis, node = AXES[name], Leaf(self._node.where, AXES[name].default)
        made = sections.choices(axis, sections.picks(axis, node, self._problems), self._problems)
        return made[0] if made else None


def _plugin(choice: Choice | None) -> Any:
    return choice.value if choice else None


def beside(entries: Mapping[str, Entry], problems: Problems) -> None:
    """Note sections that hold for one stage and stand beside a pipeline."""
    if not is_written(entries):
        return
    for name in BESIDE:
        if name in entries:
            problems.add(
                entries[name].where,
                f"`{name}` is the one stage's, and here is a pipeline of several",
                f"write it in the pipeline's entries: pipeline.0.{name}",
            )


def is_written(entries: Mapping[str, Entry]) -> bool:
    """A pipeline stands here, and is not taken away by `pipeline: null`."""
    entry = entries.get("pipeline")
    return entry is not None and not (isinstance(entry.node, Leaf) and entry.node.value is None)
