"""What a measurement found, to be asserted on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from benchkit.report import promised

Entry = Mapping[str, Any]
Refuse = Callable[[str], NoReturn]
"""Ends the test, with the reason: it fails, or is skipped."""


@dataclass(frozen=True)
class CellResult:
    """One cell; a figure of one that is not valid ends the test with the reason."""

    document: Entry
    """Its entry of run.json."""
    refuse: Refuse

    @property
    def id(self) -> str:
        """As in run.json."""
        return str(self.document["id"])

    @property
    def valid(self) -> bool:
        """It may be asserted on."""
        return bool(self.document["validity"]["valid"])

    @property
    def reasons(self) -> list[str]:
        """What speaks against it, notes included."""
        return [
            f"{each['code']}: {each['message']}; {each['remedy']}"
            for each in self.document["validity"]["reasons"]
        ]

    @property
    def p50_us(self) -> float:
        """Median latency."""
        return self._latency("p50")

    @property
    def p90_us(self) -> float:
        """90th percentile of latency."""
        return self._latency("p90")

    @property
    def p99_us(self) -> float:
        """99th percentile; too small a sample for it ends the test."""
        return self._latency("p99")

    @property
    def mean_us(self) -> float:
        """Mean latency."""
        return self._latency("mean")

    @property
    def p50_ci95_us(self) -> tuple[float, float]:
        """95% interval of the median; a cell that has none ends the test."""
        low, high = self._known(self.document["latency_us"]["p50_ci95"], "interval of p50")
        return low, high

    @property
    def messages_per_s(self) -> float:
        """Delivered messages."""
        return float(self._known(self.document["throughput"]["messages_per_s"], "throughput"))

    @property
    def loss(self) -> float:
        """Share of the scheduled messages that were not delivered."""
        account = self._known(self.document["account"], "account")
        return float(1 - account["delivered"] / max(1, account["scheduled"]))

    def phase_us(self, name: str) -> float:
        """Mean length of a phase; raises KeyError for an unknown one."""
        return float(self._known(self.document["phases_us"][name]["mean"], f"phase {name}"))

    def share(self, phase: str) -> float:
        """The phase's part of the mean latency, 0 to 1; raises KeyError for an unknown one."""
        return float(self._known(self.document["phases_us"][phase]["share"], f"share of {phase}"))

    def cpu_us(self, role: str) -> float:
        """Processor time per message of `producer`, `stage` or `broker`."""
        return float(self._known(self.document["cost"][f"{role}_cpu_us_per_message"], f"CPU of the {role}"))

    def _latency(self, name: str) -> float:
        return float(self._known(self.document["latency_us"][name], name))

    def _known(self, value: Any, what: str) -> Any:
        __tracebackhide__ = True
        if not self.valid:
            self.refuse(f"cell {self.id} is not valid: {'; '.join(self.reasons)}")
        if value is None:
            self.refuse(f"cell {self.id} has no {what}: {'; '.join(self.reasons) or 'too few messages'}")
        return value


@dataclass(frozen=True)
class Result:
    """One run of a scenario."""

    document: Entry
    """run.json."""
    folder: Path | None
    """The run directory; None where none was written."""
    refuse: Refuse

    @property
    def cells(self) -> list[CellResult]:
        """All of them, in the order of the scenario."""
        return [CellResult(each, self.refuse) for each in self.document["cells"]]

    def __iter__(self) -> Iterator[CellResult]:
        return iter(self.cells)

    def cell(self, *words: str) -> CellResult:
        """The one cell that all words name: its id, or its transport, codec, stage, source, load, group, or part.

        Raises LookupError where none does, or several.
        """
        found = [each for each in self.cells if all(_named(each.document, word) for word in words)]
        if len(found) == 1:
            return found[0]
        known = ", ".join(each.id for each in found or self.cells)
        said = "no cell is" if not found else "several cells are"
        raise LookupError(f"{said} called {' '.join(words)!r}: {known}")

    def check(self) -> None:
        """Every promise of the scenario is kept: raises AssertionError with those that are broken.

        Where none is broken and one cannot be decided, the test ends with the reason.
        """
        __tracebackhide__ = True
        promises = self.document["promises"]
        broken = [each for each in promises if each["kept"] is False]
        if broken:
            raise AssertionError("; ".join(_said(each) for each in broken))
        undecided = [each for each in promises if each["kept"] is None]
        if undecided:
            cells = dict.fromkeys(each["cell"] for each in undecided)
            why = [reason for cell in self.cells if cell.id in cells for reason in cell.reasons]
            self.refuse("; ".join([*(_said(each) for each in undecided), *why]))


def _said(each: Entry) -> str:
    return f"{each['cell']}: {promised.asked(each)}, measured {promised.quantity(each, 'value')}: {promised.said(each)}"


def _named(cell: Entry, word: str) -> bool:
    names = {cell.get(name) for name in ("id", "transport", "codec", "stage", "source", "group")}
    return word in names or word == cell["load"]["name"] or word in str(cell["id"]).split("/")
