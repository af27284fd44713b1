"""Plug-ins are found by name, and a broken one is an error for people."""

from __future__ import annotations

import sys
from importlib import metadata
from multiprocessing import Pipe
from typing import ClassVar

import pytest
from pydantic import ValidationError

from benchkit import plugins
from benchkit.errors import BenchkitError, MissingLibrary, UnknownPlugin
from benchkit.plugins import Plugin, Registry
from benchkit.stages.base import registry as stages
from benchkit.tensors.codecs.base import registry as codecs

MODULE = '''
from typing import ClassVar
from benchkit.plugins import Plugin

class Good(Plugin):
    """Works."""
    kind: ClassVar[str] = "good"
    size: int = 3

class Misnamed(Plugin):
    kind: ClassVar[str] = "other"

class Nameless(Plugin):
    pass

class Hungry(Plugin):
    kind: ClassVar[str] = "hungry"
    requires: ClassVar[tuple[str, ...]] = ("surely_not_installed",)
    install: ClassVar[str] = "pip install surely"

number = 3
'''
TARGETS = {
    "good": "some_plugins:Good", "wrong-kind": "some_plugins:Misnamed", "nameless": "some_plugins:Nameless",
    "hungry": "some_plugins:Hungry", "number": "some_plugins:number", "no-class": "some_plugins:Absent",
    "no-module": "surely_not_installed:Thing", "broken": "broken_plugins:Thing",
}  # fmt: skip


@pytest.fixture
def registry(tmp_path, monkeypatch):
    (tmp_path / "some_plugins.py").write_text(MODULE)
    (tmp_path / "broken_plugins.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "some_plugins", raising=False)
    points = [metadata.EntryPoint(name, target, "tests") for name, target in TARGETS.items()]
    monkeypatch.setattr(plugins.metadata, "entry_points", lambda group: points)
    return Registry("tests", "thing", Plugin)


def test_options_are_validated_and_come_back(registry):
    made = registry.build({"kind": "good", "size": 5})
    assert made.config() == {"kind": "good", "size": 5}
    assert registry.build(made.config()) == made
    with pytest.raises(ValidationError):
        registry.build({"kind": "good", "sise": 5})
    with pytest.raises(ValidationError):
        made.size = 6


def test_a_misspelt_name_gets_the_nearest(registry):
    with pytest.raises(UnknownPlugin, match="unknown thing 'godo'") as caught:
        registry.load("godo")
    assert "did you mean 'good'" in caught.value.remedy


def test_a_missing_library_gets_its_install_command(registry):
    with pytest.raises(MissingLibrary) as caught:
        registry.require("hungry")
    assert caught.value.remedy == "pip install surely"


@pytest.mark.parametrize("kind", ["wrong-kind", "nameless", "number", "no-class", "no-module", "broken"])
def test_a_broken_plugin_is_an_error_for_people(registry, kind):
    with pytest.raises(BenchkitError):
        registry.load(kind)


@pytest.mark.parametrize("registry", [codecs, stages], ids=lambda registry: registry.group)
def test_what_comes_with_benchkit_is_registered_and_travels_to_other_processes(registry):
    ours = [entry for entry in registry.entries().values() if entry.target.startswith("benchkit.")]
    options = {"synthetic": {"service": "1ms"}, "python": {"target": "a:b"}, "onnx": {"model": "m.onnx"}}
    here, there = Pipe()
    for entry in ours:
        made = registry.build({"kind": entry.kind, **options.get(entry.kind, {})})
        here.send(made)
        assert there.recv() == made
        assert registry.build(made.config()) == made
        assert made.__doc__
        assert type(made).kind == entry.kind
    here.close()
    there.close()


def test_kinds_are_class_variables_not_options():
    class Thing(Plugin):
        kind: ClassVar[str] = "thing"

    assert "kind" not in Thing.model_fields
