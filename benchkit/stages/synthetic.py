"""A stage of known service time, for scenarios without a model and for checking the tool itself."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from benchkit.stages.base import OpenStage, Stage
from benchkit.tensors.message import Arrays, Message
from benchkit.units import Seconds

_DRAWN_AT_ONCE = 4096

Distribution = Literal["constant", "exponential", "gamma", "lognormal"]


class Synthetic(Stage):
    """Takes a stated time for each message: spinning or sleeping, constant or drawn.

    Replies with one array, `payload_bytes` (int64, shape (1,)): what came. A batch takes the sum of its
    messages' times. Both ways end at a moment of the monotonic clock, not of the CPU clock: time in which
    the kernel runs something else on the core counts, so that the service time stays what was asked for.
    """

    kind: ClassVar[str] = "synthetic"

    service: Seconds = Field(description="mean service time of one message, for example 5ms")
    busy: Literal["spin", "sleep"] = Field(
        "spin",
        description="spin keeps the core busy, as a model on the CPU; sleep frees it, as one elsewhere",
    )
    distribution: Distribution = Field("constant", description="how service times vary")
    cv: float | None = Field(
        None, gt=0, le=20, description="standard deviation / mean, for gamma and lognormal alone"
    )

    @model_validator(mode="after")
    def _cv_where_it_means_something(self) -> Self:
        if self.distribution in ("gamma", "lognormal"):
            if self.cv is None:
                raise ValueError(f"{self.distribution} needs cv, for example cv: 0.5")
        elif self.cv is not None:
            raise ValueError(
                f"{self.distribution} has no cv to choose; take it away, or use gamma or lognormal"
            )
        return self

    def open(self, seed: int) -> OpenStage:
        """Equal seeds make equal service times."""
        return _Open(self, service_times_ns(self, seed))


def service_times_ns(stage: Synthetic, seed: int) -> Iterator[int]:
    """Service times without end, in integer ns, equal for equal seeds."""
    rng = np.random.default_rng(seed)
    while True:
        yield from (_draw_s(stage, rng) * 1e9).astype(np.int64).tolist()


def _draw_s(stage: Synthetic, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
    mean, cv = stage.service, stage.cv or 1.0
    match stage.distribution:
        case "constant":
            return np.full(_DRAWN_AT_ONCE, mean)
        case "exponential":
            return rng.exponential(mean, _DRAWN_AT_ONCE)
        case "gamma":
            # shape k and scale theta from mean = k theta, cv = 1 / sqrt(k)
            return rng.gamma(1 / cv**2, mean * cv**2, _DRAWN_AT_ONCE)
        case "lognormal":
            # sigma and mu from mean = exp(mu + sigma^2 / 2), cv^2 = exp(sigma^2) - 1
            variance = math.log1p(cv**2)
            return mean * rng.lognormal(-variance / 2, math.sqrt(variance), _DRAWN_AT_ONCE)


class _Open(OpenStage):
    __slots__ = ("_busy", "_next_ns", "_options")

    def __init__(self, stage: Synthetic, times_ns: Iterator[int]) -> None:
        self._options = stage
        self._next_ns = times_ns.__next__
        self._busy = _spin_until if stage.busy == "spin" else _sleep_until

    def run(self, batch: Sequence[Message]) -> Sequence[Arrays]:
        end_ns = time.monotonic_ns()
        next_ns = self._next_ns
        for _ in batch:
            end_ns += next_ns()
        replies = [{"payload_bytes": np.array([message.payload_bytes])} for message in batch]
        self._busy(end_ns)
        return replies

    def facts(self) -> dict[str, Any]:
        return {"busy": self._options.busy, "distribution": self._options.distribution, "clock": "monotonic"}


def _spin_until(end_ns: int) -> None:
    now = time.monotonic_ns
    while now() < end_ns:
        pass


def _sleep_until(end_ns: int) -> None:
    while (left_ns := end_ns - time.monotonic_ns()) > 0:
        time.sleep(left_ns / 1e9)
