"""What a comparison of runs needs of run.json, checked and small: a hundred runs fit in memory.

The fields keep the names that they have in run.json, so `compare` and `trend` take a summary as well.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from benchkit.errors import RecordError

_LONGEST: Final = 4000
"""Letters of a text that are kept: what a page shows is shorter, and a hostile run.json has longer ones."""


def _cut(value: Any) -> str:
    return "" if value is None else str(value)[:_LONGEST]


def _named(cell: str) -> str:
    """The id, or its beginning and what tells it from others that begin alike."""
    if len(cell) <= _LONGEST:
        return cell
    return f"{cell[:_LONGEST]}~{hashlib.sha256(cell.encode('utf-8', 'surrogatepass')).hexdigest()}"


Text = Annotated[str, BeforeValidator(_cut)]
Known = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Interval = Annotated[list[Known], Field(min_length=2, max_length=2)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Labels(_Part):
    group: Text = ""
    row: Text = ""


class _Latency(_Part):
    count: int = 0
    p50: Positive | None = None
    p99: Positive | None = None
    p50_ci95: Interval | None = None
    p99_ci95: Interval | None = None


class _Reason(_Part):
    code: Text = ""
    severity: Text = ""


class _Validity(_Part):
    valid: bool
    reasons: list[_Reason] = []


class _Block(_Part):
    p50_us: Positive
    phase_means_us: dict[str, Known] = {}


class _Phase(_Part):
    share: Known = 0.0


class _Guarantee(_Part):
    delivery: Text = ""
    durability: Text = ""
    level: Text = ""


class _Cell(_Part):
    id: Annotated[str, AfterValidator(_named)]
    group: Text = ""
    labels: _Labels = _Labels()
    transport: Text = ""
    codec: Text = ""
    latency_us: _Latency
    phases_us: dict[str, _Phase] = {}
    validity: _Validity
    guarantee: _Guarantee = _Guarantee()
    blocks_detail: list[_Block] = []


class _Times(_Part):
    n: int = 0
    never: int = 0
    median_s: Positive | None = None
    ci95_s: Interval | None = None


class _Square(_Part):
    fault: Text
    moment: Text = ""
    cell: Annotated[str, AfterValidator(_named)]
    transport: Text = ""
    alike: int = 0
    valid: int = 0
    trials: int = 0
    held: bool | None = None
    allowed: Text = ""
    lost: int = 0
    unknown: int = 0
    caught: int = 0
    duplicated: int = 0
    mttr_s: _Times = _Times()
    detect_s: _Times = _Times()


class _Faults(_Part):
    matrix: list[_Square] = []
    alike: list[Text] = []


class _Scenario(_Part):
    name: Text = ""


class _Environment(_Part):
    fingerprint: Text = ""
    cpu: Text = ""
    cores: Text = ""
    kernel: Text = ""
    python: Text = ""
    git: Any = None


class _Run(_Part):
    started_utc: Text
    duration_s: Positive = 0.0
    seed: int | None = None
    benchkit: Text = ""
    quick: bool = False
    interrupted: bool = False
    scenario: _Scenario = _Scenario()
    environment: _Environment = _Environment()
    cells: list[_Cell]
    answer: list[Text] = []
    faults: _Faults | None = None


def summary(document: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The part of run.json that comparisons of runs look at; `where` names the file in the RecordError.

    Fields of a later or an earlier benchkit are left out or have their defaults; one that cannot be what it
    should be is an error.
    """
    try:
        found = _Run.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise RecordError(
            f"damaged: {place[:200]}: {first['msg']}", where=where, remedy="measure anew, or remove the run"
        ) from error
    plain = found.model_dump()
    for cell in plain["cells"]:
        labels = cell["labels"]
        labels["row"] = labels["row"] or cell["id"]
        labels["group"] = labels["group"] or cell["group"]
    return plain
