"""What the whole source must not contain, looked for in its syntax trees: a rule holds for tomorrow's files too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import benchkit

ROOT = Path(benchkit.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
EXECUTING_MODULES = {
    "pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle", "code",
}  # fmt: skip
ARCHIVES = {"zipfile", "tarfile", "zipimport"}
"""Paths within an archive would need rules of their own."""
SHELLS = {("os", "system"), ("os", "popen"), ("subprocess", "getoutput"), ("subprocess", "getstatusoutput")}
YAML_LOADERS = {"load", "load_all", "full_load", "full_load_all", "unsafe_load", "unsafe_load_all"}
CLIENTS = {
    "urllib.request": set(),
    "http.client": {"transports/_kserve/server.py", "alerts/sinks/posting.py", "watch/rabbitmq_api.py"},
    "requests": {"exchange/recipes/http_clients.py"},
    "httpx": {"exchange/recipes/http_clients.py"},
    "aiohttp": set(),
}
"""Which files speak HTTP by a library; each says in its own tests that it goes nowhere else."""


LOOKED_AT = (ast.Import, ast.ImportFrom, ast.Call, ast.Attribute, ast.List, ast.Tuple)


@cache
def _source() -> list[tuple[str, ast.AST]]:
    """Where, and every node of a kind that a rule looks at: the files are read and walked once."""
    return [
        (f"{path.relative_to(ROOT.parent)}:{getattr(node, 'lineno', 0)}", node)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path)))
        if isinstance(node, LOOKED_AT)
    ]


def _nodes(*kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    assert set(kinds) <= set(LOOKED_AT)
    return ((where, node) for where, node in _source() if isinstance(node, kinds))


def _imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    assert isinstance(node, ast.ImportFrom)
    return {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}


def _calls() -> Iterator[tuple[str, ast.Call, str, str]]:
    """Where, the call, and what is called: `module.name` as far as it is written so."""
    for where, node in _nodes(ast.Call):
        assert isinstance(node, ast.Call)
        called = node.func
        if isinstance(called, ast.Attribute):
            owner = called.value
            yield where, node, owner.id if isinstance(owner, ast.Name) else "", called.attr
        elif isinstance(called, ast.Name):
            yield where, node, "", called.id


def _says(node: ast.Call, name: str, value: object) -> bool:
    given = {word.arg: word.value for word in node.keywords}.get(name)
    return isinstance(given, ast.Constant) and given.value is value


def test_the_source_is_there_to_be_looked_at() -> None:
    assert len(FILES) > 400
    assert sum(1 for _ in _calls()) > 5000


@pytest.mark.parametrize("forbidden", [EXECUTING_MODULES, ARCHIVES], ids=["executing", "archives"])
def test_no_module_is_imported_that_runs_what_it_reads(forbidden: set[str]) -> None:
    found = [
        where for where, node in _nodes(ast.Import, ast.ImportFrom)
        if {name.partition(".")[0] for name in _imported(node)} & forbidden
    ]  # fmt: skip
    assert found == []


def test_nothing_is_evaluated_compiled_or_executed() -> None:
    found = [
        where for where, _, owner, name in _calls()
        if not owner and name in {"eval", "exec", "compile", "__import__", "execfile"}
    ]  # fmt: skip
    assert found == []


def test_no_shell_is_started() -> None:
    shells = [where for where, node, owner, name in _calls() if (owner, name) in SHELLS]
    for where, node in _nodes(ast.Call):
        assert isinstance(node, ast.Call)
        shells += [where for word in node.keywords if word.arg == "shell"]
    assert shells == []


def test_numpy_never_loads_objects() -> None:
    """`numpy.load` allows objects where it is told to; `memmap`, `fromfile` and `lib.format` here are given dtypes."""
    allowed = [where for where, node, _, _ in _calls() if _says(node, "allow_pickle", True)]
    bare = [where for where, node, owner, name in _calls()
            if owner in {"np", "numpy"} and name == "load" and not _says(node, "allow_pickle", False)]  # fmt: skip
    assert (allowed, bare) == ([], [])


def test_yaml_is_composed_or_dumped_and_never_made_into_objects() -> None:
    found = [where for where, node, owner, name in _calls() if owner == "yaml" and name in YAML_LOADERS]
    assert found == []
    loaders = [where for where, node in _nodes(ast.Attribute)
               if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "yaml"
               and "Loader" in node.attr and "Safe" not in node.attr]  # fmt: skip
    assert loaders == []


@pytest.mark.parametrize("library", CLIENTS)
def test_only_these_files_speak_http_by_a_library(library: str) -> None:
    found = {
        where.partition("/")[2].partition(":")[0] for where, node in _nodes(ast.Import, ast.ImportFrom)
        if any(name == library or name.startswith(f"{library}.") for name in _imported(node))
    }  # fmt: skip
    assert found <= CLIENTS[library]


def test_a_module_of_benchkit_is_never_run_with_the_present_folder_in_its_path() -> None:
    """`python -m` puts the present folder first; a file json.py in a project that is measured would be imported."""
    bare = []
    for where, node in _nodes(ast.List, ast.Tuple):
        assert isinstance(node, (ast.List, ast.Tuple))
        words = [each.value if isinstance(each, ast.Constant) else None for each in node.elts]
        if "-m" in words and "-P" not in words[: words.index("-m")]:
            bare.append(where.partition(":")[0])
    # Two run other trees by design (the gate) or pip; one says the whole path itself.
    assert set(bare) == {
        "benchkit/gate/runs.py",
        "benchkit/gate/environments.py",
        "benchkit/testing/workers.py",
    }


def test_images_are_opened_as_one_of_a_list_of_formats() -> None:
    """Pillow goes by the content: it would run Ghostscript on an EPS file that is called frame.png."""
    found = [
        where for where, node, owner, name in _calls() if owner in {"Image", "Pillow"} and name == "open"
    ]
    named = [where for where, node, owner, name in _calls() if owner in {"Image", "Pillow"} and name == "open"
             and any(word.arg == "formats" for word in node.keywords)]  # fmt: skip
    assert found == named
    assert len(found) >= 4


def test_the_threat_model_names_tests_that_are_there() -> None:
    named = set(re.findall(r"test_[a-z0-9_]+\.py", (ROOT.parent / "SECURITY.md").read_text("utf-8")))
    there = {path.name for path in (ROOT.parent / "tests").rglob("test_*.py")}
    assert len(named) > 15
    assert named <= there
