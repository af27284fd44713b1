"""How a run ended, by its run.json: what the exit code of the command that measured it says too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

Entry = Mapping[str, Any]
Outcome = Literal["passed", "failed", "undecided", "interrupted"]
_GRAVE: Final = frozenset({"skipped", "party-died"})


def outcome(document: Entry) -> Outcome:
    """One run's; the gravest of what speaks against it.

    `interrupted`: it was ended before its time. `failed`: something that it needed failed (a broker, a stage, a disk),
    or a promise of its scenario was broken. `undecided`: nothing valid was measured, or a promise could not be decided.
    """
    if document["interrupted"]:
        return "interrupted"
    if needed_failed(document):
        return "failed"
    if undecided(document):
        return "undecided"
    if broken(document):
        return "failed"
    return "undecided" if promise_open(document) else "passed"


def needed_failed(document: Entry) -> bool:
    """A broker, a stage, a disk: whatever the run needed and did not have."""
    codes = {reason["code"] for cell in document["cells"] for reason in cell["validity"]["reasons"]}
    # A stage's exception is a result where the run goes on, and its end where the scenario says so.
    grave = _GRAVE | ({"stage-failed"} if document["scenario"].get("on_error") == "stop" else set())
    return bool(document["failures"]) or bool(codes & grave)


def broken(document: Entry) -> bool:
    """A promise of the scenario that a valid cell did not keep."""
    return any(promise["kept"] is False for promise in document["promises"])


def undecided(document: Entry) -> bool:
    """Nothing is valid. A search whose every level breaks the promise ranks nothing, and has decided all the same."""
    return not document["ranking"] and not broken(document)


def promise_open(document: Entry) -> bool:
    """A promise that nobody can say is kept or broken."""
    return any(promise["kept"] is None for promise in document["promises"])
