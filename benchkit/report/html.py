"""report.html: one file that asks the network for nothing, runs nothing and escapes everything."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from benchkit.report.charts import palette
from benchkit.report.story import COLUMNS, Story


def html(story: Story, charts: Mapping[str, str], commands: Sequence[str]) -> str:
    """The page; `charts` holds the inline SVG of every chart by name, their ids already unique."""
    css = style()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            story=story,
            columns=COLUMNS,
            commands=commands,
            css=Markup(css),  # noqa: S704  (made of the package's own template and palette)
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
            svg={name: Markup(each) for name, each in charts.items()},  # noqa: S704  (ElementTree escapes)
        )
    )


@cache
def style() -> str:
    """The page's only style sheet; on dark ground it exchanges the charts' colours for their twins."""
    twins = palette.dark_twins()
    grounds = {
        name: twins[color]
        for name, color in (
            ("ink", palette.INK), ("quiet", palette.QUIET), ("ground", palette.GROUND),
            ("shade", palette.SHADE), ("grid", palette.GRID), ("alarm", palette.ALARM),
        )
    }  # fmt: skip
    return _environment().get_template("report.css.jinja").render(twins=twins, **grounds)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("benchkit.report", "templates"),
        autoescape=select_autoescape(enabled_extensions=("html.jinja",), default=False),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
