"""Links that people know by name; each number with where it comes from, or the word "assumed".

They are typical and not exact: a cell, a device and an hour of the day change every one of them. What matters to
a decision should be measured on the network that it is made for, and written into the scenario.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

ASSUMED: Final = "assumed"
_RS_LATENCY = (
    "M. Kottkamp, Rohde & Schwarz, 5G NR and LTE latency analysis in a public network, 2022 "
    "(public 5G NSA, Munich)"
)
_MUZAFFAR = "Muzaffar et al., First Experiments with a 5G-Connected Drone, 2020, arXiv:2004.03298"
_TESTOURI = (
    "Testouri et al., 5G-Enabled Teleoperated Driving: An Experimental Evaluation, MT-ITS 2025 (5G NSA)"
)
_CDN = "Third-Party Assessment of Mobile Performance in the 5G Era, 2025, arXiv:2507.18834"
_RS_DRONE = (
    "A. Llagostera, Rohde & Schwarz, Assessing mobile network performance for real-time video transmission "
    "from drones, 2026"
)
_DRIVE_TEST = "5G Drive Testing & Benchmarking, lesson 12.3.5, 5g6gacademy.com (course material)"

Sourced = Mapping[str, tuple[Any, str]]
"""By option: the value as a scenario would write it, and its source."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A link in both directions; `up` is towards the server."""

    what: str
    up: Sourced
    down: Sourced


NONE: Final = "none"
_MOBILE: Final = {
    "delay": ("23.5ms", f"half the mean round trip of 47 ms of {_TESTOURI}"),
    "floor": ("12ms", ASSUMED),
    "jitter": ("8ms", ASSUMED),
    "distribution": ("gamma", ASSUMED),
    "rate": ("20Mbit/s", f"a drone's video, not reached everywhere along the routes of {_RS_DRONE}"),
    "loss": (0.003, ASSUMED),
    "loss_burst": (8, ASSUMED),
    "blackouts": (
        [{"at": "7s", "lasts": "100ms", "every": "15s"}],
        f"lasting the middle of 50 to 150 ms for a handover in NR, {_DRIVE_TEST}; how often: {ASSUMED}",
    ),
}
"""Up; down differs by its rate."""

PROFILES: Final[Mapping[str, Profile]] = {
    NONE: Profile("no link at all: the ends meet directly", {}, {}),
    "direct": Profile("a link that impairs nothing: what the proxy itself costs", {}, {}),
    "5g-good": Profile(
        "a cell near by, standing still",
        up={
            "delay": (
                "12ms",
                f"{ASSUMED}, between the best (7 ms, down) and the worst (18 ms, up) of {_RS_LATENCY}",
            ),
            "floor": ("7ms", f"best one-way delay of {_RS_LATENCY}"),
            "jitter": ("2ms", ASSUMED),
            "distribution": ("gamma", ASSUMED),
            "rate": ("40Mbit/s", f'{ASSUMED} within the "few tens of Mbit/s" of {_MUZAFFAR}'),
            "loss": (0.0, f"none lost in {_TESTOURI}"),
        },
        down={
            "delay": ("7ms", f"best one-way delay, 100 kbit/s, of {_RS_LATENCY}"),
            "floor": ("5ms", ASSUMED),
            "jitter": ("0.7ms", f"0.709 ms in {_TESTOURI}"),
            "distribution": ("gamma", ASSUMED),
            "rate": ("600Mbit/s", f"average of {_MUZAFFAR}"),
            "loss": (0.0, f"none lost in {_TESTOURI}"),
        },
    ),
    "5g-edge": Profile(
        "the edge of a cell: slow up, uneven, losing packets",
        up={
            "delay": ("30ms", ASSUMED),
            "floor": ("18ms", f"worst one-way delay, 15 Mbit/s up, of {_RS_LATENCY}"),
            "jitter": ("10ms", ASSUMED),
            "distribution": ("lognormal", ASSUMED),
            "rate": ("10Mbit/s", f"what a drone's video needs at the least, {_RS_DRONE}"),
            "loss": (0.005, ASSUMED),
            "loss_burst": (5, ASSUMED),
        },
        down={
            "delay": ("25ms", ASSUMED),
            "floor": ("18ms", f"{ASSUMED} as up"),
            "jitter": ("5ms", ASSUMED),
            "distribution": ("lognormal", ASSUMED),
            "rate": ("50Mbit/s", f"60% of users see less, {_CDN}"),
            "loss": (0.001, ASSUMED),
            "loss_burst": (3, ASSUMED),
        },
    ),
    "5g-mobile": Profile(
        "moving through cells: short interruptions when one hands over to the next",
        up=_MOBILE,
        down={**_MOBILE, "rate": ("50Mbit/s", f"60% of users see less, {_CDN}")},
    ),
}
