"""Fonts for languages whose letters the charts' own font lacks.

An SVG names the fonts that readers' systems have, as the page does. A PNG is painted here and needs a font that this
machine has; where there is none its words must be in another language, for a box in place of a letter says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from logging import getLogger
from typing import Final

from benchkit.words import spoken


@dataclass(frozen=True, slots=True)
class Script:
    """Fonts of one language, the preferred one first."""

    readers: str
    """What an SVG names, as CSS."""
    painters: tuple[str, ...]
    """Families that a PNG may be painted with."""
    files: str
    """Files of such families: a list of fonts that was made before one was installed lacks it."""
    install: str
    """A package that has one."""


_SCRIPTS: Final[Mapping[str, Script]] = {
    "ko": Script(
        readers="'Apple SD Gothic Neo', 'Malgun Gothic', 'Noto Sans KR', 'Noto Sans CJK KR', NanumGothic",
        painters=(
            "Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "NanumBarunGothic", "Malgun Gothic",
            "Apple SD Gothic Neo", "AppleGothic", "Noto Sans CJK JP", "UnDotum",
        ),
        files=r"(?i)(nanum(barun)?gothic|notosans(cjk|kr)|malgun|applesdgothic|undotum)[^/]*[.](tt[cf]|otf)$",
        install="fonts-nanum",
    ),
}  # fmt: skip


def script() -> Script | None:
    """Of the language that is spoken; None where the charts' own font has its letters."""
    return _SCRIPTS.get(spoken())


def painter() -> str | None:
    """A family of this machine with the letters of the language that is spoken; None where there is none."""
    wanted = script()
    return _found(wanted) if wanted else None


def paintable() -> bool:
    """Pictures can have words in the language that is spoken."""
    return script() is None or painter() is not None


@cache
def _found(wanted: Script) -> str | None:
    from matplotlib.font_manager import fontManager

    # A family may call its bold one semibold: that is told once for each weight, and is no news to anybody.
    getLogger("matplotlib.font_manager").addFilter(lambda told: "Failed to find font weight" not in told.msg)
    if not any(each.name in wanted.painters for each in fontManager.ttflist):
        _add(wanted)
    known = {each.name for each in fontManager.ttflist}
    return next((name for name in wanted.painters if name in known), None)


def _add(wanted: Script) -> None:
    from matplotlib.font_manager import findSystemFonts, fontManager

    for path in findSystemFonts():
        if re.search(wanted.files, path):
            fontManager.addfont(path)
