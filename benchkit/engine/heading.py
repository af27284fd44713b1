"""The header of a run: begun afresh or taken up again, and the failures that it tells of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from benchkit.engine.describing import plugins_of
from benchkit.engine.work import describe as describe_error
from benchkit.errors import BenchkitError, StorageError
from benchkit.hiding import hide
from benchkit.records.environment import environment
from benchkit.records.recording import Recording
from benchkit.records.run import Failure, Resumption, Run
from benchkit.scenario.plan import Plan
from benchkit.scenario.seeds import Stream, seed_for


def utc() -> str:
    """Now, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def fresh(plan: Plan) -> Run:
    """Of a run that begins now."""
    return Run(
        started_utc=utc(),
        duration_s=0.0,
        seed=plan.seed,
        quick=plan.quick,
        scenario=dict(plan.resolved),
        environment=environment(),
        floor=None,
        placement={},
        slo=plan.slo,
        budgets=plan.budgets,
        seeds={
            stream.name.lower(): seed_for(plan.seed, stream)
            for stream in (Stream.ORDER, Stream.PAYLOAD, Stream.STAGE, Stream.LINK)
        },
        plugins=plugins_of(plan.cells, plan.faulting.faults if plan.faulting else ()),
    )


def taken_up(before: Run, recording: Recording) -> Run:
    """The header of a run whose runner died; the blocks from here on come after a new start of all parties."""
    now = environment()
    changed = now.get("fingerprint") != before.environment.get("fingerprint")
    again = Resumption(recording.next_block, before.written_utc, utc(), changed)
    return replace(
        before, interrupted=False, environment=now, resumed=[*before.resumed, again], blocks=[], samples={}
    )


def told(error: BenchkitError) -> str:
    """In one line, its secrets hidden."""
    return hide(f"{error.where}: {error.what}" if error.where else error.what)


def refused(error: OSError) -> BenchkitError:
    """The system's refusals (no space, no more files or processes) in the words of the others."""
    return StorageError(
        f"the system refused: {error.strerror or error}",
        where=str(error.filename or ""),
        remedy="free some space, or raise the limits that `ulimit -a` shows",
    )


def failure(where: str, error: Exception) -> Failure:
    """As the run keeps it; `where` is the cell or the party."""
    seen = describe_error(error)
    what = f"{seen['where']}: {seen['what']}" if seen["where"] else seen["what"]
    notes = hide("\n".join(getattr(error, "__notes__", [])))
    return Failure(where, seen["type"], what, seen["remedy"], notes or seen["traceback"])
