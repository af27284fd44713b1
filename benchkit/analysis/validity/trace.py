"""What the files of a traced system do not tell."""

from __future__ import annotations

from collections.abc import Iterator

from benchkit.analysis.validity.facts import Facts, Reason, reason


def gaps(facts: Facts) -> Iterator[Reason]:
    """Each named where its figures are read: what is missing is counted, and never guessed."""
    for gap in facts.cell.gaps:
        yield reason(gap.code, gap.what, remedy=gap.remedy)
