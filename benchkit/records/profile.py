"""What the profilers saw in a cell's profiled block: kept beside its figures, never among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Frame:
    """A function with the samples that it was on top in; built-in functions that it calls are counted as its own."""

    name: str
    """`base64.b64encode`."""
    where: str
    """File and line of the function, `base64.py:58`; empty for what is built in."""
    share: float
    """Of its phase, 0 to 1."""
    builtin: str = ""
    """The built-in function that took most of it, if one did."""
    caller: str = ""
    """The user's own function that called it most, nearest above it, with file and line; empty if there is none."""
    caller_share: float = 0.0
    """Of this function's time, what was called from there."""


@dataclass(frozen=True, slots=True)
class PhaseProfile:
    """The samples of one party that fell into one phase."""

    samples: int
    seconds: float
    frames: tuple[Frame, ...] = ()
    """The largest first, a few."""
    rare_s: float = 0.0
    """What is not in `seconds`: samples much longer than others at their place, beyond what is usual there."""


@dataclass(frozen=True, slots=True)
class PartyProfile:
    """One party's profile, or why there is none."""

    samples: int = 0
    interval_s: float = 0.0
    """Between two looks of the profiler."""
    phases: Mapping[str, PhaseProfile] = field(default_factory=dict)
    """By phase; `waiting`, `checks`, `source` and `benchkit` are none, and what was spent there is named so."""
    files: tuple[str, ...] = ()
    """In the run directory: the page first."""
    gap: str = ""
    """What is missing and why."""


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator of the native code that a stage runs."""

    name: str
    type: str
    share: float
    """Of the time of all operators, 0 to 1."""
    calls: int
    mean_us: float


@dataclass(frozen=True, slots=True)
class NativeProfile:
    """What a stage's own profiler said of its native code."""

    operators: tuple[Operator, ...] = ()
    """The slowest first, a few."""
    runs: int = 0
    """How many runs of the native code they are from."""
    files: tuple[str, ...] = ()
    gap: str = ""


@dataclass(frozen=True, slots=True)
class ProfiledFigures:
    """What the profiled block would have measured: only for saying what profiling costs."""

    messages: int
    latency_p50_ns: int
    messages_per_s: float
    cpu_ns_per_message: Mapping[str, float] = field(default_factory=dict)
    """By role."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A cell's profiled block."""

    parties: Mapping[str, PartyProfile] = field(default_factory=dict)
    native: Mapping[str, NativeProfile] = field(default_factory=dict)
    """By party."""
    figures: ProfiledFigures | None = None
    gap: str = ""
    """Why there is no profiled block at all."""
