"""Every mistake of malformed.txt is reported with exactly these words at exactly this place.

The file holds, for each case: `=== title | --set ... | --only ...`, the scenario, `--- says`, the message.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from benchkit.errors import ScenarioError
from benchkit.scenario import load
from benchkit.scenario.plan import Plan

Planner = Callable[..., Plan]


class Case(NamedTuple):
    title: str
    text: str
    sets: list[str]
    only: list[str]
    said: str


def _cases() -> list[Case]:
    found = []
    for part in Path(__file__).with_name("malformed.txt").read_text(encoding="utf-8").split("=== ")[1:]:
        head, _, rest = part.partition("\n")
        title, *arguments = head.split(" | ")
        text, _, said = rest.partition("--- says\n")
        options = [argument.partition(" ")[::2] for argument in arguments]
        sets = [value for name, value in options if name == "--set"]
        only = [value for name, value in options if name == "--only"]
        found.append(Case(title, text, sets, only, said.strip()))
    return found


CASES = _cases()


def test_the_table_is_a_table() -> None:
    assert len({case.title for case in CASES}) == len(CASES) >= 100


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_says(case: Case, plan: Planner) -> None:
    with pytest.raises(ScenarioError) as caught:
        plan(case.text, sets=case.sets, only=case.only)
    assert str(caught.value) == case.said
    assert "hunter2" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("dma.yaml", None, "dma.yaml: no such file\n    did you mean 'dam.yaml'? in '.': dam.yaml"),
        ("nowhere/dam.yaml", None, "nowhere/dam.yaml: no such file\n    there is no folder 'nowhere'"),
        (".", None, ".: is a folder, not a scenario file\n    in '.': dam.yaml"),
        ("dam.yaml/x", None, "dam.yaml/x: no such file\n    there is no folder 'dam.yaml'"),
        (
            "utf16.yaml",
            "name: dam".encode("utf-16"),
            "utf16.yaml:1:1: is not UTF-8 text\n    save the file as UTF-8",
        ),
        (
            "latin.yaml",
            b"name: dam\nx: d\xe4m",
            "latin.yaml:2:5: is not UTF-8 text\n    save the file as UTF-8",
        ),
        ("big.yaml", b"#" * 256_001, "big.yaml: is larger than 256 kB\n    is it a scenario?"),
        ("nul\0.yaml", None, "nul\0.yaml: no such file\n    did you mean 'dam.yaml'? in '.': dam.yaml"),
    ],
)
def test_files(name: str, data: bytes | None, said: str, folder: Path) -> None:
    Path("dam.yaml").touch()
    if data is not None:
        Path(name).write_bytes(data)
    with pytest.raises(ScenarioError) as caught:
        load(Path(name))
    assert str(caught.value) == said


def test_a_byte_order_mark_is_let_pass(plan: Planner) -> None:
    assert plan(
        "\ufeffname: dam\nsource: camera\ntransport: http\nload: {arrival: closed, in_flight: 2}\n"
    ).cells
