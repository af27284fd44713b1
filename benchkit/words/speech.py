"""Saying a template in the language that is spoken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from benchkit.words.catalogue import ENGLISH, catalogue


@dataclass(frozen=True, slots=True)
class Speech:
    """A language and its catalogue."""

    language: str
    templates: Mapping[str, str]


_ENGLISH: Final = Speech(ENGLISH, MappingProxyType({}))
_NOW: Final[ContextVar[Speech]] = ContextVar("benchkit_speech", default=_ENGLISH)


def say(template: str, /, **fields: object) -> str:
    """The template in the language that is spoken, filled in as `str.format` does.

    One that the catalogue lacks is said in English.
    """
    return _NOW.get().templates.get(template, template).format(**fields)


def word(template: str) -> str:
    """The template itself, noted for the catalogue: tables of words are made before anybody speaks."""
    return template


def spoken() -> str:
    """The code of the language that is spoken."""
    return _NOW.get().language


def translates() -> bool:
    """Another language than English is spoken."""
    return bool(_NOW.get().templates)


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Whatever is said inside is said in this language; UsageError for one that nobody wrote."""
    token = _NOW.set(Speech(language, catalogue(language)))
    try:
        yield
    finally:
        _NOW.reset(token)
