"""What the team's figures need of one run directory or one gate: small, checked, and whatever version wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from benchkit.analysis.outcome import Outcome, outcome
from benchkit.errors import RecordError

Kind = Literal["performance", "stability"]
_LONGEST: Final = 300
_BY_VERDICT: Final[Mapping[str, Outcome]] = {
    "PASS": "passed", "WARN": "passed", "FAIL": "failed", "INCONCLUSIVE": "undecided"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Repair:
    """One fault that a transport had to recover from."""

    transport: str
    seconds: float | None
    """Until it was steady again; None: it never was while it was watched."""


@dataclass(frozen=True, slots=True)
class Check:
    """What the gate said of a release."""

    failed: bool
    figures: int
    """Figures of cells that were worse."""
    alike: bool = False
    """Both sides were the same build, so a failure is a false alarm."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One run, or one gate."""

    name: str
    kind: Kind
    scenario: str
    started_utc: str
    release: str
    outcome: Outcome
    lead_s: float
    """From its start to its result."""
    latencies_us: tuple[tuple[float, float | None], ...] = ()
    """p50 and p99 of each valid cell, from the moment at which a message was due to its result."""
    repairs: tuple[Repair, ...] = ()
    check: Check | None = None


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:_LONGEST]


def _mapping(value: Any) -> Any:
    return value if isinstance(value, Mapping) else {}


Text = Annotated[str, BeforeValidator(_text)]
Known = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Plain = Annotated[dict[str, Any], BeforeValidator(_mapping)]
Model = TypeVar("Model", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Latency(_Part):
    p50: Known | None = None
    p99: Known | None = None


class _Reason(_Part):
    code: Text = ""


class _Validity(_Part):
    valid: bool
    reasons: list[_Reason] = []


class _Cell(_Part):
    latency_us: _Latency
    validity: _Validity


class _Promise(_Part):
    kept: bool | None = None


class _Times(_Part):
    samples_s: list[Known | None] = []


class _Row(_Part):
    transport: Text = ""
    held: bool | None = None
    mttr_s: _Times = _Times()


class _Faults(_Part):
    trials: list[Any] = []
    matrix: list[_Row] = []


class _Held(_Part):
    flat: bool | None = None
    grown: list[Text] = []


class _Run(_Part):
    started_utc: Text
    duration_s: Known = 0.0
    benchkit: Text = ""
    interrupted: bool = False
    scenario: Plain = {}
    environment: Plain = {}
    cells: list[_Cell]
    ranking: list[Any] = []
    promises: list[_Promise] = []
    failures: list[Any] = []
    faults: _Faults | None = None
    growth: dict[str, _Held] = {}


class _Figure(_Part):
    verdict: Text = ""


class _Gate(_Part):
    verdict: Text
    interrupted: bool = False
    same_build: bool = False
    scenario: Any = ""
    started_utc: Text = ""
    seconds: Known = 0.0
    environment: Plain = {}
    rows: list[_Figure] = []
    missing: list[Any] = []


class _Comparison(_Part):
    rows: list[_Figure] = []


class _Check(_Part):
    verdict: Text
    comparison: _Comparison | None = None


def of_run(document: Mapping[str, Any], name: str, check: Mapping[str, Any] | None = None) -> Entry:
    """The entry of a run.json, with the check.json that lay beside it; raises RecordError naming the field."""
    run = _checked(_Run, document, name)
    faults = run.faults if run.faults and (run.faults.trials or run.faults.matrix) else None
    blocks = _mapping(run.scenario.get("blocks"))
    ended = outcome(run.model_dump())
    if faults is not None and ended != "interrupted":
        ended = _withstood(faults, ended)
    if ended == "passed" and any(held.flat is False or held.grown for held in run.growth.values()):
        ended = "failed"
    checked = _check_of(_checked(_Check, check, f"{name}/check.json"), run) if check else None
    if checked is not None and checked.failed and ended != "interrupted":
        ended = "failed"
    return Entry(
        name,
        "stability" if faults or blocks.get("soak") else "performance",
        _text(run.scenario.get("name")) or "unnamed",
        run.started_utc,
        release(run.benchkit, run.environment),
        ended,
        run.duration_s,
        tuple(
            (cell.latency_us.p50, cell.latency_us.p99)
            for cell in run.cells
            if cell.validity.valid and cell.latency_us.p50 is not None
        ),
        tuple(
            Repair(row.transport, each)
            for row in (faults.matrix if faults else ())
            for each in row.mttr_s.samples_s
        ),
        checked,
    )


def _withstood(faults: _Faults, ended: Outcome) -> Outcome:
    """A run with faults also passes by what its transports kept of what they declare."""
    held = [row.held for row in faults.matrix]
    if False in held or ended == "failed":
        return "failed"
    return "passed" if held and None not in held else "undecided"


def _check_of(check: _Check, run: _Run) -> Check:
    rows = check.comparison.rows if check.comparison else ()
    worse = (
        sum(row.verdict == "FAIL" for row in rows)
        if rows
        else sum(each.kept is False for each in run.promises)
    )
    return Check(check.verdict == "FAIL", worse)


def of_gate(document: Mapping[str, Any], name: str) -> Entry:
    """The entry of a gate.json (`benchkit check --base`); raises RecordError naming the field."""
    gate = _checked(_Gate, document, name)
    ended: Outcome = "interrupted" if gate.interrupted else _BY_VERDICT.get(gate.verdict, "undecided")
    worse = sum(row.verdict == "FAIL" for row in gate.rows) + len(gate.missing)
    return Entry(
        name, "performance", _text(gate.scenario) or "unnamed", gate.started_utc, release("", gate.environment), ended,
        gate.seconds, check=Check(gate.verdict == "FAIL", worse, gate.same_build),
    )  # fmt: skip


def release(version: str, environment: Mapping[str, Any]) -> str:
    """Of what was measured: the commit of the folder in which it ran, else the version of benchkit."""
    commit = environment.get("git")
    short = commit[:8] if isinstance(commit, str) else ""
    return short or version or "unknown"


def _checked(model: type[Model], content: Mapping[str, Any], name: str) -> Model:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise RecordError(
            f"damaged: {place[:200]}: {first['msg']}", where=name, remedy="measure anew, or remove the run"
        ) from error
