"""A few inputs of a corpus that go where all of it goes: by the jumps between lines of benchkit's code that each makes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import Any

from fuzz_target import REPOSITORY, Target

_OURS = str(REPOSITORY / "benchkit")
Jumps = set[tuple[str, int, int]]


def shrunk(target: Target, inputs: Iterable[bytes], most: int) -> list[bytes]:
    """At most so many, shortest first, each of which makes a jump that none before it makes."""
    seen: Jumps = set()
    kept = []
    for data in sorted(set(inputs), key=lambda each: (len(each), each)):
        made = jumps(target, data)
        if not made <= seen:
            seen |= made
            kept.append(data)
    return kept[:: max(1, len(kept) // most)][:most]


def jumps(target: Target, data: bytes) -> Jumps:
    """From which line to which line of which file the input leads."""
    made: Jumps = set()

    def follow(frame: FrameType, event: str, argument: Any) -> Any:
        file = frame.f_code.co_filename
        if not file.startswith(_OURS):
            return None
        last = frame.f_code.co_firstlineno

        def line(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal last
            if event == "line":
                made.add((file, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line

    before = sys.gettrace()
    sys.settrace(follow)
    try:
        with suppress(BaseException):
            target.run(data)
    finally:
        sys.settrace(before)
    return made
