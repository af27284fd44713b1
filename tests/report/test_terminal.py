import dataclasses
import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from synthetic import a_cell, a_run, dam

from benchkit.analysis.document import document
from benchkit.records.run import Failure
from benchkit.records.samples import PHASES
from benchkit.report.bar import PHASES as LETTERS
from benchkit.report.bar import PhaseBar, legend, widths
from benchkit.report.compare import compare
from benchkit.report.terminal import explain_invalid, report
from benchkit.report.text import ascii_twin, clean, cpu_us, rate, within


class Stream(io.StringIO):
    """A file of a given encoding that, like the real one, refuses what the encoding cannot hold."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute in typeshed
        return self._encoding

    def write(self, text: str) -> int:
        text.encode(self._encoding)
        return super().write(text)


def shown(what: object, width: int = 80, encoding: str = "utf-8", **console: object) -> str:
    stream = Stream(encoding)
    Console(file=stream, width=width, **console).print(what)  # type: ignore[arg-type]  # options as a test names them
    return stream.getvalue()


@pytest.fixture(scope="module")
def found() -> dict:
    return document(dam())


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_console(found: dict, width: int) -> None:
    for view in (report(found), compare([found, found])):
        assert max(cell_len(line) for line in shown(view, width).splitlines()) <= width


@pytest.mark.parametrize("width", [80, 200])
def test_every_cell_shows_its_figures_whole(found: dict, width: int) -> None:
    words = shown(report(found), width)
    assert "…" not in words
    for part in (
        "redis-stream",
        "json-base64",
        "±",
        "not valid: offered",
        "In words",
        "camera-1080p/10ps, 6.2 MB",
    ):
        assert part in words


def test_a_pipe_without_unicode_gets_ascii_alone(found: dict) -> None:
    for view in (report(found), explain_invalid(found), compare([found, found])):
        shown(view, encoding="ascii").encode("ascii")
        shown(view, encoding="latin-1").encode("ascii")


def test_no_color_and_pipes_carry_no_escape_codes(found: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in shown(report(found))
    monkeypatch.setenv("NO_COLOR", "1")
    colourless = shown(report(found), force_terminal=True)
    assert "\x1b[38" not in colourless
    assert "\x1b[48" not in colourless
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b[" in shown(report(found), force_terminal=True, color_system="truecolor")


def test_letters_read_without_colours(found: dict) -> None:
    assert list(LETTERS) == list(PHASES)
    assert len({letter for letter, _ in LETTERS.values()}) == len(PHASES)
    assert len({style for _, style in LETTERS.values()}) == len(PHASES)
    words = shown(report(found))
    assert words.count("E  encode") == 1
    assert "EESTTDCCCCCCCC" in words


@given(st.dictionaries(st.sampled_from(PHASES), st.floats(0, 1)), st.integers(1, 200))
def test_bar_widths_add_up_and_keep_the_order_of_shares(shares: dict[str, float], total: int) -> None:
    found = widths(shares, total)
    assert sum(found.values()) == (total if sum(shares.values()) > 0 else 0)
    assert all(found[a] <= found[b] + 1 for a in shares for b in shares if shares[a] <= shares[b])


def test_a_bar_of_nothing_is_empty() -> None:
    assert shown(PhaseBar({})).strip() == ""


def test_the_legend_breaks_between_entries() -> None:
    lines = [line.plain for line in legend(PHASES, 40)]
    assert all(len(line) <= 40 for line in lines)
    assert sum(line.count(" C  compute") for line in lines) == 1


HOSTILE = "[red]x[/red]\x1b[2J\x07\r\nA\u202eB\x00[/]"


def test_hostile_names_neither_style_nor_move_nor_break() -> None:
    cell = dataclasses.replace(
        a_cell(f"{HOSTILE}/raw/camera"), transport=HOSTILE, codec=HOSTILE, group=HOSTILE, durability=HOSTILE
    )
    broken = dataclasses.replace(
        a_cell("b/raw/camera"), group=HOSTILE, skipped=HOSTILE, skipped_remedy=HOSTILE
    )
    run = a_run([cell, broken])
    run.failures.append(Failure(HOSTILE, HOSTILE, HOSTILE, HOSTILE))
    run.environment["warnings"] = [HOSTILE]
    run.scenario["name"] = run.started_utc = HOSTILE
    run.slo = {HOSTILE: 1.0}
    hostile = document(run)
    for view in (report(hostile, folder=None), explain_invalid(hostile), compare([hostile, hostile])):
        words = shown(view)
        assert not set("\x1b\x07\r\x00\u202e") & set(words)
        assert "[red]x[/red]" in words.replace("\n", "") or "[red]" in words


@given(st.text())
def test_clean_text_is_one_printable_line(words: str) -> None:
    assert clean(words).isprintable()
    assert len(clean(words)) <= len(words)


def test_what_is_not_valid_is_explained_once_with_its_remedy() -> None:
    run = a_run(
        [a_cell(f"{name}/raw/camera/100ps", skipped="no broker", skipped_remedy="start it") for name in "abc"]
    )
    words = shown(explain_invalid(document(run)), 200)
    assert words.count("no broker") == 1
    assert words.count("remedy: start it") == 1
    assert all(f"{name} raw" in words for name in "abc")
    assert shown(explain_invalid(document(a_run()))) == ""


def test_what_else_a_reader_must_know_is_shown() -> None:
    run = a_run()
    run.interrupted = run.quick = True
    run.slo = {"p50": 1e-6, "p99": 1.0, "loss": 0.5}
    run.environment["warnings"] = ["the fan is off; switch it on"]
    run.failures.append(Failure("runner", "OSError", "no space", "free some"))
    words = shown(report(document(run)), 200)
    for part in (
        "interrupted", "quick run", "the fan is off", "no space; free some", "p50 <= 1.0 us, measured 2.",
        "broken",
        "p99 <= 1.0 s, measured -: not decidable", "459 messages are needed",
    ):  # fmt: skip
        assert part in words, part
    assert "loss <=" not in words


def test_a_run_without_cells_is_shown_too() -> None:
    run = a_run([], rounds=0)
    assert shown(report(document(run)))


def test_unpaired_runs_and_other_machines_are_named(found: dict) -> None:
    other = {**found, "environment": {"fingerprint": "beef"}, "cells": found["cells"][1:], "quick": True}
    words = shown(compare([found, other]), 200)
    for part in ("not paired", "another machine", "only in run 1: http/json-base64", "Run 2 was quick"):
        assert part in words


def test_figures_as_people_read_them() -> None:
    assert within(1000.0, [900.0, 1020.0]) == "1.0 ms ±10%"
    assert within(1000.0, [999.9, 1000.1]) == "1.0 ms ±<1%"
    assert within(1000.0, None) == "1.0 ms ±?"
    assert within(None, None) == "-"
    assert [rate(value) for value in (0.5, 29.94, 999.9, 12345.0, 2.5e6)] == [
        "0.50/s", "29.9/s", "1.00k/s", "12.3k/s", "2.50M/s",
    ]  # fmt: skip
    assert cpu_us({"producer_cpu_us_per_message": 1.0, "stage_cpu_us_per_message": None}) is None
    assert ascii_twin("±é") == "~?"


def test_rich_is_not_imported_before_it_is_needed() -> None:
    program = "import sys, benchkit.report.terminal, benchkit.report.compare; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
