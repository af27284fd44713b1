"""A stage behind somebody else's door: what its own counters say about the time that no stamp divides.

From `sent` to `returned` all is `transit`. A server with counters (Triton's statistics extension) tells how
long requests waited in its queue and how long they were computed on; means over the blocks, other clients'
requests and the warm-up included, by the server's own clock: shown as evidence and never as a phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchkit.analysis.measure import Measure
from benchkit.analysis.validity import percent
from benchkit.analysis.verdict import Kind, Verdict
from benchkit.records.run import Block
from benchkit.units import show_us
from benchkit.words import named, say

_HALF = 0.5


def means_us(blocks: Sequence[Block]) -> dict[str, float] | None:
    """`requests`, `queue_mean` and `compute_mean` in microseconds by the server's own figures; None without."""
    told = [block.server for block in blocks if block.server is not None]
    requests = sum(each.requests for each in told)
    if not requests:
        return None
    return {
        "requests": requests,
        "queue_mean_us": sum(each.queue_ns for each in told) / requests / 1e3,
        "compute_mean_us": sum(each.compute_ns for each in told) / requests / 1e3,
    }


def explained(found: Verdict, measure: Measure, blocks: Sequence[Block]) -> Verdict:
    """The verdict with the server's figures; `transit` is the stage's where these are half of it or more.

    Where the server tells nothing, `transit` is nobody's: the way there, its queue and its work are in it.
    """
    told = means_us(blocks)
    own = found.bottleneck == "transit"
    if told is None:
        hidden = say("the server keeps its own times to itself: its queue and its compute are within transit")
        evidence = [*found.evidence, hidden]
        return _seen(found, "none", "unclear", evidence, hidden) if own else replace(found, evidence=evidence)
    inside_us = told["queue_mean_us"] + told["compute_mean_us"]
    transit_us = measure.phases["transit"].mean_ns / 1e3
    share = inside_us / transit_us if transit_us else 0.0
    text = say(
        "by the server's own counters (means of {requests:.0f} requests, warm-up included) queue "
        "took {queue_mean_us} and compute {compute_mean_us}: {share} of transit",
        requests=told["requests"],
        queue_mean_us=show_us(told["queue_mean_us"]),
        compute_mean_us=show_us(told["compute_mean_us"]),
        share=percent(min(1.0, share)),
    )
    evidence = [*found.evidence, text]
    if not own:
        return replace(found, evidence=evidence)
    inside = share >= _HALF
    kind = found.kind
    if inside:
        kind = "overload" if told["queue_mean_us"] > told["compute_mean_us"] else "compute-bound"
    return _seen(found, "stage" if inside else "link", kind, evidence, text)


def _seen(found: Verdict, resource: str, kind: Kind, evidence: list[str], why: str) -> Verdict:
    line = say(
        "{kind} (transit, {resource}): {share} of the latency is transit; {why}",
        kind=named(kind),
        resource=named(resource),
        share=percent(found.share),
        why=why,
    )
    return replace(found, resource=resource, kind=kind, evidence=evidence, line=line)
