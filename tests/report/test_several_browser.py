"""The index and a report over several runs in a real browser: readable everywhere, nothing runs but their scripts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Browser, started
from hostile import SCRIPT, hostile_run
from shelves import a_document, history, kept
from test_browser import CUT, OVERLAPPING, STICKING_OUT, quiet

from benchkit.analysis.document import document
from benchkit.records.shelf import shelf
from benchkit.report.several.index import index
from benchkit.report.several.ran import Ran
from benchkit.report.several.together import together
from benchkit.report.several.write import write_index, write_several


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as found:
        yield found


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> dict[str, Path]:
    """An index of many runs, one of hostile ones, and a report over three runs of two machines."""
    home = tmp_path_factory.mktemp("several")
    runs = history(home / "many", 25, change_at=15)
    (home / "many" / "truth").mkdir()
    kept(home / "many", {**a_document(30), "schema": "benchkit.run/9"}, "future")
    (runs[3] / "report.html").write_text("its own")
    other = {"fingerprint": "beef", "cpu": "B", "cores": 4}
    kept(home / "many", a_document(26, environment=other))
    (home / "hostile").mkdir()
    for number in range(3):
        found = json.loads(json.dumps(document(hostile_run())))
        kept(home / "hostile", {**found, "started_utc": f"2026-01-0{number + 1}"}, f"<b>{number}'\"&")
    documents = [
        a_document(0),
        a_document(1, lambda cell: 1.4 if "shm" in cell else 1.0),
        a_document(2, environment=other),
    ]
    (home / "three").mkdir()
    three = [Ran(at, kept(home / "three", each), each) for at, each in enumerate(documents, 1)]
    return {
        "many": write_index(index(shelf(home / "many")))[0],
        "hostile": write_index(index(shelf(home / "hostile")))[0],
        "three": write_several(together(three), home / "three" / "out")[0],
    }


@pytest.mark.parametrize("size", ["phone", "laptop"])
@pytest.mark.parametrize("name", ["many", "hostile", "three"])
def test_nothing_sticks_out_overlaps_complains_or_leaves_the_page(
    browser: Browser, pages: dict[str, Path], name: str, size: str
) -> None:
    with browser.open(pages[name], size) as shown:
        for box in shown.page.locator("input[data-run]").all()[:3]:
            box.check()
        wide, room = shown.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= room
        assert shown.page.evaluate(STICKING_OUT) == []
        texts, overlapping = shown.page.evaluate(OVERLAPPING)
        assert texts > 60
        assert overlapping == []
        assert shown.page.evaluate("window.__pwned") is None
        quiet(shown, pages[name])


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [
        ("many", "laptop", "light"),
        ("many", "phone", "dark"),
        ("hostile", "laptop", "dark"),
        ("three", "laptop", "dark"),
    ],
)
def test_axe_finds_no_violation(
    browser: Browser, pages: dict[str, Path], name: str, size: str, scheme: str
) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="pip install 'benchkit[browser-test]'"
    )
    with browser.open(pages[name], size, scheme=scheme) as shown:
        for box in shown.page.locator("input[data-run]").all()[:2]:
            box.check()
        found = axe.Axe().run(shown.page)
        told = [
            (each["id"], [node["html"][:150] for node in each["nodes"][:3]])
            for each in found.response["violations"]
        ]
        assert told == []
        assert len(found.response["passes"]) > 20


def test_ticked_runs_show_their_own_figures_and_the_command(browser: Browser, pages: dict[str, Path]) -> None:
    told = index(shelf(pages["many"].parent))
    with browser.open(pages["many"]) as shown:
        chosen = shown.page.locator("#chosen")
        boxes = shown.page.locator("input[data-run]")
        boxes.nth(6).check()
        assert chosen.is_hidden()
        boxes.nth(2).check()
        assert chosen.is_visible()
        columns = chosen.get_by_role("columnheader").all_inner_texts()
        assert columns[1:] == [told.runs[6].name, told.runs[2].name]
        rows = chosen.locator("tbody tr")
        assert rows.count() == len(told.runs[6].document["cells"])
        for row, cell in zip(rows.all(), told.runs[6].document["cells"], strict=True):
            later = next(each for each in told.runs[2].document["cells"] if each["id"] == cell["id"])
            assert f"{later['latency_us']['p50'] / cell['latency_us']['p50']:.2f}x" in row.inner_text()
        assert shown.page.locator("#chosen-unlike").is_hidden()
        command = shown.page.locator("#chosen-command").inner_text()
        assert command.splitlines()[0].startswith("benchkit compare ")
        assert command.index(told.runs[6].name) < command.index(told.runs[2].name)
        boxes.nth(0).check()
        assert "unlike machines" in shown.page.locator("#chosen-unlike").inner_text()
        shown.page.get_by_role("button", name="Untick all").press("Enter")
        assert chosen.is_hidden()
        assert boxes.nth(2).is_checked() is False
        quiet(shown, pages["many"])


def test_a_long_table_begins_short_and_is_searched_whole(browser: Browser, pages: dict[str, Path]) -> None:
    with browser.open(pages["many"]) as shown:
        rows = shown.page.locator("#results tr[data-order]:visible")
        assert rows.count() == 15
        shown.page.locator("#find").fill("beef")
        assert rows.count() == 1
        shown.page.get_by_role("button", name="Show all", exact=True).press("Enter")
        assert rows.count() == 26
        shown.page.get_by_role("columnheader", name="started (UTC)").get_by_role("button").press("Enter")
        assert "2026-11-01" in rows.first.inner_text()
        quiet(shown, pages["many"])


def test_without_scripts_every_run_comparison_and_trend_is_there(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with browser.open(pages["many"], scripts=False) as shown:
        assert shown.page.locator("#results tr[data-order]:visible").count() == 26
        assert shown.page.locator("table.side tbody tr:visible").count() == 3
        assert shown.page.locator("svg.chart:visible").count() >= 1
        assert (
            shown.page.locator("button:visible, input:visible, select:visible, #chosen:visible").count() == 0
        )
        assert "benchkit compare" in shown.page.locator("main").inner_text()


def test_on_paper_every_run_is_there_and_nothing_is_cut(browser: Browser, pages: dict[str, Path]) -> None:
    for name in ("many", "three"):
        with browser.open(pages[name]) as shown:
            shown.page.emulate_media(media="print")
            shown.page.set_viewport_size({"width": 703, "height": 1000})
            assert shown.page.evaluate(CUT) == []
            if name == "many":
                assert shown.page.locator("#results tr[data-order]:visible").count() == 26
                assert shown.page.locator("input:visible").count() == 0


def test_hostile_names_are_read_and_compared_and_not_run(browser: Browser, pages: dict[str, Path]) -> None:
    with browser.open(pages["hostile"]) as shown:
        for box in shown.page.locator("input[data-run]").all():
            box.check()
        assert shown.page.locator("#chosen thead th").nth(1).inner_text() == "<b>2'\"&"
        assert SCRIPT[:8] in shown.page.locator("#chosen").inner_text()
        quiet(shown, pages["hostile"])
