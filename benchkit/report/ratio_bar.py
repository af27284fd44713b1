"""A ratio with its interval as one line of letters: `....|..==O==...`, the same with and without colours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.measure import Measurement
    from rich.text import Text

_NARROWEST: Final = 15
_WIDEST: Final = 41
_LEAST_SPAN: Final = math.log(1.25)


@dataclass(frozen=True, slots=True)
class RatioBar:
    """`|` stands at 1, `O` at the ratio, `=` for an interval that leaves 1 out and `-` for one that does not."""

    ratio: float | None
    interval: tuple[float, float] | None
    span: float
    """The logarithm at either end of the line."""
    style: str = ""

    def letters(self, width: int) -> str:
        """As many letters as `width`, which is odd so that 1 has a middle to stand in."""
        width -= 1 - width % 2
        line = ["."] * width
        if self.ratio is None or self.ratio <= 0:
            return " " * width
        line[width // 2] = "|"
        if self.interval is not None:
            low, high = (self._place(bound, width) for bound in self.interval)
            sign = "-" if self.interval[0] <= 1 <= self.interval[1] else "="
            line[low : high + 1] = [
                "|" if line[at] == "|" and sign == "-" else sign for at in range(low, high + 1)
            ]
        line[self._place(self.ratio, width)] = "O"
        return "".join(line)

    def _place(self, ratio: float, width: int) -> int:
        share = math.log(max(ratio, 1e-6)) / self.span
        return min(width - 1, max(0, round((share + 1) / 2 * (width - 1))))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement

        return Measurement(_NARROWEST, min(_WIDEST, options.max_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.text import Text

        yield Text(self.letters(min(_WIDEST, options.max_width)), self.style, no_wrap=True, overflow="crop")


def span_of(ratios: Sequence[tuple[float | None, tuple[float, float] | None]]) -> float:
    """The logarithm that holds all these ratios and their intervals; a tenfold at most, for others to be seen."""
    ends = [
        bound for ratio, interval in ratios for bound in (ratio, *(interval or ())) if bound and bound > 0
    ]
    return min(math.log(10), max([_LEAST_SPAN, *(abs(math.log(end)) * 1.05 for end in ends)]))
