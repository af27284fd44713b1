"""What a finished run means for the shell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

DONE, BROKEN, INVALID, FAILED, INTERRUPTED = 0, 1, 3, 4, 130
READER_GONE = 141
"""What a shell reports of a program whose output nobody reads any more (SIGPIPE)."""


def code_of(documents: Sequence[dict[str, Any]], planned: int) -> int:
    """The gravest of: interrupted, something needed failed, nothing valid to decide by, a promise broken or open.

    `planned` is how many runs there should have been.
    """
    if len(documents) < planned or any(document["interrupted"] for document in documents):
        return INTERRUPTED
    if any(_failed(document) for document in documents):
        return FAILED
    # A search whose every level breaks the promise ranks nothing, and has decided all the same.
    if any(not document["ranking"] and not _broken(document) for document in documents):
        return INVALID
    if any(_broken(document) for document in documents):
        return BROKEN
    if any(promise["kept"] is None for document in documents for promise in document["promises"]):
        return INVALID
    return DONE


def _failed(document: dict[str, Any]) -> bool:
    """A broker, a stage, a disk: whatever the run needed and did not have."""
    codes = {reason["code"] for cell in document["cells"] for reason in cell["validity"]["reasons"]}
    # A stage's exception is a result where the run goes on, and its end where the scenario says so.
    grave = {
        "skipped",
        "party-died",
        *(["stage-failed"] if document["scenario"].get("on_error") == "stop" else []),
    }
    return bool(document["failures"]) or bool(codes & grave)


def _broken(document: dict[str, Any]) -> bool:
    """A promise of the scenario that a valid cell did not keep."""
    return any(promise["kept"] is False for promise in document["promises"])
