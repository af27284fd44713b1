"""Why a trial says nothing: a closed list of codes, each with its remedy, as `analysis.validity` has it for cells.

| code | usually | the trial |
|---|---|---|
| fault-did-not-bite | invalid | has no evidence that its fault was done |
| moment-missed | invalid | had its fault at another moment than was asked for |
| nothing-sent | invalid | has no message that was attempted |
| control-missing | invalid | has no trial of its cell without a fault |
| control-not-clean | invalid | has one that lost, doubled or tore messages by itself |
| trial-broke-off | invalid | ended with an error |
| no-band | invalid | has a control too short to say what is normal, and no time before the fault either |
| cannot-hold-load | invalid | has a control in which the load was sent later and later: nothing is normal |
| drain-not-ended | note | was given up while messages were missing: they may be lost or late |
| watched-too-short | note | was not steady again when its load ended |
| relapsed | note | left the control's band again after it had come back |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from benchkit.analysis.recovery.account import Accounted
from benchkit.analysis.recovery.declared import Judged
from benchkit.analysis.recovery.recover import Recovery
from benchkit.analysis.validity.codes import Kind
from benchkit.analysis.validity.facts import Reason
from benchkit.records.faults import Trial
from benchkit.words import say, word

CODES: Final[Mapping[str, Kind]] = {
    "fault-did-not-bite": Kind(
        "invalid",
        word("read the trial's notes and errors; see whether this fault can be done to this cell here"),
    ),
    "moment-missed": Kind("invalid", word("run the trial again; the load may leave no such moment")),
    "nothing-sent": Kind("invalid", word("raise the load's rate or the trial's length")),
    "control-missing": Kind(
        "invalid", word("measure the cell without a fault as well: leave the control in")
    ),
    "control-not-clean": Kind("invalid", word("mend the transport first: it fails without any fault")),
    "trial-broke-off": Kind("invalid", word("read the trial's errors, and run it again")),
    "no-band": Kind("invalid", word("let the control last for more windows, or make them shorter")),
    "cannot-hold-load": Kind("invalid", word("lower the trials' load: faults.rate, or the cell's own")),
    "drain-not-ended": Kind("note", word("give the drain more time")),
    "watched-too-short": Kind("note", word("let the load last longer after the fault")),
    "relapsed": Kind("note", word("see the trial's timeline: the service came back and went again")),
}


def _reason(code: str, message: str) -> Reason:
    kind = CODES[code]
    return Reason(code, kind.severity, message, kind.remedy)


def clean(account: Accounted, verdict: Judged) -> bool:
    """A control that may be compared with: it sent something and broke nothing that it declares."""
    return account.attempted > 0 and verdict.held is not False


def reasons(
    trial: Trial,
    account: Accounted,
    recovery: Recovery | None,
    controls: Sequence[bool],
    behind_s: float = 0.0,
) -> list[Reason]:
    """What speaks against a trial.

    `controls` tells of each control of its cell whether it is clean; `behind_s` is how late the last message of the
    control was turned to.
    """
    return [
        *_of_trial(trial, account),
        *([] if trial.control else _of_fault(trial, recovery, controls, behind_s)),
    ]


def _of_trial(trial: Trial, account: Accounted) -> Iterator[Reason]:
    if trial.errors:
        yield _reason("trial-broke-off", say("it ended with: {error}", error=trial.errors[0]))
    if not account.attempted:
        yield _reason("nothing-sent", say("no message was attempted"))
    if not trial.drained and account.unknown:
        yield _reason(
            "drain-not-ended",
            say(
                "acknowledged and missing when the drain was given up: {count}",
                count=account.unknown,
            ),
        )


def _of_fault(
    trial: Trial, recovery: Recovery | None, controls: Sequence[bool], behind_s: float
) -> Iterator[Reason]:
    if not trial.proof or not trial.injected_ns:
        yield _reason("fault-did-not-bite", say("there is no evidence that the fault was done"))
    elif trial.moment.get("reached") is False:
        yield _reason(
            "moment-missed",
            say(
                "asked for {asked}, found {found}",
                asked=trial.moment.get("asked"),
                found=trial.moment.get("found"),
            ),
        )
    if not controls:
        yield _reason("control-missing", say("its cell was not measured without a fault"))
    elif not all(controls):
        yield _reason("control-not-clean", say("its cell breaks what it declares without any fault"))
    if recovery is None:
        return
    if recovery.band is None and behind_s > trial.window_s:
        yield _reason(
            "cannot-hold-load",
            say(
                "its cell cannot hold {rate:.0f}/s: without a fault too, the last message left {behind:.1f} s late",
                rate=trial.offered_per_s,
                behind=behind_s,
            ),
        )
    elif recovery.band is None:
        yield _reason("no-band", say("too few windows without a fault to say what is normal"))
    elif recovery.steady_s is None:
        yield _reason(
            "watched-too-short",
            say("not steady again within the {watched:.1f} s that were watched", watched=recovery.watched_s),
        )
    if recovery.relapses:
        yield _reason(
            "relapsed",
            say("times out of the band again after it was steady: {count}", count=recovery.relapses),
        )
