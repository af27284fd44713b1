"""Is the machine what it was? And where it is not: what may its change explain?

On the machine of the baseline, with floors as far apart as runs differ anyway, figures are compared as they are.
Otherwise only what has a floor is compared, as a multiple of the floor measured in the same run: what the transport
does of the median (`moved_us`) over the raw exchange beneath it. A cell's moving is a mixture of raw exchange,
waking sleepers and Python's own work, and these need not have changed alike: its scale is known only to lie between
the smallest and the largest of their ratios, so a claim has two ends (partial identification: Manski, Identification
Problems in the Social Sciences, 1995). What the stage computes has no floor and is not compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import scipy

from benchkit.analysis.baseline.figures import PATH, floors
from benchkit.analysis.baseline.noise import ASSUMED_LOG_SD, Noise
from benchkit.records.baseline import Content

_LEAST: Final = math.log(1.10)
"""Floors that differ by less than 10% are the same floors."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How the machine of a run stands to that of its baseline."""

    same_machine: bool
    ratios: Mapping[str, float]
    """Now over then, by floor."""
    why: tuple[str, ...]
    """Why figures are not compared as they are; empty where they are."""
    unknown: bool = False
    """Floors were not measured: nothing can be said."""

    @property
    def absolute(self) -> bool:
        """Figures are compared as they are."""
        return not self.why

    def ends(self, path_ratio: float) -> tuple[float, float]:
        """Least and largest logarithm that the machine may have changed a moved message by."""
        logs = [
            math.log(ratio) for ratio in (path_ratio, *(self.ratios[name] for name in ("null_us", "wake_us")))
        ]
        return min(logs), max(logs)

    def noise_now(self, then: float) -> float:
        """Of the new run: another machine may be noisier than the one where the noise was learned."""
        return then if self.same_machine else max(then, ASSUMED_LOG_SD)


def scale(content: Content, document: Mapping[str, Any]) -> Scale:
    """How the machine changed since the baseline."""
    own, other = content["environment"].get("fingerprint"), document["environment"].get("fingerprint")
    then, now = content["floors"], floors(document)
    ratios = {name: now[name] / then[name]["value"] for name in then if name in now}
    same = own == other
    if not {"null_us", "wake_us"} <= ratios.keys():
        return Scale(same, ratios, ("the machine's floors are not known of both",), unknown=True)
    why = [] if same else [_machines(content["environment"], document["environment"])]
    noise = Noise.read(content["noise"])
    if same:
        why = [
            f"the machine's floor {name} is {ratio:.2f}x what it was ({then[name]['value']:.4g}, now {now[name]:.4g})"
            for name, ratio in ratios.items()
            if abs(math.log(ratio)) > _limit(noise, then[name].get("log_sd"))
        ]
    return Scale(same, ratios, tuple(why))


def path_ratio(stored: Mapping[str, Any], path_us: float | None) -> float | None:
    """Now over then, of the raw exchange beneath a cell; None where it is not known of both."""
    then = stored.get(PATH, {}).get("value")
    return path_us / then if then and path_us else None


def _limit(noise: Noise, log_sd: float | None) -> float:
    quantile = float(scipy.special.stdtrit(min(noise.freedom, 1e9), 0.975))
    return max(_LEAST, quantile * noise.of(log_sd) * math.sqrt(1 + 1 / max(1, noise.runs)))


def _machines(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    for name in ("cpu", "cores", "memory_bytes", "kernel", "python"):
        if then.get(name) != now.get(name):
            return f"another machine: {name} was {then.get(name)!r:.60}, now {now.get(name)!r:.60}"
    return "another machine: its fingerprint differs"
