"""The team's figures as CSV: one figure a line (RFC 4180)."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from benchkit.analysis.kpi.figures import rows
from benchkit.report.exports.csv_table import safe


def as_csv(told: Mapping[str, Any]) -> str:
    """A head and the rows; an unknown figure is empty."""
    made = io.StringIO()
    writer = csv.writer(made)
    writer.writerow([told["by"], "figure", "of", "value", "unit", "n"])
    writer.writerows([safe(value) for value in row] for row in rows(told))
    return made.getvalue()
