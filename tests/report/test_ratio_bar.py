"""Ratios as lines of letters, and the comparison of runs on terminals of every width."""

import io
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from shelves import a_document

from benchkit.report.compare import compare
from benchkit.report.ratio_bar import RatioBar, span_of

RATIOS = st.floats(0.01, 100)


@given(RATIOS, RATIOS, RATIOS, st.integers(15, 41))
def test_letters_stand_where_the_figures_are(a: float, b: float, c: float, width: int) -> None:
    low, ratio, high = sorted((a, b, c))
    span = span_of([(ratio, (low, high))])
    line = RatioBar(ratio, (low, high), span).letters(width)
    assert len(line) == width - 1 + width % 2
    assert line.count("O") == 1
    middle = len(line) // 2
    if low <= 1 <= high:
        assert "=" not in line
        assert line[middle] in "|O"
    else:
        assert "-" not in line
        sides = {at < middle for at, letter in enumerate(line) if letter in "=O" and at != middle}
        assert len(sides) <= 1
    assert math.log(1.25) <= span <= math.log(10)


def test_what_is_not_known_draws_nothing() -> None:
    assert RatioBar(None, None, 1.0).letters(21).strip() == ""
    line = RatioBar(1.1, None, 1.0).letters(21)
    assert line.count("O") == line.count("|") == 1
    assert "-" not in line


def shown(width: int, encoding: str = "utf-8", **console: object) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    documents = [a_document(0), a_document(1, lambda cell: 1.5 if "shm" in cell else 1.0)]
    Console(file=stream, width=width, **console).print(compare(documents))  # type: ignore[arg-type]  # options as a test names them
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]  # a BytesIO


@pytest.mark.parametrize("width", [60, 80, 99, 100, 149, 150, 200])
def test_every_width_shows_every_figure_whole_and_the_answer(width: int) -> None:
    words = shown(width)
    assert max(cell_len(line) for line in words.splitlines()) <= width
    assert "…" not in words
    flat = " ".join(words.split())
    assert flat.count("1.50x [") == 3  # two cells, and the answer
    assert "9 cells that both have: 2 slower" in flat
    assert len(re.findall(r"[.=]*\|[.]*=+O=+", words)) == 2
    assert ("phases of the later run" in words) == (width >= 150)


def test_a_pipe_gets_plain_letters_and_ascii_only_ascii() -> None:
    assert "\x1b" not in shown(80)
    assert "\x1b" in shown(80, force_terminal=True)
    words = shown(120, "ascii")
    assert "?" not in words.replace("(?", "")
    assert "=O=" in words
