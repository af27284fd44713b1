"""The rows of the CSV as columns with types (Apache Parquet); the library is pyarrow."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from benchkit.errors import MissingLibrary
from benchkit.report.exports import Figures
from benchkit.report.exports.measures import Measure, measures

_TYPES = {"str": "string", "bool": "bool_", "float": "float64", "float | None": "float64", "Better": "string"}


def export(source: Figures) -> Iterator[bytes]:
    """The whole file; raises MissingLibrary."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingLibrary(
            "the format 'parquet' needs pyarrow", remedy="pip install 'benchkit[parquet]'"
        ) from error
    rows = list(measures(source))
    columns = [(field.name, getattr(pa, _TYPES[str(field.type)])()) for field in fields(Measure)]
    schema: Any = pa.schema(columns, metadata={"schema": "benchkit.figures/1"})
    table = pa.table({name: [getattr(row, name) for row in rows] for name, _ in columns}, schema=schema)
    written = io.BytesIO()
    parquet.write_table(table, written)
    yield written.getvalue()
