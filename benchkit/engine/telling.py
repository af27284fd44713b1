"""What a stage tells of a block, taken without trusting it: a stage is anybody's code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from benchkit.engine.work import describe
from benchkit.errors import StageError
from benchkit.stages.base import OpenStage

_REMEDY = "let told() return numbers by name, or a dict of numbers with a count"
_MOST = 64
"""Names that one stage may tell of, so that a soak's record stays small."""


def with_told(result: dict[str, Any], stage: OpenStage) -> dict[str, Any]:
    """A worker's result with `told` in it; what was wrong with that is one more of its failures."""
    try:
        told = _checked(stage.told())
    except Exception as error:  # noqa: BLE001  (anybody's code; what was measured must not be lost with it)
        seen = describe(error)
        known = {"remedy": seen["remedy"], "traceback": seen["traceback"], "count": 1}
        return {**result, "told": {}, "failures": [*result["failures"], [seen["type"], seen["what"], known]]}
    return {**result, "told": told}


def _checked(told: Mapping[str, Any]) -> dict[str, Any]:
    if len(told) > _MOST:
        raise StageError(f"the stage tells of {len(told)} things, {_MOST} at most are kept", remedy=_REMEDY)
    return {name: _number_or_spread(name, value) for name, value in told.items()}


def _number_or_spread(name: object, value: object) -> float | dict[str, float]:
    if not isinstance(name, str):
        raise StageError(f"the stage tells of {name!r}, which is no name", remedy=_REMEDY)
    if not isinstance(value, Mapping):
        return _number(name, value)
    if "count" not in value:
        raise StageError(f"the stage tells a spread of {name!r} without its count", remedy=_REMEDY)
    return {str(part): _number(f"{name}.{part}", each) for part, each in value.items()}


def _number(name: str, value: object) -> float:
    # numpy's numbers are no plain data, and have `item`.
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, bool) or not isinstance(plain, int | float) or not math.isfinite(plain):
        raise StageError(f"the stage tells {name!r} as {value!r}, which is no finite number", remedy=_REMEDY)
    return plain
