"""report.md: an architecture decision record; every value is escaped unless it is Markdown by its type."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Undefined

from benchkit.report.story import COLUMNS, Story

_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|~&#!$])")
_MARKER: Final = re.compile(r"^([-+=]|[0-9]+[.)](?=\s|$))")
_LINK: Final = re.compile(r"(?i)(?<=[a-z])(://)|(?<=\bwww)(\.)")
_AT: Final = re.compile(r"@(?=[A-Za-z0-9])")


class Markdown(str):
    """Text that is Markdown already."""

    __slots__ = ()


def markdown(story: Story, files: Mapping[str, str], commands: Sequence[str]) -> str:
    """The document; `files` holds the relative path of every chart's picture by name."""
    return written(
        "report.md.jinja",
        story=story,
        columns=COLUMNS,
        commands=commands,
        files={name: Markdown(path) for name, path in files.items()},
    )


def written(template: str, **words: Any) -> str:
    """A document of the package's templates; what it shows is escaped unless it is Markdown by its type."""
    return _environment().get_template(template).render(**words, block=block)


def escape(value: Any) -> Any:
    """The value as words: no markup, HTML, link or mention; line breaks become spaces."""
    if isinstance(value, (Markdown, Undefined)):
        return value
    line = " ".join(str(value).split())
    line = _SPECIAL.sub(r"\\\1", line)
    line = _MARKER.sub(lambda match: f"{match[0][:-1]}\\{match[0][-1]}", line)
    line = _LINK.sub(lambda match: f"\\{match[0]}", line)
    return _AT.sub("@\u200b", line)  # a zero-width space: a forge would notify whoever is called like this


def block(text: str, language: str) -> Markdown:
    """A block of code, its fence longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return Markdown(f"{fence}{language}\n{text.rstrip()}\n{fence}")


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("benchkit.report", "templates"),
        autoescape=False,  # noqa: S701  (no HTML: `finalize` escapes for Markdown)
        finalize=escape,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
