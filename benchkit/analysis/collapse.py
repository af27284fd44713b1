"""Requests that were waited for beside messages that were queued, under one load: who kept up, at what price.

A client that waits for its answer gives up when that takes too long, and tries again; the server works on all the
same, on requests that nobody waits for any more, and has less time for the others. So goodput falls just when more
is wanted of it, and stays low for as long as the retries keep the load up (N. Bronson, A. Aghayev, A. Charapko and
T. Zhu, "Metastable failures in distributed systems", HotOS 2021). A queue only grows, and is worked off afterwards.

Written from run.json alone; cells are compared that differ in transport, codec and traffic control and in nothing
else. What it takes for a claim: requests that timed out or were refused, and a goodput below the others'.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchkit.analysis.search_words import is_search
from benchkit.analysis.words import times
from benchkit.records.samples import PHASES
from benchkit.units import show_seconds, show_us
from benchkit.words import named, say

Entry = Mapping[str, Any]
_WORSE: Final = 0.9
"""A goodput below this share of the queue's is a loss and no scatter: three short blocks scatter by less."""
_COLLAPSED: Final = 0.75
"""Below this share it has collapsed; between the two it falls behind."""
_WAITS: Final = frozenset({"lateness", "queue", "batch"})
_OWN: Final = frozenset({"transport", "codec", "flow"})
"""Parameters in which cells that are compared may differ."""


def collapse(cells: Sequence[Entry]) -> list[dict[str, Any]]:
    """`collapse` of run.json: an entry for each load under which cells fell behind a queue for time-outs or refusals.

    `fallen`: the cells, with goodput as a share of the queue's, attempts a message, and what was counted; `best`: the
    queue's cell; `sentences`: the same in words.
    """
    alike: dict[str, list[Entry]] = {}
    for cell in cells:
        if cell["account"]["scheduled"] and not is_search(cell):
            alike.setdefault(_key(cell), []).append(cell)
    return [entry for some in alike.values() for entry in _entries(some)]


def goodput(cell: Entry) -> float:
    """Share of the messages with a result in time; of all results where nothing says what is in time.

    Cells that are compared met the same schedule, so that the ratio of two shares is that of two goodputs.
    """
    known = (cell.get("freshness") or {}).get("goodput_share")
    return _share(cell) if known is None else float(known)


def attempts_per_message(cell: Entry) -> float:
    """How much load a message made: 1 without retries."""
    scheduled = cell["account"]["scheduled"]
    retries = (cell.get("traffic") or {}).get("retries", 0)
    return float((scheduled + retries) / scheduled) if scheduled else 1.0


def gave_up(cell: Entry) -> int:
    """Attempts that timed out or were refused."""
    traffic = cell.get("traffic") or {}
    return int(traffic.get("timed_out", 0)) + int(traffic.get("refused", 0))


def _key(cell: Entry) -> str:
    shared = {name: value for name, value in cell["parameters"].items() if name not in _OWN}
    return json.dumps(shared, sort_keys=True, default=str)


def _entries(cells: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    queued = [cell for cell in cells if not gave_up(cell) and cell["account"]["delivered"]]
    best = max(queued, key=goodput, default=None)
    if best is None:
        return
    fallen = [cell for cell in cells if gave_up(cell) and goodput(cell) < _WORSE * goodput(best)]
    if fallen:
        yield {
            "load": best["load"]["name"],
            "best": best["id"],
            "fallen": [_counted(cell, best) for cell in fallen],
            "sentences": [*(_fell(cell, best) for cell in fallen), _moved(best)],
        }


def _counted(cell: Entry, best: Entry) -> dict[str, Any]:
    traffic = cell["traffic"]
    return {
        "cell": cell["id"],
        "goodput_ratio": goodput(cell) / goodput(best),
        "attempts_per_message": attempts_per_message(cell),
        **{name: traffic.get(name, 0) for name in ("timed_out", "refused", "retries", "late")},
    }


def _fell(cell: Entry, best: Entry) -> str:
    ratio = goodput(cell) / goodput(best)
    how = say("collapses") if ratio < _COLLAPSED else say("falls behind")
    return say(
        "{load}: {row} {how}: it has {ratio} of the goodput of {best} and a result for {share} of its messages; "
        "{trouble}.",
        load=cell["load"]["name"],
        row=_row(cell),
        how=how,
        ratio=f"{ratio:.0%}",
        best=_row(best),
        share=f"{_share(cell):.0%}",
        trouble=_trouble(cell),
    )


def _trouble(cell: Entry) -> str:
    traffic = cell["traffic"]
    parts = []
    if traffic.get("timed_out"):
        parts.append(say("{count} requests timed out", count=traffic["timed_out"]))
    if traffic.get("refused"):
        parts.append(say("{count} were refused (503)", count=traffic["refused"]))
    if traffic.get("retries"):
        parts.append(
            say(
                "{count} retries made {ratio} the load",
                count=traffic["retries"],
                ratio=times(attempts_per_message(cell)),
            )
        )
    return ", ".join(parts)


def _moved(cell: Entry) -> str:
    """Where the queue moved the wait to, and what is short behind it."""
    backlog, drain = _backlog(cell)
    return say(
        "{load}: {row} has a result for {share} and moves the wait into the queue{backlog}{drain}; what limits it "
        "then is {work}.",
        load=cell["load"]["name"],
        row=_row(cell),
        share=f"{_share(cell):.0%}",
        backlog=backlog,
        drain=drain,
        work=_work(cell),
    )


def _backlog(cell: Entry) -> tuple[str, str]:
    bulk = cell.get("bulk")
    if not bulk:
        return "", ""
    lead_us = bulk["lead_time_us"]
    tail = lead_us["p99"] if lead_us["p99"] is not None else lead_us["max"]
    backlog = say(
        ": up to {most} messages at once, lead time p50 {p50}, at the tail {tail}",
        most=bulk["backlog"]["most"],
        p50=show_us(lead_us["p50"]),
        tail=show_us(tail),
    )
    if bulk["drain_s"] is None:
        return backlog, say(", not worked off when the block ended")
    return backlog, say(
        ", worked off {seconds} after the last arrival", seconds=show_seconds(bulk["drain_s"])
    )


def _work(cell: Entry) -> str:
    """The working phase that takes longest: `compute, 91.5 ms a message with 2 worker(s) (29.1 ms of it ...)`."""
    means = {name: cell["phases_us"][name]["mean"] or 0.0 for name in PHASES if name not in _WAITS}
    longest = max(means, key=lambda name: means[name])
    text = say(
        "{phase}, {mean} a message with {workers} worker(s)",
        phase=named(longest),
        mean=show_us(means[longest]),
        workers=cell["workers"],
    )
    decoding = ((cell.get("told") or {}).get("decode_us") or {}).get("mean")
    if longest == "compute" and decoding:
        text += say(" ({decoding} of it decoding pictures)", decoding=show_us(decoding))
    return text


def _share(cell: Entry) -> float:
    return float(cell["account"]["delivered"] / cell["account"]["scheduled"])


def _row(cell: Entry) -> str:
    return str(cell["labels"]["row"])
