"""Prints what links do beside what they were asked: delays, rates, losses, and what the proxy itself costs.

    python tests/truth/measure_link.py

Asked for in issue 8: delay percentiles within 1 ms or 5%, rates within 3%, losses within sampling error, and at most
60 us a way where nothing is impaired. What the machine does meanwhile is in the tails: run it on one that is idle.
"""

from __future__ import annotations

from math import sqrt

from links import (
    Delays,
    added_to_datagrams_us,
    added_us,
    delays,
    delays_of_datagrams,
    loss,
    rate,
    rate_of_datagrams,
)

from benchkit.link.options import LinkOptions
from benchkit.link.plan import Impairment
from benchkit.link.process import link_process

MS = 1_000_000
ASKED = {
    "constant": Impairment(5 * MS),
    "uniform": Impairment(20 * MS, 3 * MS, 0, "uniform"),
    "normal": Impairment(20 * MS, 3 * MS, 0, "normal"),
    "gamma": Impairment(20 * MS, 4 * MS, 10 * MS, "gamma"),
    "lognormal": Impairment(20 * MS, 4 * MS, 10 * MS, "lognormal"),
    "table": Impairment(9 * MS, 0, 0, "table", (4 * MS, 8 * MS, 9 * MS, 10 * MS, 18 * MS)),
    "5g-good, up": LinkOptions(profile="5g-good").impairment("up"),
    "5g-edge, up": LinkOptions(profile="5g-edge").impairment("up"),
}


KINDS = {
    "tcp": (added_us, delays, rate),
    "udp": (added_to_datagrams_us, delays_of_datagrams, rate_of_datagrams),
}


def main() -> None:
    """All of it, in about two minutes."""
    with link_process() as process:
        for kind, (added, delayed, rated) in KINDS.items():
            straight, through = added(process)
            print(
                f"{kind}, nothing impaired: {straight:.1f} us a round trip, {through:.1f} us through the link: "
                f"{(through - straight) / 2:.1f} us a way"
            )
            print(f"{'delay':>14} {'':4} {'asked':>8} {'outside':>8} {'link':>8}  ms; within 1 ms or 5%")
            for name, asked in ASKED.items():
                _print_delays(name, delayed(process, asked, count=500, gap_s=0.004))
            for wanted in (1e5, 1e6, 1e7, 1e8) if kind == "tcp" else (1e5, 1e6, 1e7, 5e7):
                seen, told = rated(process, wanted, 2.0)
                print(f"rate {wanted / 1e6:g} MB/s: {seen:.4f} of it arrives, the link says {told:.4f}")
        for share, burst in ((0.01, 1), (0.02, 5), (0.1, 4)):
            count = 20_000
            lost, run = loss(process, Impairment(loss=share, loss_burst=burst), count)
            error = share * sqrt(2 * burst / (count * share))
            print(
                f"loss {share:g} in bursts of {burst}: {lost:.4f} (one error {error:.4f}) in bursts of {run:.2f}"
            )


def _print_delays(name: str, found: Delays) -> None:
    for percentile, wanted in found.asked.items():
        seen, told = found.seen[percentile], found.told[percentile]
        good = abs(seen - wanted) <= max(1.0, 0.05 * wanted)
        print(f"{name:>14} {percentile:4} {wanted:8.2f} {seen:8.2f} {told:8.2f}  {'yes' if good else 'no'}")


if __name__ == "__main__":
    main()
