"""What people say of alerts: `alerts: default`, or which rules, and where their notices go.

::

    alerts:
      heartbeat: 1s
      rules:
        - default                                 # all of them, less those that are named below
        - {rule: dead, intervals: 3}
        - {rule: threshold, metric: benchkit_queue_depth, above: 1000, lasting: 5s}
      sinks:
        - terminal
        - {sink: webhook, url: "https://hooks.slack.com/services/..."}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    field_serializer,
    model_validator,
)

from benchkit.alerts.rules.base import Positive, Rule
from benchkit.alerts.rules.dead import Dead
from benchkit.alerts.rules.table import DEFAULT, RULES
from benchkit.alerts.sinks.base import SinkOptions
from benchkit.alerts.sinks.table import SINKS
from benchkit.alerts.sinks.terminal import Terminal

MOST: Final = 100
"""Rules, and sinks."""


class AlertOptions(BaseModel):
    """Rules that are evaluated live, and where their notices go."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
    sections: ClassVar[Mapping[str, tuple[str, Mapping[str, type[BaseModel]]]]] = {
        "rules": ("rule", RULES),
        "sinks": ("sink", SINKS),
    }
    """Lists of named things: the key that names one, and what there is."""

    heartbeat: Positive = Field(
        1.0,
        description="how often each party is asked for a sign of life; a dead one is told within two of them",
    )
    rules: tuple[SerializeAsAny[Rule], ...] = Field(
        tuple(RULES[name]() for name in DEFAULT),
        max_length=MOST,
        description="by default `default`: all but threshold",
    )
    sinks: tuple[SerializeAsAny[SinkOptions], ...] = Field(
        (Terminal(),), max_length=MOST, description="where notices go; by default the terminal"
    )

    @model_validator(mode="after")
    def _names(self) -> AlertOptions:
        titles = [rule.title for rule in self.rules]
        twice = next((title for title in titles if titles.count(title) > 1), None)
        if twice is not None:
            raise ValueError(f"two rules are called {twice!r}: give each a `name` of its own")
        return self

    @property
    def evaluated(self) -> tuple[Rule, ...]:
        """The rules, with the heartbeat of this section where they have none of their own."""
        return tuple(
            rule.model_copy(update={"heartbeat": self.heartbeat})
            if isinstance(rule, Dead) and "heartbeat" not in rule.model_fields_set
            else rule
            for rule in self.rules
        )

    @field_serializer("rules")
    def _rules_plain(self, rules: tuple[Rule, ...]) -> list[dict[str, Any]]:
        return [{"rule": rule.kind, **rule.model_dump()} for rule in rules]

    @field_serializer("sinks")
    def _sinks_plain(self, sinks: tuple[SinkOptions, ...]) -> list[dict[str, Any]]:
        return [{"sink": sink.kind, **sink.model_dump()} for sink in sinks]


def with_default(rules: list[Rule | None]) -> tuple[Rule, ...]:
    """None stands for `default`: every default rule of which the list has none of its own."""
    own = {rule.kind for rule in rules if rule is not None}
    found: list[Rule] = []
    for rule in rules:
        if rule is not None:
            found.append(rule)
        else:
            found += [RULES[name]() for name in DEFAULT if name not in own]
    return tuple(found)


def read(content: Any) -> AlertOptions:
    """The section from plain data, for those who have no scenario; raises ValueError in words for people."""
    if content is None or content == "default":
        return AlertOptions()
    if not isinstance(content, Mapping):
        raise ValueError("alerts: expected `default` or a mapping")  # noqa: TRY004  (one error for callers)
    given = dict(content)
    rules = _listed(given.pop("rules", "default"), "rules")
    sinks = _listed(given.pop("sinks", "terminal"), "sinks")
    if None in sinks:
        raise ValueError("alerts.sinks: `default` is no sink")
    try:
        return AlertOptions(rules=with_default(rules), sinks=tuple(sinks), **given)
    except ValidationError as error:
        raise ValueError(f"alerts: {_first(error)}") from None
    except TypeError:
        raise ValueError("alerts: its keys are texts") from None


def _listed(content: Any, name: str) -> list[Any]:
    items = content if isinstance(content, list) else [content]
    return [_one(item, name, at) for at, item in enumerate(items)]


def _one(item: Any, name: str, at: int) -> Any:
    key, table = AlertOptions.sections[name]
    options = dict(item) if isinstance(item, Mapping) else {key: item}
    kind = options.pop(key, None)
    if kind == "default" and not options:
        return None
    if not isinstance(kind, str) or kind not in table:
        raise ValueError(f"alerts.{name}.{at}: unknown {key}; known: {', '.join(table)}")
    try:
        return table[kind].model_validate(options)
    except ValidationError as error:
        raise ValueError(f"alerts.{name}.{at} ({kind}): {_first(error)}") from None


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    return f"{place}: {what}" if place else what
