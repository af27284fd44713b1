"""The conformance suite of transports: the promises of `transports/base.py` that show from outside."""

from __future__ import annotations

import json
from contextlib import ExitStack

from benchkit.engine.site import Site
from benchkit.errors import UsageError
from benchkit.runtime.folders import run_folder
from benchkit.testing import carrying, leaving, lending, letters, linking, producers, waiting, workers
from benchkit.testing.party import Party
from benchkit.testing.report import Fact, Report, examine, promise
from benchkit.testing.rig import Check
from benchkit.transports.base import Transport, registry

PATIENCE_S = 10.0
"""How long anything may take before it counts as lost or hung; nothing shorter is a matter of speed."""


def _plain_data(check: Check) -> None:
    transport = check.transport
    config = json.loads(json.dumps(transport.config()))
    kind = config.pop("kind")
    promise(
        type(transport).model_validate(config) == transport,
        "config() does not build the same transport again",
    )
    if kind in registry.entries():
        promise(
            registry.build({"kind": kind, **config}) == transport, f"the registry builds another {kind!r}"
        )


FACTS: tuple[Fact[Check], ...] = (
    Fact("plain-data", "options travel to other processes as plain data", _plain_data),
    Fact("order", "messages come once each, in the order declared", carrying.order_is_kept),
    Fact("bytes", "a message is gathered from its parts and arrives unchanged", carrying.every_byte_arrives),
    Fact("reuse", "the parts may be reused once `send` has returned", carrying.parts_may_be_reused),
    Fact("views", "a view is valid until `release`, and several may be held", carrying.views_stay_valid),
    Fact("replies", "each reply reaches the producer once, in any order", carrying.replies_arrive),
    Fact("both-ways", "large messages and large replies do not block each other", carrying.both_ways_at_once),
    Fact("timeouts", "`receive` and `reply` give None after `timeout`", waiting.timeouts_end),
    Fact("backpressure", "`send` is False when full, and then nothing was sent", waiting.full_pushes_back),
    Fact("large-backpressure", "the same for large messages", waiting.full_of_large_pushes_back),
    Fact("too-large", "what is longer than announced is refused, not hung on", waiting.too_large_is_refused),
    Fact("limit", "what is longer than `max_message_bytes` is rejected", waiting.limit_is_kept),
    Fact("two-workers", "two workers together receive everything once", workers.two_share),
    Fact("fan-in", "of several producers each gets the replies to its own", producers.nothing_is_mixed_up),
    Fact("producer-gone", "a producer that closes hinders no other", producers.one_may_leave),
    Fact(
        "come-again",
        "the reply to what is delivered again reaches its producer",
        producers.what_comes_again_is_answered_alike,
    ),
    Fact("loans", "what is written into lent memory arrives as it was written", lending.arrives_as_written),
    Fact("places", "a place lent again still holds what was sent from it", lending.place_keeps_its_bytes),
    Fact("loans-end", "loans that are not sent take nothing away", lending.nothing_leaks),
    Fact("loans-limit", "more than was announced is not lent", lending.too_much_is_refused),
    Fact("link", "led through a link, everything goes through it", linking.goes_through),
    Fact("acked", "what is acknowledged is not delivered again", workers.acked_never_again),
    Fact(
        "killed", "what a killed worker held is lost or delivered again, as declared", workers.killed_worker
    ),
    Fact("huge", "256 MiB arrive, or as much as is declared", carrying.huge_messages_arrive),
    Fact("nothing-left", "what was made is undone on exit, whatever happened", leaving.nothing_is_left),
)


def check_transport(transport: Transport, *, quick: bool = False, patience_s: float = PATIENCE_S) -> Report:
    """Everything that `transport` promises, tried with small depths; `quick`: fewer messages, no 256 MiB.

    Raises BrokenPromise, an AssertionError that names the first promise that is not kept, and MissingLibrary.
    A transport may take one message more than `depth` (what a receiver has fetched ahead).
    """
    if transport.capabilities().external_stage:
        raise UsageError("a server of somebody else's is the stage: there is no receiving end to check")
    report = Report(f"transport {transport.kind!r}")
    before = leaving.Traces.now()
    runner = Party("runner", patience_s)
    try:
        with run_folder() as (name, folder):
            services = ExitStack()
            site = Site(name, folder, services)
            check = Check(transport, transport.capabilities(), site, quick, patience_s, runner)
            try:
                examine(report, FACTS, check)
            finally:
                runner.do("ending what the cells shared", services.close)
            examine(report, [_cleared], site)
        return examine(report, [_ended], before)
    finally:
        letters.forget()
        runner.leave()


_cleared: Fact[Site] = Fact(
    "files",
    "no file and no shared memory outlives the run",
    lambda site: leaving.nothing_in(site.folder, site.name),
)
_ended: Fact[leaving.Traces] = Fact(
    "processes", "no process, thread, socket or open file outlives the run",
    lambda before: leaving.Traces.now().compare(before, first_use=True),
)  # fmt: skip
