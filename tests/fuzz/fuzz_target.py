"""What is fuzzed: one entry function for bytes, the errors it declares, valid inputs to begin with."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
REPOSITORY = HERE.parents[1]
HANG_S = 1.0
"""CPU time of the thread, not the clock's: another program may have the processor."""
GROWTH_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Target:
    """One decoder."""

    name: str
    run: Callable[[bytes], object]
    """Decodes one input; what it raises beyond `declared` is a finding. It keeps nothing from one input to the next."""
    declared: tuple[type[BaseException], ...]
    seeds: Callable[[], list[bytes]]
    """Valid inputs of many kinds, always the same."""
    code: tuple[str, ...]
    """Files or folders of benchkit/ that are its subject: another campaign begins where they have changed."""
    max_bytes: int = 1024
    words: tuple[bytes, ...] = ()
    """What a mutation may put in: magic numbers, keys."""


def takes(target: Target, data: bytes) -> bool:
    """Whether the decoder took the input; False where it refused it as declared, else a finding is raised."""
    try:
        target.run(data)
    except target.declared:
        return False
    return True


def signature(error: BaseException) -> str:
    """What makes two findings one: the kind of error and the innermost line of benchkit's that it came through."""
    place = "?"
    for frame in traceback.extract_tb(error.__traceback__):
        file = Path(frame.filename)
        if "benchkit" in file.parts or file.is_relative_to(HERE):
            place = f"{file.name}:{frame.lineno} {frame.name}"
    return f"{type(error).__name__} at {place}"
