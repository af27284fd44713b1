"""Timestamps in text, CSV or JSON Lines.

Numbers are read as decimals, not as floats: an epoch stamp in nanoseconds has 19 digits, a float 16.
"""

from __future__ import annotations

import csv
import json
from array import array
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchkit.errors import UsageError
from benchkit.load._trace.layout import MAX_NS, MAX_STAMPS, NS, Layout, Stamps, bad

_MAX_DIGITS: Final = 30


def _disorder(path: Path, line: int, unit_ns: int, back_ns: int) -> UsageError:
    back = f"{Decimal(back_ns) / unit_ns:f}"
    return bad(path, line, f"is {back} earlier than the stamp before it", "sort the file by time")


def _collect(path: Path, unit_ns: int, cells: Iterator[tuple[int, Any]]) -> Stamps:
    """Numbers with their lines -> nanoseconds since the first."""
    found = array("q")
    first = before = 0
    for line, cell in cells:
        moment = _nanoseconds(path, line, cell, unit_ns)
        if not found:
            first = before = moment
        if moment < before:
            raise _disorder(path, line, unit_ns, before - moment)
        if moment - first > MAX_NS:
            raise bad(
                path,
                line,
                "is more than 146 years after the first stamp",
                "set `unit` to what the stamps count",
            )
        if len(found) == MAX_STAMPS:
            raise bad(
                path, line, f"is beyond the {MAX_STAMPS} stamps that a trace may have", "cut a part out of it"
            )
        found.append(moment - first)
        before = moment
    return np.frombuffer(found, np.int64).copy() if found else np.empty(0, np.int64)


def _nanoseconds(path: Path, line: int, cell: Any, unit_ns: int) -> int:
    try:
        number = cell if isinstance(cell, Decimal) else Decimal(cell.strip())
    except (InvalidOperation, AttributeError):
        shown = repr(cell)[:40]
        raise bad(
            path, line, f"{shown} is not a number", "write stamps as numbers and say their `unit`"
        ) from None
    if not number.is_finite():
        raise bad(path, line, f"{number} is not a moment", "remove the line")
    if number.adjusted() > _MAX_DIGITS:
        raise bad(path, line, f"{str(number)[:40]} is out of range", "correct the line")
    return round(number * unit_ns)


def csv_stamps(path: Path, layout: Layout) -> Stamps:
    """The stamps of a column."""
    return _collect(path, NS[layout.unit], _csv_cells(path, layout.column))


def _csv_cells(path: Path, column: str | int | None) -> Iterator[tuple[int, str]]:
    """The column's cells with their lines; a first row that holds no number there is the header."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, strict=True)
        place: int | None = None
        while True:
            try:
                row = next(rows, None)
            except (csv.Error, UnicodeDecodeError) as error:
                what = str(error) if isinstance(error, csv.Error) else "is not UTF-8 text"
                raise bad(path, rows.line_num + 1, what, "save the trace as CSV in UTF-8") from None
            if row is None:
                return
            if not any(cell.strip() for cell in row):
                continue
            if place is None:
                place = _column(path, rows.line_num, row, column)
                if isinstance(column, str) or (place < len(row) and not _is_number(row[place])):
                    continue
            if place >= len(row):
                raise bad(path, rows.line_num, f"has no column {place + 1}", "complete or remove the line")
            yield rows.line_num, row[place]


def _column(path: Path, line: int, row: list[str], column: str | int | None) -> int:
    names = [cell.strip() for cell in row]
    if isinstance(column, str) and column in names:
        return names.index(column)
    if isinstance(column, int) and column <= len(row):
        return column - 1
    if column is None and len(row) == 1:
        return 0
    wanted = f"has no column {column!r}" if column is not None else f"has {len(row)} columns"
    known = ", ".join(name[:20] for name in names[:12])
    raise bad(path, line, wanted, f"set `column` to one of: {known}; or to its number, from 1")


def _is_number(text: str) -> bool:
    try:
        Decimal(text.strip())
    except InvalidOperation:
        return False
    return True


def jsonl_stamps(path: Path, layout: Layout) -> Stamps:
    """The stamps of one value a line: a number, or an object that has it under a key."""
    return _collect(path, NS[layout.unit], _jsonl_cells(path, layout.key))


def _jsonl_cells(path: Path, key: str | None) -> Iterator[tuple[int, Any]]:
    with path.open("rb") as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                value = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal)
            except (ValueError, RecursionError, InvalidOperation):  # the last of a number's exponent
                raise bad(path, line, "is not JSON", "write one JSON value a line") from None
            if isinstance(value, dict):
                if key is None or key not in value:
                    known = ", ".join(repr(name[:20]) for name in list(value)[:12])
                    wanted = f"has no {key!r}" if key is not None else "is an object"
                    raise bad(
                        path, line, wanted, f"set `key` to one of: {known}" if known else "complete the line"
                    )
                value = value[key]
            elif key is not None:
                raise bad(path, line, f"is no object with {key!r}", "remove `key`, or write objects")
            yield line, value
