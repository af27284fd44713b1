"""A profile as files: pyinstrument's page, and speedscope's JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyinstrument.session import Session

_DATA: Final = "const sessionData = "
_COARSEST: Final = 64


def pages(session: Session, most_bytes: int) -> dict[str, bytes]:
    """By ending, `html` first; a file that would be longer than `most_bytes` shows every second sample, or fewer.

    Raises ValueError where that does not help.
    """
    from pyinstrument.renderers import HTMLRenderer, SpeedscopeRenderer

    # The renderer leaves out what has less than a hundredth of the whole, as if the samples were taken together;
    # on a time line that is every single sample.
    speedscope = SpeedscopeRenderer(processor_options={"filter_threshold": 0.0})
    return {
        "html": _within(
            session, most_bytes, lambda made: _harmless(HTMLRenderer(resample_interval=0).render(made))
        ),
        "speedscope.json": _within(session, most_bytes, speedscope.render),
    }


def _within(session: Session, most_bytes: int, render: Callable[[Session], str]) -> bytes:
    """The finest that fits."""
    interval_s = session.max_interval
    made = render(session).encode("utf-8", "backslashreplace")
    while len(made) > most_bytes:
        interval_s *= 2
        if interval_s > _COARSEST * session.max_interval:
            raise ValueError(f"{len(made)} bytes, even of few samples")
        made = render(session.resample(interval=interval_s)).encode("utf-8", "backslashreplace")
    return made


def _harmless(page: str) -> str:
    """Functions and files may be called anything: what holds them must not end the page's script.

    JSON has no `<` but in texts, where its number stands for it as well.
    """
    before, mark, rest = page.partition(_DATA)
    data, end, after = rest.partition("\n")
    return before + mark + data.replace("<", "\\u003c") + end + after
