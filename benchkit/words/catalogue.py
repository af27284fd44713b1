"""Catalogues: what each template is in another language, read from gettext's .po files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from benchkit.errors import UsageError

ENGLISH: Final = "en"
_DOMAIN: Final = "benchkit.po"


@cache
def languages() -> tuple[str, ...]:
    """What can be spoken, by code: English first, the others by alphabet."""
    home = files("benchkit") / "locale"
    found = (each.name for each in home.iterdir() if (each / "LC_MESSAGES" / _DOMAIN).is_file())
    return ENGLISH, *sorted(found)


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Translations by template; empty for English. Raises UsageError for a language that nobody wrote."""
    if language == ENGLISH:
        return {}
    if language not in languages():
        raise UsageError(
            f"no report can be written in {language!r}",
            where="--lang",
            remedy=f"use one of: {', '.join(languages())}",
        )
    import polib

    path = files("benchkit") / "locale" / language / "LC_MESSAGES" / _DOMAIN
    entries = polib.pofile(path.read_text("utf-8"))
    return {each.msgid: each.msgstr for each in entries if each.translated()}
