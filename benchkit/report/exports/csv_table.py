"""One figure a line, for spreadsheets and data frames; figures of invalid cells are there and marked."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import astuple, fields

from benchkit.report.exports import Figures
from benchkit.report.exports.measures import Measure, measures


def export(source: Figures) -> Iterator[str]:
    """A head and the rows (RFC 4180)."""
    yield _line([field.name for field in fields(Measure)])
    for each in measures(source):
        yield _line([safe(value) for value in astuple(each)])


def _line(values: list[object]) -> str:
    told = io.StringIO()
    csv.writer(told).writerow(values)
    return told.getvalue()


def safe(value: object) -> object:
    """A text that a spreadsheet would take for a formula is told apart (OWASP, CSV injection)."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return (
        f"'{value}"
        if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
        else value
    )
