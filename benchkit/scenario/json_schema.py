"""JSON Schema (draft 2020-12) of a scenario, with the options of every installed plug-in."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from benchkit.alerts.options import AlertOptions
from benchkit.errors import BenchkitError
from benchkit.scenario import faulting, fieldtypes
from benchkit.scenario.hops import MAX_HOPS
from benchkit.scenario.model import AXES, WHOLE, Axis, FaultOptions, Header, tag_of
from benchkit.scenario.pipeline import PLUGINS, HopOptions
from benchkit.scenario.select import KEYS as MATCHED

Schema = dict[str, Any]


def schema() -> Schema:
    """What an editor completes and checks; `benchkit run` checks more (files, combinations, bounds)."""
    definitions: Schema = {}
    header = _options(Header, "header", definitions, sweep=False)
    axes = {name: _axis(axis, definitions, partial=False) for name, axis in AXES.items()}
    partial = {name: _axis(axis, definitions, partial=True) for name, axis in AXES.items()}
    whole = {name: _object(model, name, definitions) for name, model in WHOLE.items() if name != "alerts"}
    whole["alerts"] = _alerts(definitions)
    matched: Schema = {"type": ["string", "integer", "boolean", "null"]}
    exclude = {key: _or_list(matched) for key in MATCHED}
    include = {"type": "object", "properties": partial, "additionalProperties": False, "minProperties": 1}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "benchkit scenario",
        "description": "Lists are swept: the plan is the product of all that is swept.",
        "type": "object",
        "properties": {
            **header["properties"],
            **axes,
            **whole,
            "faults": _faults(definitions),
            "promises": _promises(),
            "exclude": _list_or_one(
                {"type": "object", "properties": exclude, "additionalProperties": False, "minProperties": 1},
                "combinations to leave out: a cell that matches every key of an entry",
            ),
            "include": _list_or_one(
                include, "further groups: each is laid over the sections above and then swept"
            ),
        },
        "required": ["name", *(axis.name for axis in AXES.values() if axis.tag and axis.default is None)],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _promises() -> Schema:
    sentence = {
        "type": "string",
        "examples": ["compute share >= 60%", "producer cpu <= 300us", "wire <= 8MB"],
    }
    about = "budgets of phases and costs that the run is held to, beside slo"
    return {
        "description": about,
        "anyOf": [sentence, {"type": "array", "items": sentence}, {"type": "null"}],
    }


def _faults(definitions: Schema) -> Schema:
    """A list of faults, or a mapping with the list and how long the parts of a trial last."""
    definitions["fault"] = _plugins(faulting.AXIS, definitions, partial=False)
    # A fault without options has no meaning of its own, so its name alone is none.
    definitions["fault"] = {"oneOf": definitions["fault"]["oneOf"][1:]}
    faults = {"type": "array", "items": {"$ref": "#/$defs/fault"}}
    asked = _options(FaultOptions, "faults", definitions, sweep=False)
    asked["properties"][faulting.INJECT] = {"description": "what goes wrong, one after the other", **faults}
    about = "what goes wrong in trials of their own: benchkit run --faults"
    return {"description": about, "anyOf": [faults, asked, {"type": "null"}]}


def _alerts(definitions: Schema) -> Schema:
    """`default`, or rules and sinks, each by its name or as a mapping with its options."""
    properties: Schema = {"heartbeat": AlertOptions.model_json_schema()["properties"]["heartbeat"]}
    for name, (key, table) in AlertOptions.sections.items():
        described = []
        for kind, model in table.items():
            found = _options(model, f"alerts.{kind}", definitions, sweep=False)
            found["properties"] = {key: {"const": kind}, **found["properties"]}
            found["required"] = [key, *found["required"]]
            described.append(found)
        names = [*table, "default"] if name == "rules" else list(table)
        about = AlertOptions.model_fields[name].description or ""
        properties[name] = _list_or_one({"anyOf": [{"enum": names}, *described]}, about)
    section = {"type": "object", "properties": properties, "additionalProperties": False}
    about = "rules that are evaluated while the blocks are measured, and where their notices go"
    return {"description": about, "anyOf": [{"const": "default"}, section, {"type": "null"}]}


def _list_or_one(item: Schema, description: str) -> Schema:
    return {"description": description, "anyOf": [item, {"type": "array", "items": item}, {"type": "null"}]}


def _or_list(one: Schema) -> Schema:
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def _axis(axis: Axis, definitions: Schema, *, partial: bool) -> Schema:
    if axis.name == "pipeline":
        return _pipeline(definitions)
    name = f"{axis.name}-options" if partial else axis.name
    definitions[name] = (
        _plain(axis, definitions) if axis.model else _plugins(axis, definitions, partial=partial)
    )
    return _or_list({"$ref": f"#/$defs/{name}"})


def _pipeline(definitions: Schema) -> Schema:
    """A list of stages; what stands in an entry has the form that it has at the top, without lists."""
    entry = _options(HopOptions, "hop", definitions, sweep=False)
    within = {name: {"$ref": f"#/$defs/{name}"} for name in ("batch", *PLUGINS)}
    definitions["hop"] = {**entry, "properties": {**entry["properties"], **within}}
    about = "several stages in a chain, or in a tree with `after`; in the place of stage, workers and batch"
    hops = {"type": "array", "items": {"$ref": "#/$defs/hop"}, "minItems": 1, "maxItems": MAX_HOPS}
    return {"description": about, "anyOf": [hops, {"type": "null"}]}


def _plain(axis: Axis, definitions: Schema) -> Schema:
    assert axis.model is not None  # noqa: S101  (asked for plain options only)
    options = _options(axis.model, axis.name, definitions)
    single: Schema = options["properties"][axis.field]
    return single if axis.field == axis.name else {"anyOf": [single, options]}


def _plugins(axis: Axis, definitions: Schema, *, partial: bool) -> Schema:
    """The name alone, or one mapping for each plug-in; `partial` ones may leave out anything."""
    assert axis.registry is not None  # noqa: S101  (asked for plug-ins only)
    kinds = list(axis.registry.entries())
    names: Schema = {"enum": [*kinds, None] if axis.default == "null" else kinds}
    described = [_plugin(axis, kind, definitions, partial=partial) for kind in kinds]
    if partial:
        described.append(_unnamed(axis, described))
    return {"oneOf": [names, *described]}


def _plugin(axis: Axis, kind: str, definitions: Schema, *, partial: bool) -> Schema:
    assert axis.registry is not None  # noqa: S101  (asked for plug-ins only)
    named: Schema = {"const": kind}
    if kind == "null":
        named = {"enum": ["null", None]}
    try:
        cls = axis.registry.load(kind)
    except BenchkitError as error:
        return {
            "type": "object",
            "description": error.what,
            "properties": {axis.tag: named},
            "required": [axis.tag],
        }
    tag = tag_of(axis, cls)
    found = _options(cls, f"{axis.name}.{kind}", definitions)
    found["description"] = (cls.__doc__ or kind).strip().splitlines()[0]
    found["properties"] = {tag: named, **found["properties"]}
    found["required"] = [tag] if partial else [tag, *found["required"]]
    return found


def _unnamed(axis: Axis, described: list[Schema]) -> Schema:
    """Options of whatever plug-in the base names."""
    tags = (axis.tag, axis.search_tag)
    options = {key: True for one in described for key in one["properties"] if key not in tags}
    return {"type": "object", "properties": options, "additionalProperties": False, "minProperties": 1}


def _object(model: type[BaseModel], name: str, definitions: Schema) -> Schema:
    return {"anyOf": [_options(model, name, definitions, sweep=False), {"type": "null"}]}


def _options(model: type[BaseModel], name: str, definitions: Schema, *, sweep: bool = True) -> Schema:
    """A model's options as an object, each of them or, with `sweep`, a list of them."""
    made = model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    for key, definition in made.get("$defs", {}).items():
        definitions[f"{name}.{key}"] = definition
    properties = {}
    for key, one in made.get("properties", {}).items():
        field = model.model_fields.get(key)
        if field is not None and field.description:
            one.setdefault("description", field.description)
        if field is not None and fieldtypes.is_secret(field):
            one.pop("default", None)
        single = {**one, **_tuple_form(one)}
        properties[key] = _swept(single) if sweep else single
    return {
        "type": "object",
        "properties": properties,
        "required": list(made.get("required", [])),
        "additionalProperties": False,
    }


def _tuple_form(one: Schema) -> Schema:
    """A frame size may also be written as a pair."""
    if "anyOf" in one:
        return {"anyOf": [{**member, **_tuple_form(member)} for member in one["anyOf"]]}
    if one.get("type") == "string" and one.get("examples") == ["1920x1080"]:
        pair = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
        return {"type": ["string", "array"], **{key: value for key, value in pair.items() if key != "type"}}
    return {}


def _swept(one: Schema) -> Schema:
    notes: Schema = {key: one[key] for key in ("title", "description", "default") if key in one}
    rest = {key: value for key, value in one.items() if key not in notes}
    return {**notes, **_or_list(rest)}
