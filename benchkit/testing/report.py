"""What a check says: which facts hold, which could not be tried here, which does not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from benchkit.errors import MissingLibrary

T = TypeVar("T")


class BrokenPromise(AssertionError):
    """A plug-in that does not do what its seam promises; `fact` is the name of the promise."""

    def __init__(self, detail: str, fact: str = "") -> None:
        super().__init__(detail)
        self.fact = fact


class CannotTry(Exception):
    """This machine or this plug-in gives a fact no chance to be false."""


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """One promise: `statement` in the words of the seam, `check` raises BrokenPromise if it is not kept."""

    name: str
    statement: str
    check: Callable[[T], None]


@dataclass(slots=True)
class Report:
    """Names of facts that hold, and of those that could not be tried, with the reason."""

    subject: str
    held: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{self.subject}: {len(self.held)} facts hold ({', '.join(self.held)})"]
        return "\n  not tried: ".join([*lines, *(f"{name}: {why}" for name, why in self.skipped.items())])


def examine(report: Report, facts: Iterable[Fact[T]], context: T) -> Report:
    """Check `facts` in order; raises BrokenPromise for the first that does not hold."""
    for fact in facts:
        try:
            fact.check(context)
        except CannotTry as reason:
            report.skipped[fact.name] = str(reason)
        except MissingLibrary:
            raise
        except Exception as error:
            detail = str(error) if isinstance(error, BrokenPromise) else f"{type(error).__name__}: {error}"
            text = f"{report.subject} breaks '{fact.name}' ({fact.statement}): {detail}"
            raise BrokenPromise(text, fact.name) from error
        else:
            report.held.append(fact.name)
    return report


def promise(kept: bool, detail: str) -> None:
    """Raise BrokenPromise with `detail` unless `kept`."""
    if not kept:
        raise BrokenPromise(detail)
