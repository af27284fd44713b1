"""GitHub's workflow commands: findings as annotations beside the scenario's text.

A step may show ten errors, ten warnings and ten notices (GitHub, "Workflow commands"; limits of annotations), so the
last of ten says how many more there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchkit.report.exports import Figures
from benchkit.report.exports.findings import Finding, findings

_MOST: Final = 10


def export(source: Figures) -> Iterator[str]:
    """`::error file=...,title=...::message`, one a line."""
    found = findings(source)
    for level in ("error", "warning", "notice"):
        own = [each for each in found if each.level == level]
        yield from _commands(own)


def _commands(found: Sequence[Finding]) -> Iterator[str]:
    shown = found if len(found) <= _MOST else found[: _MOST - 1]
    for each in shown:
        about = f"{each.cell}: " if each.cell else ""
        remedy = f"; {each.remedy}" if each.remedy else ""
        yield _command(each, f"benchkit {each.scenario}: {each.code}", f"{about}{each.what}{remedy}")
    if len(found) > len(shown):
        yield _command(found[-1], "benchkit", f"and {len(found) - len(shown)} more; see the step's summary")


def _command(each: Finding, title: str, message: str) -> str:
    options = {"file": each.file, "title": title}
    told = ",".join(f"{name}={_option(value)}" for name, value in options.items() if value)
    return f"::{each.level} {told}::{_message(message)}\n"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _option(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
