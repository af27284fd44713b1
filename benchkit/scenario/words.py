"""Says what pydantic found in words that need no knowledge of pydantic."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic_core import ErrorDetails

_PLAIN = {
    "int_parsing": "a whole number", "int_type": "a whole number", "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_parsing": "a number", "float_type": "a number", "finite_number": "a finite number",
    "bool_parsing": "true or false", "bool_type": "true or false",
    "string_type": "a text", "string_sub_type": "a text", "string_unicode": "a text",
    "bytes_type": "a text", "path_type": "a path",
    "list_type": "a list", "tuple_type": "a list", "set_type": "a list", "frozen_set_type": "a list",
    "iterable_type": "a list", "dict_type": "a mapping", "mapping_type": "a mapping",
    "model_type": "a mapping", "model_attributes_type": "a mapping", "dataclass_type": "a mapping",
    "none_required": "nothing", "url_parsing": "a URL", "url_type": "a URL",
}  # fmt: skip

_WITH_CONTEXT: dict[str, Callable[[dict[str, Any]], str]] = {
    "greater_than": lambda ctx: f"more than {_number(ctx['gt'])}",
    "greater_than_equal": lambda ctx: f"at least {_number(ctx['ge'])}",
    "less_than": lambda ctx: f"less than {_number(ctx['lt'])}",
    "less_than_equal": lambda ctx: f"at most {_number(ctx['le'])}",
    "multiple_of": lambda ctx: f"a multiple of {_number(ctx['multiple_of'])}",
    "literal_error": lambda ctx: f"{ctx['expected']}",
    "enum": lambda ctx: f"{ctx['expected']}",
    "string_too_short": lambda ctx: f"at least {ctx['min_length']} characters",
    "string_too_long": lambda ctx: f"at most {ctx['max_length']} characters",
    "too_short": lambda ctx: f"at least {ctx['min_length']} values",
    "too_long": lambda ctx: f"at most {ctx['max_length']} values",
    "string_pattern_mismatch": lambda ctx: f"a text of the form {ctx['pattern']}",
}

NEEDS_QUOTES = "a text"


def _number(bound: Any) -> str:
    return format(bound, ".15g") if isinstance(bound, float) else str(bound)


def expected(error: ErrorDetails) -> str | None:
    """What was expected (`a whole number`, `at least 1`), or None where pydantic says it another way."""
    kind = error["type"]
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _WITH_CONTEXT:
        return _WITH_CONTEXT[kind](error.get("ctx", {}))
    return None


def sentence(error: ErrorDetails) -> str:
    """Any other error: the author's own words for a ValueError, else pydantic's, less its idiom."""
    message = error["msg"]
    message = re.sub(r"^(Value|Assertion) error, ", "", message)
    message = re.sub(r"^Input should (have|be|match)", r"should \1", message)
    return message.splitlines()[0][:300] if message else "is not valid"
