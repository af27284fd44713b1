"""Texts from outside, made fit to be shown: nothing unprintable, no direction tricks, no endless lines."""

from __future__ import annotations

import re
from typing import Final

from benchkit.report.text import clean
from benchkit.words import say

LONGEST: Final = 400
"""Letters of a message that a page shows; the whole of it stays in run.json."""

_WORD: Final = 120
_ENDLESS: Final = re.compile(rf"\S{{{_WORD + 1},}}")


def excerpt(value: object, most: int = LONGEST) -> str:
    """One line of about `most` letters at most: beginning, how many letters are left out, and end."""
    line = _ENDLESS.sub(lambda word: short(word[0], _WORD), clean(value))
    if len(line) <= most:
        return line
    tail = most // 4
    return say(
        "{begin} …({count} letters left out)… {end}",
        begin=line[: most - tail],
        count=len(line) - most,
        end=line[len(line) - tail :],
    )


def short(value: object, most: int = 40) -> str:
    """One line for a label: beginning and end where there is no room for the middle."""
    line = clean(value)
    tail = most // 3
    return line if len(line) <= most else f"{line[: most - tail - 1]}…{line[len(line) - tail :]}"


def page(value: str, most: int = 20_000, widest: int = 300) -> str:
    """Several lines for a block of code; unprintable letters as their number, long lines cut."""
    lines = [short(_visible(line[: 10 * widest]), widest) for line in value[: 10 * most].split("\n")]
    found, room = [], most
    for at, line in enumerate(lines):
        room -= len(line) + 1
        if room < 0:
            found.append(say("… ({count} lines left out)", count=len(lines) - at))
            break
        found.append(line)
    return "\n".join(found)


def _visible(line: str) -> str:
    return "".join(
        letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in line.expandtabs(4)
    )
