"""What a scenario may say of a link, and the two directions that follow from it.

For each direction a number is taken from `up` or `down`, else from the link's own options, else from its profile,
else it does nothing.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from benchkit.link.loss import possible
from benchkit.link.plan import Blackout, Distribution, Impairment
from benchkit.link.profiles import NONE, PROFILES, Sourced
from benchkit.units import Bytes, BytesPerSecond, Seconds, show_us

Side = Literal["producer", "stage", "both"]
OF_PACKETS = ("loss", "loss_burst", "loss_in_bad", "reorder", "reorder_by", "duplicate", "in_order")
"""Options that mean nothing to a stream: TCP repeats what was lost and keeps the order."""

_LEAST_MEAN = {"uniform": math.sqrt(3), "normal": 3.0, "gamma": 0.1, "lognormal": 0.1}
"""Beyond the floor, in standard deviations: less would be negative, or all in one rare delay."""


class BlackoutOptions(BaseModel):
    """Nothing is delivered for a while."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Seconds = Field(0.0, description="when, counted from the first byte of each block")
    lasts: Seconds = Field(gt=0, le=3600, description="how long")
    every: Seconds | None = Field(None, gt=0, description="again after each such time (default: once)")

    def __str__(self) -> str:
        again = "" if self.every is None else f"-every-{self.every:g}s"
        return f"{self.lasts:g}s-at-{self.at:g}s{again}"

    @model_validator(mode="after")
    def _has_light(self) -> Self:
        if self.every is not None and self.every <= self.lasts:
            raise ValueError(
                f"a blackout of {_shown(self.lasts)} every {_shown(self.every)} never ends; "
                "make `every` longer"
            )
        return self


class Numbers(BaseModel):
    """One direction; what is not said is taken from elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delay: Seconds | None = Field(None, le=60, description="mean delay that is added, one way")
    jitter: Seconds | None = Field(None, le=60, description="standard deviation of the delay")
    floor: Seconds | None = Field(None, le=60, description="no delay is shorter (default: 0)")
    distribution: Distribution | None = Field(
        None, description="of the delay beyond the floor (default: gamma with a jitter, else constant)"
    )
    table: tuple[Seconds, ...] | None = Field(
        None, min_length=2, max_length=1000,
        description="with distribution: table, the delay's quantiles at equal steps from 0 to 1",
    )  # fmt: skip
    rate: BytesPerSecond | None = Field(None, description="bytes per second; 0: without limit (default)")
    burst: Bytes | None = Field(None, le=64 << 20, description="bytes that an idle link lets pass at once")
    queue: Bytes | None = Field(
        None, ge=4096, le=64 << 20,
        description="bytes that may wait in the link (default: what keeps it busy over its delay)",
    )  # fmt: skip
    loss: float | None = Field(None, ge=0, lt=1, description="UDP: share of packets lost in the long run")
    loss_burst: float | None = Field(
        None, ge=1, le=1e6, description="UDP: mean length of a bad stretch, in packets (default: 1)"
    )
    loss_in_bad: float | None = Field(
        None, gt=0, le=1, description="UDP: share lost in a bad stretch (default: 1)"
    )
    reorder: float | None = Field(
        None, ge=0, lt=1, description="UDP: share held back for later ones to overtake"
    )
    reorder_by: Seconds | None = Field(None, le=60, description="UDP: for how long those are held back")
    duplicate: float | None = Field(None, ge=0, le=1, description="UDP: share that arrives twice")
    in_order: bool | None = Field(None, description="UDP: jitter alone makes no packet overtake another")
    blackouts: tuple[BlackoutOptions, ...] | None = Field(
        None, max_length=100, description="stretches in which nothing is delivered"
    )

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self.said().items())

    def said(self) -> dict[str, Any]:
        """The numbers of one direction that were given here."""
        found = {name: getattr(self, name) for name in Numbers.model_fields}
        return {name: value for name, value in found.items() if value is not None}


class LinkOptions(Numbers):
    """A link between the producer or the stage and what carries their messages."""

    profile: str = Field(
        NONE, description="a known link, changed by the other options; see `benchkit list links`"
    )
    side: Side = Field(
        "producer",
        description="whose link to the broker it is; without a broker there is one link only, the producer's",
    )
    up: Numbers = Field(Numbers(), description="from the producer or stage towards the broker or server")
    down: Numbers = Field(Numbers(), description="back")

    @field_validator("profile", mode="before")
    @classmethod
    def _is_known(cls, name: Any) -> Any:
        if name is None:
            return NONE
        if isinstance(name, str) and name not in PROFILES:
            near = difflib.get_close_matches(name, PROFILES, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"no such link; {hint}known: {', '.join(PROFILES)}, or numbers such as delay: 20ms"
            )
        return name

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        for way in ("up", "down"):
            self.impairment(way)
        return self

    @property
    def absent(self) -> bool:
        """There is no link: nothing stands between the ends."""
        return self.profile == NONE and not self.said() and not self.up.said() and not self.down.said()

    def given(self) -> dict[str, Any]:
        """As plain data: the profile, the side, and what else was said."""
        plain = self.model_dump(exclude_none=True)
        return {name: value for name, value in plain.items() if value != {}}

    @property
    def label(self) -> str:
        """Short, for people: the profile's name, or that it has numbers of its own."""
        own = bool(self.said() or self.up.said() or self.down.said())
        if self.profile == NONE:
            return "own numbers" if own else NONE
        return f"{self.profile}, changed" if own else self.profile

    def impairment(self, way: str) -> Impairment:
        """One direction in numbers; raises ValueError where they do not fit together."""
        own: Numbers = getattr(self, way)
        profile: Sourced = getattr(PROFILES[self.profile], way)
        typical = Numbers(**{name: value for name, (value, _) in profile.items()}).said()
        said = {**self.said(), **own.said()}
        if said.keys() & {"delay", "jitter", "floor", "table", "distribution"} and "table" in said:
            typical = {
                n: v for n, v in typical.items() if n not in ("delay", "jitter", "floor", "distribution")
            }
            said.setdefault("distribution", "table")
        return _impairment({**typical, **said}, way)

    def of_packets(self) -> Iterator[str]:
        """Options written in the scenario that only packets have."""
        for prefix, numbers in (("", self), ("up.", self.up), ("down.", self.down)):
            yield from (f"{prefix}{name}" for name in numbers.said() if name in OF_PACKETS)

    def sources(self, way: str) -> dict[str, str]:
        """Of one direction: where each of its numbers comes from."""
        profile: Sourced = getattr(PROFILES[self.profile], way)
        said = {**self.said(), **getattr(self, way).said()}
        found = {name: source for name, (_, source) in profile.items()}
        return {**found, **dict.fromkeys(said, "the scenario")}


def _impairment(said: dict[str, Any], way: str) -> Impairment:
    delay, jitter, floor = (said.get(name, 0.0) for name in ("delay", "jitter", "floor"))
    table = said.get("table", ())
    distribution: Distribution = said.get("distribution") or ("gamma" if jitter else "constant")
    _check_delay(way, distribution, (delay, jitter, floor), table)
    _check_packets(way, said)
    kept = {"loss", "loss_burst", "loss_in_bad", "reorder", "duplicate", "in_order"} & said.keys()
    # The mean of a quantile function that is linear between equal steps.
    mean = sum(table[1:-1], (table[0] + table[-1]) / 2) / (len(table) - 1) if table else delay
    return Impairment(
        delay_ns=_ns(mean),
        jitter_ns=_ns(jitter),
        floor_ns=_ns(floor),
        distribution=distribution,
        table_ns=tuple(map(_ns, table)),
        rate_bytes_per_s=said.get("rate", 0.0),
        burst_bytes=said.get("burst", 0),
        queue_bytes=said.get("queue", 0),
        reorder_by_ns=_ns(said.get("reorder_by", 0.0)),
        blackouts=tuple(
            Blackout(_ns(each.at), _ns(each.lasts), _ns(each.every or 0.0))
            for each in said.get("blackouts", ())
        ),
        **{name: said[name] for name in kept},
    )


def _check_packets(way: str, said: dict[str, Any]) -> None:
    loss, burst, in_bad = said.get("loss", 0.0), said.get("loss_burst", 1.0), said.get("loss_in_bad", 1.0)
    if not possible(loss, burst, in_bad):
        raise ValueError(
            f"{way}: a loss of {loss:g} cannot come in bad stretches of {burst:g} packets of which "
            f"{in_bad:g} are lost; lower loss, or raise loss_burst or loss_in_bad"
        )
    if said.get("reorder") and not said.get("reorder_by"):
        raise ValueError(
            f"{way}: reorder needs reorder_by: for how long packets are held back, for example 10ms"
        )


def _check_delay(
    way: str, distribution: str, delays: tuple[float, float, float], table: tuple[float, ...]
) -> None:
    """Raises ValueError, with the remedy, for a delay that no distribution of this kind can have."""
    delay, jitter, floor = delays
    if distribution == "table":
        if not table or any(delays):
            raise ValueError(
                f"{way}: distribution table takes its delays from `table` alone; leave delay, jitter, floor out"
            )
        if list(table) != sorted(table):
            raise ValueError(f"{way}: table: quantiles never fall; sort them")
        return
    if table:
        raise ValueError(f"{way}: table needs distribution: table")
    beyond = delay - floor
    if beyond < 0:
        raise ValueError(
            f"{way}: the mean delay of {_shown(delay)} is below its floor of {_shown(floor)}; lower floor"
        )
    if distribution == "constant" and jitter:
        raise ValueError(f"{way}: a constant delay has no jitter; name a distribution, for example gamma")
    needs = _LEAST_MEAN.get(distribution, 0.0)
    if jitter and beyond < needs * jitter:
        raise ValueError(
            f"{way}: a jitter of {_shown(jitter)} needs a delay of {_shown(floor + needs * jitter)} or more with "
            f"distribution {distribution}; raise delay, or lower jitter"
            + ("" if needs <= 1 else ", or take gamma, which is never negative")
        )


def _shown(seconds: float) -> str:
    return show_us(seconds * 1e6)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
