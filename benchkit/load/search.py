"""Loads that look for something: the highest rate that keeps a promise, or how fast a filled queue drains.

A scenario names them by `find`, as it names an arrival by `arrival`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from benchkit.load.base import Arrival, OpenArrival
from benchkit.load.constant import Constant
from benchkit.load.poisson import Poisson
from benchkit.units import PerSecond, Seconds, Share

SETTLING: int = 40
"""A block of random arrivals lasts so many times the longest latency promised.

A block starts with an empty queue and must be long against the time in which a queue comes and goes. For
M/D/1 whose p99 is 20 service times, exact recursion (Lindley, 1952) shows what a shorter block overstates
the capacity by: 10 limits 11%, 20 limits 5%, 40 limits 2%, 80 limits 1%.
"""

Limit = Annotated[Seconds, Field(gt=0)]


class Promises(BaseModel):
    """Promises about latency and loss; none by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    p50: Limit | None = None
    p90: Limit | None = None
    p99: Limit | None = None
    p999: Limit | None = None
    max: Limit | None = None
    loss: float | None = Field(None, ge=0, le=1, description="share of messages that may be lost")

    def given(self) -> dict[str, float]:
        """The promises that are made: seconds by name, `loss` as a share."""
        return {name: value for name, value in self if value is not None}

    @property
    def longest_s(self) -> float:
        """The longest latency promised, 0 where none is."""
        return max((value for name, value in self.given().items() if name != "loss"), default=0.0)


class Search(Arrival):
    """A load that the engine chooses while it measures; scenarios name it by `find`."""


class Capacity(Search):
    """The highest rate that keeps a promise: doubled until broken, bisected, confirmed (`find: capacity`).

    Arrivals are `poisson` unless told otherwise, since evenly spaced messages flatter a stage: they meet no
    queue until it is saturated, and what many independent clients send is not evenly spaced. `constant` is
    right for cameras and other clocked senders, and is decided in a fraction of the time.
    """

    kind: ClassVar[str] = "capacity"

    slo: Promises = Field(description="what must hold, for example {p99: 100ms, loss: 0}")
    arrival: Literal["poisson", "constant"] = Field("poisson", description="how messages are spaced")
    start: PerSecond | None = Field(
        None, description="first rate; by default half of what a closed loop reaches in one block"
    )
    max_rate: PerSecond = Field(1e6, description="rate beyond which nobody needs to know")
    precision: Share = Field(0.03, ge=0.005, le=0.5, description="how closely the rate is wanted")
    longest: Limit = Field(120.0, description="time for one cell's search; then it says what it knows")

    @model_validator(mode="after")
    def _something_is_promised(self) -> Self:
        if not self.slo.given():
            raise ValueError("slo promises nothing; write for example slo: {p99: 100ms, loss: 0}")
        if self.start is not None and self.start > self.max_rate:
            raise ValueError(f"start {self.start:g}/s is above max_rate {self.max_rate:g}/s")
        return self

    def label(self) -> str:
        """`capacity-p99-100ms-loss-0`, or `capacity-constant-p99-100ms`."""
        spaced = "" if self.arrival == "poisson" else f"-{self.arrival}"
        return f"capacity{spaced}" + "".join(
            f"-{name}-{value:g}" if name == "loss" else f"-{name}-{value * 1e3:.6g}ms"
            for name, value in self.slo.given().items()
        )

    def block_s(self, duration_s: float) -> float:
        """How long the measured part of a block must at least be, given what the scenario asks for."""
        settling = SETTLING * self.slo.longest_s if self.arrival == "poisson" else 0.0
        return max(duration_s, settling)

    def at(self, rate_per_s: float) -> OpenArrival:
        """The arrivals of one level."""
        if self.arrival == "constant":
            return Constant(rate=rate_per_s)
        return Poisson(rate=rate_per_s)


class Backlog(Search, OpenArrival):
    """How fast a filled queue drains: workers begin when the messages are in it (`find: backlog`)."""

    kind: ClassVar[str] = "backlog"

    messages: int = Field(
        ge=2, le=1_000_000, description="messages to fill the queue with, at most the transport's depth"
    )
    longest: Limit = Field(30.0, description="how long a block may take to fill and drain")

    def label(self) -> str:
        """`backlog-64`."""
        return f"backlog-{self.messages}"

    def offsets_ns(self, duration_s: float, seed: int) -> npt.NDArray[np.int64]:  # noqa: ARG002  (all at once)
        """All are due at the start: zeros of shape (messages,)."""
        return np.zeros(self.messages, np.int64)
