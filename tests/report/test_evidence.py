"""What the page adds to words: three sentences, a table that sorts and filters, tables of plain data."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import Page
from runs import interrupted, page_of, planted, planted_document
from synthetic import a_cell, a_run, dam

from benchkit.analysis.document import document
from benchkit.records.run import Run
from benchkit.report.grid import grid
from benchkit.report.groups import groups
from benchkit.report.lead import lead
from benchkit.report.plain_table import shown, table


def led(run: Run, **changes: Any) -> list[str]:
    found = {**document(run), **changes}
    return [claim.text for claim in lead(found, groups(run, found))]


def test_the_answer_opens_with_three_sentences_about_best_limits_and_trust() -> None:
    run = dam()
    run.slo = {"p99": 0.02}
    best, limits, trust = led(run)
    assert "shm raw has the lowest p50" in best
    assert "tied with unix raw" in best
    assert "sensors-144x12/200ps, 6.9 kB: shm raw is fastest" in best
    assert re.match(r"What limits them: compute-bound in \d of 8 valid cells", limits)
    assert trust.startswith(
        "8 of 9 cells are valid; not to be used: redis-stream raw under sensors-144x12/200ps"
    )
    assert "of 9 promises 1 broken and 1 not decidable" in trust


def test_every_sentence_names_cells_that_the_page_has() -> None:
    run = dam()
    found = document(run)
    known = {row.number: row.label for group in groups(run, found) for row in group.rows}
    for claim in lead(found, groups(run, found)):
        assert claim.cells
        assert all(known[number] == label and label in claim.text for number, label in claim.cells)


def test_where_nothing_is_valid_nothing_is_called_best() -> None:
    run = a_run([a_cell("shm/raw/x"), a_cell("http/raw/x")])
    run.samples = {}
    (only,) = led(run)
    assert only.startswith("0 of 2 cells are valid; not to be used: shm raw (")
    assert led(a_run([])) == ["Nothing was measured: the run holds no cell."]
    assert led(interrupted())[-1].startswith("1 of 9 cells are valid; not to be used: the other 8 (")
    assert "not-measured in 7" in led(interrupted())[-1]


def test_a_run_that_swept_loads_opens_with_where_one_overtakes_another() -> None:
    cells = [a_cell(f"{name}/raw/x{at}") for at in range(4) for name in ("shm", "unix")]
    maps = [{"sentences": ["unix raw up to 64 kB, shm raw above."]}]
    assert led(a_run(cells), crossover=maps)[0] == "unix raw up to 64 kB, shm raw above."
    assert led(a_run(cells), crossover=[])[0].endswith("; and 1 more group below.")


def test_sort_keys_are_the_figures_of_run_json_and_axes_have_more_than_one_value() -> None:
    run = dam()
    found = document(run)
    made = grid(groups(run, found))
    assert [axis.name for axis in made.axes] == ["transport", "codec", "validity"]
    for number, cell in enumerate(found["cells"], 1):
        row = made.rows[number]
        assert float(row.keys[0]) == pytest.approx(cell["latency_us"]["p50"])
        assert made.axes[0].values[row.choices[0]] == cell["transport"]
        shares = row.bars[7]
        assert sum(piece.width for piece in shares) == pytest.approx(100, abs=0.2)
        assert row.bars[0][0].width <= 100
        compute = next(piece for piece in shares if piece.name == "compute")
        whole = sum(phase["share"] for phase in cell["phases_us"].values())
        assert compute.width == pytest.approx(100 * cell["phases_us"]["compute"]["share"] / whole, abs=0.01)
    badges = {cell["id"]: made.rows[number].badge for number, cell in enumerate(found["cells"], 1)}
    assert badges["shm/raw/camera-1080p/10ps"] == "lowest"
    assert badges["unix/raw/camera-1080p/10ps"] == "tie"
    assert badges["redis-stream/raw/sensors-144x12/200ps"] == "not valid"


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("demand_us_per_message", 1550.0, "1.6 ms"),
        ("pause_ns", 2_100_000, "2.1 ms"),
        ("payload_bytes", 6_220_800, "6.2 MB"),
        ("saturates_per_s", 645.0, "645/s"),
        ("utilisation", 0.62, "62.0%"),
        ("ratio_to_best", 1.5, "1.50x"),
        ("at_s", 1.25, "1.25 s"),
        ("p50_ci95_us", [1.0, 2.0], "[1.0 us, 2.0 us]"),
        ("capacity_per_s", {"now": 41.0, "predicted": 78.0, "why_not": "", "ci95": [70.0, 80.0]},
         "now 41.0/s, predicted 78.0/s, [70.0/s, 80.0/s]"),
        ("workers", 4, "4"),
        ("held", True, "yes"),
        ("missing", None, "-"),
    ],
)  # fmt: skip
def test_a_fields_name_says_how_its_value_is_shown(key: str, value: Any, text: str) -> None:
    assert shown(key, value).text == text


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False)
    | st.text(max_size=500),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=30), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=50)
@given(st.lists(st.dictionaries(st.text(max_size=30), plain, max_size=6), max_size=6))
def test_any_plain_data_becomes_a_table_of_bounded_clean_words(entries: list[dict[str, Any]]) -> None:
    found = table("caption", entries)
    if found is None:
        assert not any(entries)
        return
    for row in found.rows:
        assert len(row) == len(found.columns)
        for value in row:
            assert value.text.isprintable()
            assert len(value.text) < 450
            assert value.share is None or 0 <= value.share <= 1


def test_what_an_analysis_adds_is_on_the_page_and_what_is_missing_is_not(tmp_path) -> None:
    page = Page(planted(tmp_path / "planted").read_text("utf-8"))
    for words in (
        "compute-bound", "Compute takes 54% of a message", "unix raw up to 64 kB",
        "Slow messages compute 3.7 ms longer",
        "a collection of garbage of 2.1 ms", "62.0%", "645/s", "2 workers instead of 1", "predicted 1.29k/s",
        "not tried: reply: 12 us", "Profile of stage-0", "1.04x as slow", "Conv", "Single messages", "stage-0",
    ):  # fmt: skip
        assert words in page.words, words
    assert "profiles/stage-0.html" in [attributes["href"] for attributes in page.all("a")]
    found = document(a_run())
    for added in ("ledger", "exemplars", "resources", "laws", "what_if", "profiles"):
        found["cells"][0].pop(added, None)
    bare = Page(page_of(a_run(), tmp_path / "bare", found, most_charts=1).read_text("utf-8"))
    for words in (
        "Single messages",
        "Profile of",
        "used and waited for",
        "halving",
        "Over all payloads and rates",
    ):
        assert words not in bare.words


def test_no_record_outside_the_run_directory_is_named(tmp_path) -> None:
    run = dam()
    found = planted_document(run)
    found["cells"][0]["samples"] = "samples/../../secret.npy"
    found["cells"][1]["samples"] = "javascript:alert(1)"
    found["cells"][2]["profiles"] = {
        "stage-0": {"file": "/etc/passwd", "files": ["/etc/passwd"], "top": [], "gap": ""},
        "operators": [], "native": {}, "cost": "", "gap": "",
    }  # fmt: skip
    page = Page(page_of(run, tmp_path / "run", found, most_charts=1).read_text("utf-8"))
    for words in ("secret.npy", "javascript:", "/etc/passwd"):
        assert words not in page.words
