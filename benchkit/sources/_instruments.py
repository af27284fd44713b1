"""A dam's instruments as a seeded process: one reservoir, one weather, and channels that answer to both.

Constants are assumed, of the order that monitoring guides show for a small concrete dam; what matters to a
transport and a codec is that values are correlated, noisy, cyclic and now and then wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_DAY_S = 86400.0
_HOUR_S = 3600.0
_MIDDLE_M = 1.5
_RANGE_M = 1.3
"""The level stays within the middle plus or minus this: 0.2 to 2.8 m, as in the camera's picture."""
_SPIKE_SHARE = 1 / 250


class Kind(NamedTuple):
    """How a sort of instrument answers: lags in hours, the rest in its own unit."""

    name: str
    at_middle: float
    per_m: float
    per_degree: float
    lag_h: float
    noise: float
    noise_h: float
    """Correlation time of the noise: near 0 is white, hours are a drift."""
    exponent: float = 1.0


KINDS = (
    Kind("radar level, m", 1.5, 1.0, 0.0, 0.01, 0.030, 0.05),
    Kind("pressure level, m", 1.5, 1.0, 0.004, 0.1, 0.040, 12.0),
    Kind("pore pressure, kPa", 62.0, 8.8, 0.0, 1.0, 0.50, 1.0),
    Kind("pore pressure, kPa", 48.0, 6.3, 0.0, 3.0, 0.40, 1.0),
    Kind("pore pressure, kPa", 35.0, 4.1, 0.0, 8.0, 0.40, 2.0),
    Kind("pore pressure, kPa", 21.0, 2.0, 0.0, 16.0, 0.30, 2.0),
    Kind("seepage, L/s", 3.2, 1.3, 0.02, 4.0, 0.12, 0.5, 1.5),
    Kind("seepage, L/s", 1.1, 0.4, 0.01, 9.0, 0.05, 0.5, 1.5),
    Kind("air temperature, degC", 12.0, 0.0, 1.0, 0.2, 0.30, 0.2),
    Kind("water temperature, degC", 10.0, 0.0, 0.35, 14.0, 0.08, 0.5),
    Kind("crest displacement, mm", 4.0, 0.8, -0.12, 2.0, 0.06, 0.3),
    Kind("crest displacement, mm", 2.5, 0.5, -0.20, 5.0, 0.06, 0.3),
)
"""The twelve channels; more channels repeat them, each with gains of its own."""


def _keeps(step_s: float, tau_s: npt.NDArray[np.float64] | float) -> npt.NDArray[np.float64]:
    """What a first-order process of time constant `tau_s` keeps over one step."""
    return np.exp(-step_s / np.asarray(tau_s, np.float64))


@dataclass(slots=True)
class Reading:
    """All channels at one moment, in their own units, and the true level."""

    values: npt.NDArray[np.float32]
    level_m: float


class Instruments:
    """Steps through time; equal seeds read the same."""

    def __init__(self, seed: int, channels: int, step_s: float) -> None:
        self._rng = rng = np.random.default_rng([seed, 0x5E5])
        table = np.array([KINDS[channel % len(KINDS)][1:] for channel in range(channels)], np.float64)
        self._middle, per_m, per_degree, lag_h, self._noise, noise_h, self._exponent = table.T
        self._per_m = per_m * rng.uniform(0.97, 1.03, channels)
        self._per_degree = per_degree * rng.uniform(0.9, 1.1, channels)
        self._lag = _keeps(step_s, lag_h * _HOUR_S)
        self._drift = _keeps(step_s, noise_h * _HOUR_S)
        self._fresh = self._noise * np.sqrt(1 - self._drift**2)
        self._step_s = step_s
        self._flow, self._storage = _keeps(step_s, _DAY_S), _keeps(step_s, _DAY_S / 2)
        self._weather = _keeps(step_s, 18 * _HOUR_S)
        self._now_s = float(rng.uniform(0, _DAY_S))
        self._inflow, self._warmth = float(rng.normal(0, 1)), float(rng.normal(0, 1))
        self._stored = 0.8 * self._inflow
        self._lagged_m = np.full(channels, self._level_m())
        self._lagged_c = np.full(channels, self._air_c())
        self._error = rng.standard_normal(channels) * self._noise

    def _level_m(self) -> float:
        """The reservoir smooths what flows in; gates are worked twice a day."""
        wanted = 1.1 * self._stored + 0.10 * np.sin(4 * np.pi * self._now_s / _DAY_S)
        return _MIDDLE_M + _RANGE_M * float(np.tanh(wanted))

    def _air_c(self) -> float:
        return 12 + 3 * self._warmth - 6 * float(np.cos(2 * np.pi * self._now_s / _DAY_S))

    def step(self) -> Reading:
        """The next moment's readings."""
        draw = self._rng.standard_normal
        self._now_s += self._step_s
        self._inflow = float(self._flow * self._inflow + np.sqrt(1 - self._flow**2) * draw())
        self._stored += (self._inflow - self._stored) * float(1 - self._storage)
        self._warmth = float(self._weather * self._warmth + np.sqrt(1 - self._weather**2) * draw())
        level_m = self._level_m()
        self._lagged_m += (level_m - self._lagged_m) * (1 - self._lag)
        self._lagged_c += (self._air_c() - self._lagged_c) * (1 - self._lag)
        self._error = self._drift * self._error + self._fresh * draw(len(self._error))
        head = _MIDDLE_M * ((self._lagged_m / _MIDDLE_M) ** self._exponent - 1)
        values = self._middle + self._per_m * head + self._per_degree * (self._lagged_c - 12) + self._error
        wrong = self._rng.random(len(values)) < _SPIKE_SHARE
        values += wrong * draw(len(values)) * 15 * self._noise
        return Reading(values.astype(np.float32), level_m)
