"""Markdown for a pull request's comment and for the summary of a GitHub step.

Verdict first, then what changed, then what was found, then the figures. What a cell is called comes from files, so it
is written as text and never as markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from benchkit.report.exports import Figures
from benchkit.report.exports.findings import RULES, Finding, findings
from benchkit.units import show_us

Entry = Mapping[str, Any]
_MOST_ROWS: Final = 60
MOST_BYTES: Final = 60_000
"""A comment may have 65,536 characters."""
_IN_TABLES: Final = frozenset({"regression", "slower", "undecided", "improved"})
_SIGNS: Final = {"FAIL": "❌", "WARN": "⚠️", "INCONCLUSIVE": "❔", "PASS": "✅"}
_LEVELS: Final = {"error": "❌", "warning": "⚠️", "notice": "ℹ️"}  # noqa: RUF001  (a sign, not a letter)
_SPECIAL: Final = str.maketrans(
    {**{sign: f"\\{sign}" for sign in "\\`*_{}[]()#+!|~>$"}, "<": "&lt;", "&": "&amp;", "@": "&#64;",
     "\n": " ", "\r": " "}
)  # fmt: skip


def export(source: Figures) -> Iterator[str]:
    """The text, cut where a comment would be too long."""
    left = MOST_BYTES
    for piece in _pieces(source):
        left -= len(piece.encode())
        if left < 0:
            yield "\n(The rest is left out; the run's report has all of it.)\n"
            return
        yield piece


def _pieces(source: Figures) -> Iterator[str]:
    # Rows and reasons of comparisons stand in their tables.
    found = [each for each in findings(source) if each.code not in _IN_TABLES]
    for each in source.comparisons:
        yield from _comparison(each)
    if found:
        yield "\n### What was found\n\n"
        yield from (_finding(each) for each in found[:_MOST_ROWS])
        if len(found) > _MOST_ROWS:
            yield f"- and {len(found) - _MOST_ROWS} more\n"
    for run in source.runs:
        yield from _run(run)


def _comparison(found: Entry) -> Iterator[str]:
    against = found.get("base", {}).get("told") or "the stored baseline"
    yield f"\n## {_SIGNS[found['verdict']]} {found['verdict']}: {_text(found['scenario'])} against {_text(against)}\n\n"
    yield from (f"- {_text(reason)}\n" for reason in found["reasons"])
    rows = [row for row in found["rows"] if row.get("change") is not None]
    if not rows:
        return
    yield "\n| | cell | metric | change | 95% interval | allowed |\n|---|---|---|---:|---:|---:|\n"
    for row in rows[:_MOST_ROWS]:
        interval = row.get("interval")
        within = f"{_change(interval[0])} to {_change(interval[1])}" if interval else ""
        better = " (better)" if row["improved"] else ""
        yield (
            f"| {_SIGNS[row['verdict']]} | {_text(row['cell'])} | {_text(row['metric'])} | {_change(row['change'])}"
            f"{better} | {within} | {row['delta']:.0%} |\n"
        )
    if len(rows) > _MOST_ROWS:
        yield f"\nand {len(rows) - _MOST_ROWS} more rows\n"


def _finding(each: Finding) -> str:
    about = f"{_text(each.cell)}: " if each.cell else ""
    remedy = f" *{_text(each.remedy)}*" if each.remedy else ""
    return f"- {_LEVELS[each.level]} {about}{_text(each.what)} ({RULES[each.code]}){remedy}\n"


def _run(run: Entry) -> Iterator[str]:
    name = _text(str(run["scenario"].get("name") or "run"))
    quick = " (quick)" if run["quick"] else ""
    yield f"\n## {name}{quick}\n\n"
    yield from (f"{_text(line)}\n\n" for line in _lines(run.get("answer")))
    yield "| cell | p50 | p99 | messages/s | valid |\n|---|---:|---:|---:|---|\n"
    for cell in run["cells"][:_MOST_ROWS]:
        latency = cell["latency_us"]
        codes = ", ".join(each["code"] for each in cell["validity"]["reasons"])
        valid = "yes" if cell["validity"]["valid"] else f"no: {_text(codes)}"
        rate = cell["throughput"]["messages_per_s"]
        yield (
            f"| {_text(cell['id'])} | {show_us(latency['p50'])} | {show_us(latency['p99'])} | {rate:.4g} | {valid} |\n"
        )
    if len(run["cells"]) > _MOST_ROWS:
        yield f"\nand {len(run['cells']) - _MOST_ROWS} more cells\n"


def _lines(answer: Sequence[str] | None) -> Sequence[str]:
    return (answer or ())[:4]


def _change(value: float | None) -> str:
    return "?" if value is None else f"{value:+.1%}"


def _text(text: str) -> str:
    return str(text).translate(_SPECIAL)
