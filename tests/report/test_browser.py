"""report.html in a real browser: nothing sticks out, overlaps, complains, asks for anything or runs by itself."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from chromium import Browser, Watched, started
from hostile import LONG, SCRIPT, hostile_run
from PIL import Image
from runs import interrupted, page_of, planted
from synthetic import dam

from benchkit.records.run import Run

STICKING_OUT = """() => {
  const boxed = (each) => each.closest('.scroll,pre,svg,.unseen,.skip,#large,[hidden],nav ul');
  return [...document.body.querySelectorAll('*')].filter((each) => !boxed(each)).flatMap((each) => {
    const box = each.getBoundingClientRect();
    return box.width && (box.right > innerWidth + 1 || box.left < -1) ? [each.outerHTML.slice(0, 120)] : [];
  });
}"""
CUT = """() => [...document.body.querySelectorAll('*:not(svg *,.unseen,.unseen *,.skip)')].flatMap((each) => {
  const box = each.getBoundingClientRect();
  return box.width && each.checkVisibility() && (box.right > innerWidth + 1 || box.left < -1)
    ? [each.outerHTML.slice(0, 120)] : [];
})"""
OVERLAPPING = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const boxes = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const within = node.parentElement;
    if (!node.data.trim() || within.closest('.unseen,.skip,title,desc,option') || !within.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const rects = within.closest('svg') ? [within.getBoundingClientRect()] : range.getClientRects();
    const room = within.closest('pre,.scroll')?.getBoundingClientRect();
    for (const whole of rects) {
      const box = new DOMRect(whole.x, whole.y, whole.width, Math.min(whole.bottom, room?.bottom ?? 1e9) - whole.y);
      if (box.width > 1 && box.height > 1) boxes.push([box, node]);
    }
  }
  boxes.sort(([a], [b]) => a.top - b.top);
  const found = [];
  for (const [at, [a, first]] of boxes.entries()) {
    for (const [b, second] of boxes.slice(at + 1)) {
      if (b.top >= a.bottom) break;
      const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (first !== second && x > 2 && y > 0.35 * Math.min(a.height, b.height))
        found.push(`${first.data.trim()} | ${second.data.trim()}`);
    }
  }
  return [boxes.length, found];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started() as found:
        yield found


def dam_with_promises() -> Run:
    run = dam()
    run.slo = {"p99": 0.02}
    return run


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> dict[str, Path]:
    """report.html of each run; that of `planted` holds everything a later analysis adds."""
    folder = tmp_path_factory.mktemp("pages")
    return {
        "dam": page_of(dam_with_promises(), folder / "dam"),
        "hostile": page_of(hostile_run(), folder / "hostile", most_charts=2),
        "interrupted": page_of(interrupted(), folder / "interrupted"),
        "planted": planted(folder / "planted"),
    }


def quiet(watched: Watched, file: Path) -> None:
    """Nothing was said, thrown, asked or fetched."""
    assert not watched.console
    assert not watched.dialogs
    assert set(watched.requests) == {file.as_uri()}


@pytest.mark.parametrize("size", ["phone", "laptop"])
@pytest.mark.parametrize("name", ["dam", "hostile", "interrupted", "planted"])
def test_nothing_sticks_out_overlaps_complains_or_leaves_the_page(
    browser: Browser, pages: dict[str, Path], name: str, size: str
) -> None:
    with browser.open(pages[name], size) as shown:
        for scheme in ("light", "dark"):
            shown.page.emulate_media(color_scheme=scheme)
            wide, room = shown.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert wide <= room
            assert shown.page.evaluate(STICKING_OUT) == []
            texts, overlapping = shown.page.evaluate(OVERLAPPING)
            assert texts > 100
            assert overlapping == []
        assert shown.page.evaluate("window.__pwned") is None
        quiet(shown, pages[name])


def test_what_sticks_out_or_overlaps_would_be_found(browser: Browser, pages: dict[str, Path]) -> None:
    with browser.open(pages["planted"], "phone") as shown:
        shown.page.evaluate(
            """() => {
              const wide = document.querySelector('.about') ?? document.querySelector('.run');
              wide.style.width = '600px';
              document.querySelector('h1').style.marginBottom = '-4rem';
            }"""
        )
        assert shown.page.evaluate(STICKING_OUT)
        assert shown.page.evaluate(CUT)
        assert any("dam" in each for each in shown.page.evaluate(OVERLAPPING)[1])


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [
        ("planted", "laptop", "light"),
        ("planted", "phone", "dark"),
        ("hostile", "laptop", "dark"),
        ("interrupted", "phone", "light"),
    ],
)
def test_axe_finds_no_violation(
    browser: Browser, pages: dict[str, Path], name: str, size: str, scheme: str
) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="pip install 'benchkit[browser-test]'"
    )
    with browser.open(pages[name], size, scheme=scheme) as shown:
        shown.page.evaluate(
            "() => document.querySelectorAll('details').forEach((each) => { each.open = true; })"
        )
        found = axe.Axe().run(shown.page)
        told = [
            (each["id"], each["impact"], [node["html"][:150] for node in each["nodes"][:3]])
            for each in found.response["violations"]
        ]
        assert told == []
        assert len(found.response["passes"]) > 20


def keys_of(shown: Watched, column: int) -> list[list[str]]:
    """What the rows of each group are sorted by, from top to bottom."""
    script = """(at) => [...document.querySelectorAll('#results tbody')].map((body) =>
        [...body.querySelectorAll('tr[data-order]')].map((row) => row.cells[at].dataset.key))"""
    found: list[list[str]] = shown.page.evaluate(script, column)
    return found


def test_a_column_is_sorted_with_the_keyboard_and_empty_fields_stay_last(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with browser.open(pages["dam"]) as shown:
        header = shown.page.get_by_role("columnheader", name="to the best")
        as_given = keys_of(shown, 7)
        for order, reverse in (("ascending", False), ("descending", True)):
            header.get_by_role("button").press("Enter")
            assert header.get_attribute("aria-sort") == order
            for keys in keys_of(shown, 7):
                numbers = [float(key) for key in keys if key]
                assert numbers == sorted(numbers, reverse=reverse)
                assert keys == [*(key for key in keys if key), *("" for key in keys if not key)]
            assert order in shown.page.locator("#said").inner_text()
        assert any("" in keys for keys in as_given)
        header.get_by_role("button").press("Enter")
        assert header.get_attribute("aria-sort") is None
        assert keys_of(shown, 7) == as_given
        quiet(shown, pages["dam"])


def test_rows_are_chosen_by_words_and_by_axis_with_the_keyboard(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with browser.open(pages["dam"]) as shown:
        count = shown.page.locator("#shown")
        rows = shown.page.locator("#results tr[data-order]:visible")
        assert count.inner_text() == "9 of 9 cells"
        shown.page.locator("#find").focus()
        shown.page.keyboard.type("REDIS sensors")
        assert rows.count() == 2
        assert count.inner_text() == "2 of 9 cells"
        assert shown.page.locator("#results tbody:visible").count() == 1
        shown.page.get_by_label("validity").select_option("not valid")
        assert "redis-stream raw" in rows.inner_text()
        shown.page.keyboard.type(" nowhere")
        assert shown.page.locator("#nothing").is_visible()
        shown.page.get_by_role("button", name="Show all").press("Enter")
        assert rows.count() == 9
        shown.page.get_by_label("transport").press("h")
        assert {row.split()[0] for row in rows.all_inner_texts()} == {"http"}
        quiet(shown, pages["dam"])


def test_exact_values_show_on_hover_and_by_arrow_keys_and_escape_hides_them(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with browser.open(pages["planted"]) as shown:
        tip, plot = shown.page.locator("#tip"), shown.page.locator(".plot").first
        marks = plot.locator(".mark")
        assert tip.is_hidden()
        marks.nth(1).hover()
        assert tip.inner_text() == "value 2: 2.25 ms <b>"
        assert marks.locator("title").count() == 0
        near = marks.nth(2).bounding_box()
        assert near is not None
        shown.page.mouse.move(near["x"] + near["width"] / 2, near["y"] + near["height"] + 10)
        assert tip.inner_text().startswith("value 3")
        shown.page.mouse.move(5, 5)
        assert tip.is_hidden()
        plot.focus()
        for key, value in (("ArrowRight", 1), ("ArrowRight", 2), ("End", 3), ("ArrowLeft", 2), ("Home", 1)):
            shown.page.keyboard.press(key)
            assert tip.inner_text().startswith(f"value {value}")
            assert shown.page.locator("#said").text_content() == tip.inner_text()
        box = tip.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 1440
        shown.page.keyboard.press("Escape")
        assert tip.is_hidden()
        quiet(shown, pages["planted"])


def test_a_chart_is_enlarged_and_put_back_with_the_keyboard(browser: Browser, pages: dict[str, Path]) -> None:
    with browser.open(pages["planted"]) as shown:
        button, dialog = shown.page.get_by_role("button", name="Enlarge").first, shown.page.locator("#large")
        chart = shown.page.locator("figure").first.locator("svg.chart")
        before = chart.bounding_box()
        title = shown.page.locator("figure h3").first.text_content()
        button.press("Enter")
        assert dialog.is_visible()
        assert dialog.get_by_role("heading").inner_text() == title
        after = dialog.locator("svg.chart").bounding_box()
        assert before is not None
        assert after is not None
        assert after["width"] > 1.1 * before["width"]
        dialog.locator(".plot").focus()
        shown.page.keyboard.press("ArrowRight")
        assert shown.page.locator("#tip").is_visible()
        shown.page.keyboard.press("Escape")
        assert dialog.is_visible()  # the first Escape hides the value, the second closes
        shown.page.keyboard.press("Escape")
        assert dialog.is_hidden()
        again = chart.bounding_box()
        assert again is not None
        assert (again["width"], again["height"]) == (before["width"], before["height"])
        assert shown.page.evaluate("document.activeElement.hasAttribute('data-enlarge')")
        quiet(shown, pages["planted"])


def test_without_scripts_everything_is_there_and_nothing_pretends_to_work(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with browser.open(pages["dam"], scripts=False) as shown:
        assert shown.page.locator("#results tr[data-order]:visible").count() == 9
        assert shown.page.locator("svg.chart:visible").count() == shown.page.locator("figure").count() > 10
        assert shown.page.locator("article.cell:visible").count() == 9
        assert (
            shown.page.locator("button:visible, input:visible, select:visible, dialog:visible").count() == 0
        )
        values = shown.page.locator("figure details").first
        values.locator("summary").click()
        assert values.locator("tbody tr").first.is_visible()
        quiet(shown, pages["dam"])


def test_the_keyboard_reaches_the_answer_first_and_shows_where_it_is(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with browser.open(pages["dam"]) as shown:
        for at in range(40):
            shown.page.keyboard.press("Tab")
            style = shown.page.evaluate(
                "(({outlineStyle, outlineWidth}) => [outlineStyle, parseFloat(outlineWidth)])"
                "(getComputedStyle(document.activeElement))"
            )
            box = shown.page.locator(":focus").bounding_box()
            assert style[0] != "none"
            assert style[1] >= 2
            assert box is not None
            assert box["width"] > 5
            if at == 0:
                assert shown.page.locator(":focus").inner_text() == "Skip to the answer"
        shown.page.locator(".skip").press("Enter")
        assert shown.page.evaluate("document.activeElement.id") == "answer"


def test_light_and_dark_follow_the_system_until_somebody_chooses(
    browser: Browser, pages: dict[str, Path]
) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    with browser.open(pages["dam"], scheme="dark") as shown:
        button = shown.page.get_by_role("button", name="Dark")
        dark = shown.page.evaluate(ground)
        assert button.get_attribute("aria-pressed") == "true"
        button.press("Enter")
        light = shown.page.evaluate(ground)
        assert light != dark
        assert button.get_attribute("aria-pressed") == "false"
        shown.page.emulate_media(color_scheme="light")
        button.press("Enter")
        assert shown.page.evaluate(ground) == dark
        shown.page.emulate_media(media="print")
        assert shown.page.evaluate(ground) == light


def test_motion_is_smooth_only_for_those_who_did_not_ask_for_less(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with browser.open(pages["planted"]) as shown:
        for wish, found in (("reduce", "auto"), ("no-preference", "smooth")):
            shown.page.emulate_media(reduced_motion=wish)
            assert shown.page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == found


def test_the_policy_stops_what_the_page_did_not_bring(browser: Browser, pages: dict[str, Path]) -> None:
    """Escaping is the wall; behind it nothing that got in would be run, applied or fetched."""
    with browser.open(pages["hostile"]) as shown:
        shown.page.evaluate(
            """() => {
              document.body.insertAdjacentHTML('beforeend',
                '<img src="https://evil.example/x.png" onerror="window.__pwned = 1">' +
                '<p id="styled" style="color:rgb(1, 2, 3)">x</p>');
              const script = document.createElement('script');
              script.textContent = 'window.__pwned = 2';
              document.body.append(script);
            }"""
        )
        assert shown.page.evaluate("window.__pwned") is None
        assert (
            shown.page.evaluate("getComputedStyle(document.getElementById('styled')).color") != "rgb(1, 2, 3)"
        )
        assert len(shown.console) >= 3


def test_hostile_texts_are_read_and_not_run(browser: Browser, pages: dict[str, Path]) -> None:
    with browser.open(pages["hostile"], "phone") as shown:
        title = shown.page.get_by_role("heading", level=1).inner_text()
        assert title.startswith(SCRIPT)
        assert LONG not in shown.page.content()
        assert shown.page.title().startswith(SCRIPT)
        shown.page.locator("#find").fill(SCRIPT)
        assert shown.page.locator("#results tr[data-order]:visible").count() > 0
        sizes = shown.page.evaluate(
            "[...document.querySelectorAll('td, th, li, p')].map((each) => each.textContent.length)"
        )
        assert max(sizes) < 3000
        quiet(shown, pages["hostile"])


def test_on_paper_each_part_begins_a_page_and_nothing_is_cut(
    browser: Browser, pages: dict[str, Path]
) -> None:
    """Chromium would shrink what is wider than the paper, so that is looked at before it prints."""
    pypdf = pytest.importorskip("pypdf", reason="pip install 'benchkit[browser-test]'")
    with browser.open(pages["planted"], scheme="dark") as shown:
        shown.page.emulate_media(media="print")
        for paper, room in (("A4", 703), ("Letter", 725)):  # what the margins leave of the width, in pixels
            shown.page.set_viewport_size({"width": room, "height": 1000})
            assert shown.page.evaluate(CUT) == []
            made = pypdf.PdfReader(io.BytesIO(shown.page.pdf(format=paper)))
            texts = [" ".join(page.extract_text().split()) for page in made.pages]
            parts = (
                "Over all payloads and rates",
                "camera-1080p/10ps, 6.2 MB",
                "Cells and records",
                "Environment",
            )
            for heading in parts:
                assert [text for text in texts if text.startswith(heading)], heading
            assert texts[0].startswith("benchkit report dam")
            whole = " ".join(texts)
            assert "Reproduce" in whole
            assert "CPU/message" in whole
            assert "Enlarge" not in whole
            assert "Show all" not in whole
            assert 6 < len(texts) < 40


VIEWS = {
    "laptop-light": ("laptop", "light", "screen"),
    "laptop-dark": ("laptop", "dark", "screen"),
    "phone-light": ("phone", "light", "screen"),
    "paper": ("laptop", "dark", "print"),
}
REFERENCES = Path(__file__).parent / "references"
_COARSE = (24, 15)
_ALIKE = 14.0
"""Of 255: mean difference of two pictures' fields; fonts and their line breaks change less, another theme more."""


def coarse(picture: Image.Image) -> np.ndarray:
    """Mean brightness of each field of a coarse grid, shape (15, 24)."""
    small = picture.convert("L").resize(_COARSE, Image.Resampling.BOX)
    return np.asarray(small, dtype=float)


def test_the_page_looks_like_its_references(browser: Browser, pages: dict[str, Path]) -> None:
    """The first screen of a fixed run in four views, compared in brightness over 360 coarse fields.

    Fonts differ between machines, so letters are not compared: only where there is text, ground, bars and boxes.
    BENCHKIT_REFERENCES=write keeps new ones, to be looked at before they are committed.
    """
    found = {}
    for name, (size, scheme, media) in VIEWS.items():
        with browser.open(pages["planted"], size, scheme=scheme) as shown:
            shown.page.emulate_media(media=media)
            picture = Image.open(io.BytesIO(shown.page.screenshot()))
            found[name] = picture.convert("RGB")
    if os.environ.get("BENCHKIT_REFERENCES") == "write":
        REFERENCES.mkdir(exist_ok=True)
        for name, picture in found.items():
            smaller = picture.resize(
                (picture.width * 2 // 3, picture.height * 2 // 3), Image.Resampling.LANCZOS
            )
            smaller.quantize(64).save(REFERENCES / f"{name}.png", optimize=True)
    kept = {name: coarse(Image.open(REFERENCES / f"{name}.png").convert("RGB")) for name in VIEWS}
    for name, picture in found.items():
        differences = {other: np.abs(coarse(picture) - reference).mean() for other, reference in kept.items()}
        assert differences[name] < _ALIKE, name
        if name != "paper":
            assert differences["laptop-light" if "dark" in name else "laptop-dark"] > 5 * _ALIKE
    assert sum(file.stat().st_size for file in REFERENCES.iterdir()) < 300_000
