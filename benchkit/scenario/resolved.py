"""A scenario as plain data for the record: a scenario again, with nothing left to defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from benchkit.flow.options import FlowOptions
from benchkit.hiding import hidden
from benchkit.link.options import LinkOptions
from benchkit.scenario import alerting, faulting, gating
from benchkit.scenario.hops import Hop, Pipeline
from benchkit.scenario.model import BlockOptions, Choice, Group, Rule, Scenario, tag_of
from benchkit.scenario.redact import recorded

_ASKED = (LinkOptions, FlowOptions)
"""What a scenario need not have: recorded as it was asked for, and not at all where nothing was."""


def resolved(scenario: Scenario, blocks: BlockOptions) -> dict[str, object]:
    """Every option in numbers (seconds, per second, bytes), secrets as `***`, paths relative to the scenario.

    It has a scenario's own form and, where no secret was hidden, loads into the same cells. `blocks` are
    those that are run (`--quick` cuts them).
    """
    folder = scenario.folder
    header = recorded(scenario.header.model_dump(), folder)
    base, *others = (_axes(group, folder) for group in scenario.groups)
    if "pipeline" in base:
        others = [other if "pipeline" in other else {**other, "pipeline": None} for other in others]
    whole = {
        "blocks": recorded({**blocks.model_dump(), "warmup_max": blocks.longest_warmup_s}, folder),
        "checks": recorded(scenario.checks.model_dump(), folder),
        "slo": recorded(scenario.slo.model_dump(exclude_none=True), folder),
    }
    if scenario.gate is not None:
        whole["gate"] = recorded(gating.plain(scenario.gate, scenario.gate_rules), folder)
    if scenario.what_if is not None:
        whole["what_if"] = recorded(scenario.what_if.model_dump(exclude_none=True), folder)
    if scenario.faulting is not None:
        whole["faults"] = recorded(faulting.plain(scenario.faulting), folder)
    if scenario.alerts is not None:
        whole["alerts"] = alerting.given(scenario.alerts, folder)
    found = {**header, **base, **whole}
    if scenario.budgets:
        found["promises"] = list(scenario.budgets)
    if scenario.exclude:
        found["exclude"] = [_rule(rule) for rule in scenario.exclude]
    if others:
        found["include"] = others
    return cast("dict[str, object]", hidden(found))


def _axes(group: Group, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    piped = all(_piped(choice) for choice in group.axes["pipeline"])
    for name, choices in group.axes.items():
        if name == "pipeline" and not any(map(_piped, choices)):
            continue
        if piped and name in ("stage", "workers", "batch"):
            continue
        if all(isinstance(choice.value, _ASKED) and choice.value.absent for choice in choices):
            continue
        values = [_choice(choice, folder) for choice in choices]
        found[name] = values if len(values) > 1 else values[0]
    return found


def _choice(choice: Choice, folder: Path) -> Any:
    if isinstance(choice.value, _ASKED):
        return recorded(choice.value.given(), folder)
    if isinstance(choice.value, Pipeline):
        return [_hop(hop, folder) for hop in choice.value.pipeline]
    options = recorded(choice.value.model_dump(), folder)
    if choice.axis.field == choice.axis.name:
        return options[choice.axis.field]
    return {tag_of(choice.axis, type(choice.value)): choice.kind, **options} if choice.axis.tag else options


def _piped(choice: Choice) -> bool:
    return isinstance(choice.value, Pipeline) and bool(choice.value.pipeline)


def _hop(hop: Hop, folder: Path) -> dict[str, Any]:
    plugins = {name: getattr(hop, name) for name in ("stage", "transport", "codec") if getattr(hop, name)}
    return {
        "name": hop.name,
        **({"after": hop.after} if hop.after else {}),
        "workers": hop.workers,
        "batch": {"size": hop.batch_size, "delay": hop.batch_delay_s},
        **{
            name: recorded({"kind": each.kind, **each.model_dump()}, folder) for name, each in plugins.items()
        },
    }


def _rule(rule: Rule) -> dict[str, list[str]]:
    return {
        key: [recorded(pattern.text, Path()) for pattern in patterns] for key, patterns in rule.terms.items()
    }
