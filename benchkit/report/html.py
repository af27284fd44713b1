"""report.html: one file that asks the network for nothing, runs one script of its own, and escapes everything.

Its Content-Security-Policy names the style sheet and the script by their hashes: nothing else that finds its way
into the page is applied or run, not even a style attribute. Without the script everything is there to read.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from benchkit.report.charts import palette
from benchkit.report.excerpt import excerpt
from benchkit.report.story import COLUMNS, Story

_QUANTITY: Final = re.compile(r"(?<=\d) (?=(?:us|ms|s|min|h|B|kB|MB|GB)\b)")


def html(story: Story, charts: Mapping[str, str], commands: Sequence[str], kept: Collection[str] = ()) -> str:
    """The page; `charts` holds the inline SVG of every chart by name, their ids already unique.

    `kept` are the paths, relative to the page, of records that lie beside it: these are links, others are words.
    """
    return page(
        "report.html.jinja",
        charts,
        story=story,
        columns=COLUMNS,
        commands=commands,
        kept=frozenset(kept),
    )


def page(template: str, charts: Mapping[str, str], *more: str, **words: Any) -> str:
    """A page of the package's templates and what it says; `more` are scripts of its own beside the common one.

    `charts` holds inline SVG by name, their ids already unique. A template gets `css`, `js`, `scripts`, `policy`
    and `svg` beside `words`; whatever else it shows is escaped.
    """
    css, js = style(), script()
    scripts = [_file(name) for name in more]
    run = " ".join(map(_hash, (js, *scripts)))
    return (
        _environment()
        .get_template(template)
        .render(
            **words,
            css=Markup(css),  # noqa: S704  (made of the package's own template and palette)
            js=Markup(js),  # noqa: S704  (a file of the package)
            scripts=[Markup(each) for each in scripts],  # noqa: S704  (files of the package)
            policy=f"default-src 'none'; style-src {_hash(css)}; script-src {run}; "
            "base-uri 'none'; form-action 'none'",
            svg={name: Markup(each) for name, each in charts.items()},  # noqa: S704  (ElementTree escapes)
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def style() -> str:
    """The page's only style sheet; on dark ground it exchanges the charts' colours for their twins."""
    twins = palette.dark_twins()
    grounds = {
        name: (color, twins[color])
        for name, color in (
            ("ink", palette.INK), ("quiet", palette.QUIET), ("ground", palette.GROUND),
            ("shade", palette.SHADE), ("grid", palette.GRID), ("alarm", palette.ALARM),
        )
    }  # fmt: skip
    return _environment().get_template("report.css.jinja").render(twins=twins, grounds=grounds)


@cache
def script() -> str:
    """The page's only script: sorting, filtering, exact values, enlarging, light and dark."""
    return _file("report.js")


@cache
def _file(name: str) -> str:
    return files("benchkit.report").joinpath("templates", name).read_text("utf-8")


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("benchkit.report", "templates"),
        autoescape=select_autoescape(enabled_extensions=("html.jinja",), default=False),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["together"] = _together
    made.filters["excerpt"] = excerpt
    return made


def _together(words: str) -> str:
    """A number and its unit stay on one line."""
    return _QUANTITY.sub("\u00a0", words)
