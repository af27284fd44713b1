"""What a finished run means for the shell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchkit.analysis.outcome import broken, needed_failed, promise_open, undecided

DONE, BROKEN, INVALID, FAILED, INTERRUPTED = 0, 1, 3, 4, 130
READER_GONE = 141
"""What a shell reports of a program whose output nobody reads any more (SIGPIPE)."""


def code_of(documents: Sequence[dict[str, Any]], planned: int) -> int:
    """The gravest of: interrupted, something needed failed, nothing valid to decide by, a promise broken or open.

    `planned` is how many runs there should have been.
    """
    if len(documents) < planned or any(document["interrupted"] for document in documents):
        return INTERRUPTED
    if any(needed_failed(document) for document in documents):
        return FAILED
    if any(undecided(document) for document in documents):
        return INVALID
    if any(broken(document) for document in documents):
        return BROKEN
    return INVALID if any(promise_open(document) for document in documents) else DONE
