"""Makes a trace of arrivals whose gaps and peaks are those of a published one, and measures published ones.

python scenarios/traces/make.py measure FILE.csv [--pauses 10]        what a recorded trace is like
python scenarios/traces/make.py make NAME.csv --rate ... --cv ... --peak-to-mean ... --burst ...
"""

from __future__ import annotations

import argparse
import csv
from datetime import datetime
from pathlib import Path

import numpy as np

from benchkit.load.bursty import Bursty

WINDOWS_S = (1.0, 10.0)
"""Peaks are of counts in windows of these lengths."""


def stamps(path: Path, column: str) -> np.ndarray:
    """Seconds since the first row: of numbers in seconds, or of dates as the Azure traces write them."""
    with path.open(encoding="utf-8", newline="") as file:
        cells = [row[column].strip() for row in csv.DictReader(file)]
    try:
        values = np.array([float(cell) for cell in cells])
    except ValueError:
        # Seven digits of a second; datetime takes six.
        values = np.array([datetime.fromisoformat(cell[:26]).timestamp() for cell in cells])
    return np.sort(values - values.min())


def without_pauses(moments: np.ndarray, longest_s: float) -> np.ndarray:
    """Gaps of `longest_s` and more taken out: what is left is the time in which the service was asked something."""
    gaps = np.diff(moments)
    return np.concatenate(([0.0], np.cumsum(gaps[gaps < longest_s])))


def measure(moments: np.ndarray) -> dict[str, float]:
    """Rate, CV of the gaps; of windows the fullest and the 99th percentile over the mean, and variance over mean."""
    gaps = np.diff(moments)
    found = {
        "messages": len(moments),
        "span_s": float(moments[-1]),
        "rate_per_s": float((len(moments) - 1) / moments[-1]),
        "cv": float(gaps.std() / gaps.mean()),
    }
    for window_s in WINDOWS_S:
        counts = np.bincount((moments // window_s).astype(int))[:-1]
        found[f"peak_to_mean_{window_s:g}s"] = float(counts.max() / counts.mean())
        found[f"p99_to_mean_{window_s:g}s"] = float(np.quantile(counts, 0.99) / counts.mean())
        found[f"dispersion_{window_s:g}s"] = float(counts.var() / counts.mean())
    return found


def main() -> None:
    """See the head of the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    known = commands.add_parser("measure")
    known.add_argument("path", type=Path)
    known.add_argument("--column", default="TIMESTAMP")
    known.add_argument(
        "--pauses", type=float, default=float("inf"), help="leave out gaps from this length on, in s"
    )
    made = commands.add_parser("make")
    made.add_argument("path", type=Path)
    for name in ("rate", "cv", "peak-to-mean", "burst", "duration"):
        made.add_argument(f"--{name}", type=float, required=True)
    made.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.command == "measure":
        moments = without_pauses(stamps(given.path, given.column), given.pauses)
    else:
        load = Bursty(rate=given.rate, cv=given.cv, peak_to_mean=given.peak_to_mean, burst=given.burst)
        moments = load.offsets_ns(given.duration, given.seed) / 1e9
        with given.path.open("w", encoding="utf-8", newline="") as file:
            file.write("seconds\n")
            file.writelines(f"{moment:.3f}\n" for moment in moments)
    for name, value in measure(moments).items():
        print(f"{name} {value:.6g}")  # noqa: T201  (a command of its own)


if __name__ == "__main__":
    main()
