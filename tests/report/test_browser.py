"""report.html in a real browser: nothing sticks out, overlaps, complains, asks for anything or runs by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import Browser, Watched, started
from hostile import LONG, SCRIPT, hostile_run
from runs import interrupted, planted
from synthetic import dam

from benchkit.records.run import Run
from benchkit.report.write import write

STICKING_OUT = """() => {
  const boxed = (each) => each.closest('.scroll,pre,svg,.unseen,.skip,#large,[hidden],nav ul');
  return [...document.body.querySelectorAll('*')].filter((each) => !boxed(each)).flatMap((each) => {
    const box = each.getBoundingClientRect();
    return box.width && (box.right > innerWidth + 1 || box.left < -1) ? [each.outerHTML.slice(0, 120)] : [];
  });
}"""
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
    runs = {"dam": dam_with_promises(), "hostile": hostile_run(), "interrupted": interrupted()}
    found = {name: write(run, folder / name)[0] for name, run in runs.items()}
    found["planted"] = planted(folder / "planted")
    return found


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


@pytest.mark.parametrize(
    ("name", "size", "scheme"),
    [
        ("dam", "laptop", "dark"),
        ("dam", "phone", "light"),
        ("planted", "laptop", "light"),
        ("hostile", "laptop", "light"),
        ("interrupted", "phone", "dark"),
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
