"""Plug-ins: one small frozen model each, found through entry points and imported when first used.

A transport, codec, source, stage or arrival is a `Plugin`: a pydantic model whose fields are its options.
So options are validated, documented (`benchkit schema`) and picklable without a line of code of their own.
Everything that comes with benchkit is registered the way a third party registers its own (pyproject.toml).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from benchkit.errors import BenchkitError, MissingLibrary, UnknownPlugin


class Plugin(BaseModel):
    """A named choice with options; the first line of the docstring is what `benchkit list` shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)

    kind: ClassVar[str]
    """The name under which it is registered, as scenarios write it."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Modules of third parties that must be importable before it is used."""
    install: ClassVar[str] = ""
    """The command that installs them, for people."""

    @classmethod
    def lacks(cls) -> BenchkitError | None:
        """What this machine lacks for it beside `requires` (a server), with the install command; None: nothing.

        Asked where people look for what is missing. A run comes upon it when it is used: unlike a module of
        `requires`, without which a scenario is refused, it costs a cell and not the run.
        """
        return None

    def config(self) -> dict[str, Any]:
        """Kind and options as plain data, the inverse of `Registry.build`."""
        return {"kind": self.kind, **self.model_dump(mode="json")}


P = TypeVar("P", bound=Plugin)


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a plug-in without importing it."""

    kind: str
    target: str
    distribution: str
    version: str = ""
    """Of the distribution; empty where it does not say."""


def _name_and_version(of: metadata.Distribution | None) -> tuple[str, str]:
    """Read once: the file that says it holds the whole README."""
    if of is None:
        return "?", ""
    told = of.metadata
    return told["Name"] or "?", told["Version"] or ""


class Registry(Generic[P]):
    """The plug-ins of one seam; `group` is the entry-point group, `noun` what people call them."""

    def __init__(self, group: str, noun: str, base: type[Any]) -> None:
        self.group = group
        self.noun = noun
        self._base = base

    @cache  # noqa: B019  (one registry per seam lives as long as the process)
    def entries(self) -> dict[str, Entry]:
        """All registered plug-ins by kind, nothing imported."""
        found = metadata.entry_points(group=self.group)
        of = cache(_name_and_version)  # the entries of a distribution share one object
        return {
            point.name: Entry(point.name, point.value, *of(point.dist))
            for point in sorted(found, key=lambda point: point.name)
        }

    def load(self, kind: str) -> type[P]:
        """The class of `kind`; raises UnknownPlugin with the nearest name, or MissingLibrary."""
        entry = self.entries().get(kind)
        if entry is None:
            near = difflib.get_close_matches(kind, self.entries(), n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UnknownPlugin(
                f"unknown {self.noun} {kind!r}", remedy=f"{hint}known: {', '.join(self.entries())}"
            )
        module, _, attribute = entry.target.partition(":")
        try:
            cls = getattr(import_module(module), attribute)
        except ImportError as error:
            raise MissingLibrary(
                f"the {self.noun} {kind!r} of {entry.distribution} cannot be imported: {error}",
                remedy=f"install what it needs, or reinstall {entry.distribution}",
            ) from error
        except Exception as error:
            raise BenchkitError(
                f"the {self.noun} {kind!r} cannot be loaded: {type(error).__name__}: {error}",
                where=f"{entry.distribution} ({entry.target})",
                remedy=f"correct or uninstall {entry.distribution}",
            ) from error
        if not (isinstance(cls, type) and issubclass(cls, self._base)):
            raise BenchkitError(f"{entry.target} is not a {self._base.__name__}", where=entry.distribution)
        named = getattr(cls, "kind", None)
        if named != kind:
            raise BenchkitError(
                f"{entry.target} calls itself {named!r} but is registered as {kind!r}",
                where=entry.distribution,
            )
        return cls

    def build(self, config: dict[str, Any]) -> P:
        """A plug-in from plain data: `{"kind": ..., option: value}`; raises pydantic.ValidationError."""
        options = dict(config)
        return self.require(options.pop("kind")).model_validate(options)

    def require(self, kind: str) -> type[P]:
        """Like `load`, and its libraries are importable; else MissingLibrary with the install command."""
        cls = self.load(kind)
        for module in cls.requires:
            try:
                import_module(module)
            except ImportError as error:
                raise MissingLibrary(
                    f"the {self.noun} {kind!r} needs {error.name or module}",
                    remedy=cls.install or f"pip install {module}",
                ) from error
        return cls
