"""What editors and new users get."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchkit.errors import UsageError
from benchkit.scenario import load, new, schema
from benchkit.scenario.model import KEYS


def test_schema_names_every_key_plugin_and_option() -> None:
    made = schema()
    json.dumps(made)
    assert made["$schema"].endswith("2020-12/schema")
    assert set(made["properties"]) == set(KEYS)
    assert made["required"] == ["name", "source", "transport", "load"]
    assert made["additionalProperties"] is False
    names, *described = made["$defs"]["transport"]["oneOf"]
    assert names == {"enum": ["http", "inproc", "redis-list", "redis-stream", "shm"]}
    by_kind = {one["properties"]["kind"]["const"]: one for one in described}
    assert set(by_kind["redis-list"]["properties"]) == {"kind", "depth", "url", "socket"}
    assert by_kind["shm"]["description"] == "Shared memory."
    assert by_kind["shm"]["additionalProperties"] is False


def test_schema_sweeps_and_units() -> None:
    made = schema()
    constant = next(
        one
        for one in made["$defs"]["load"]["oneOf"][1:]
        if one["properties"].get("arrival", {}).get("const") == "constant"
    )
    single, swept = constant["properties"]["rate"]["anyOf"]
    assert swept == {"type": "array", "items": single, "minItems": 1}
    assert single["examples"] == ["30/s"]
    assert constant["required"] == ["arrival", "rate"]
    blocks = made["properties"]["blocks"]["anyOf"][0]["properties"]["rounds"]
    assert (blocks["type"], blocks["default"]) == ("integer", 3)


def test_every_reference_of_the_schema_exists() -> None:
    made = schema()

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            return [node[key] for key in node if key == "$ref"] + [
                ref for value in node.values() for ref in references(value)
            ]
        return [ref for value in node for ref in references(value)] if isinstance(node, list) else []

    for reference in references(made):
        assert reference.startswith("#/$defs/")
        assert reference.removeprefix("#/$defs/") in made["$defs"], reference


def test_new_writes_what_loads(folder: Path) -> None:
    new(Path("mine/first.yaml"))
    made = load(Path("mine/first.yaml"))
    assert len(made.cells) == 3
    text = Path("mine/first.yaml").read_text(encoding="utf-8")
    for comment in ("# slo", "# exclude:", "#   - {transport: http, codec", "# include:", "#   - {source"):
        assert comment in text
        text = text.replace(
            comment, comment.replace("# ", "", 1).replace("#", "", 1) if "  -" in comment else comment[2:]
        )
    Path("all.yaml").write_text(
        text.replace("codec: raw\n", "codec: [raw, json-base64]\n", 1), encoding="utf-8"
    )
    assert len(load(Path("all.yaml")).cells) == 10


def test_new_overwrites_nothing(folder: Path) -> None:
    Path("there.yaml").write_text("mine")
    with pytest.raises(UsageError, match="the file exists"):
        new(Path("there.yaml"))
    assert Path("there.yaml").read_text() == "mine"
