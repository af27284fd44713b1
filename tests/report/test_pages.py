"""report.html and report.md: what they say, that they execute nothing, and how partial runs are told."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile import CONTROL, LONG, SCRIPT, TURNED, hostile_run
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pages import Page
from runs import interrupted
from synthetic import a_cell, a_run, dam

from benchkit.analysis.document import document
from benchkit.errors import StorageError
from benchkit.records.folder import load, save
from benchkit.records.run import Block, Cell, Run
from benchkit.records.samples import STAMPS, Status
from benchkit.report.excerpt import excerpt, page, short
from benchkit.report.markdown import block, escape
from benchkit.report.write import write


def written(run: Run, folder: Path) -> tuple[Page, str]:
    made = write(run, folder)
    assert [path.name for path in made[:2]] == ["report.html", "report.md"]
    return Page(made[0].read_text("utf-8")), made[1].read_text("utf-8")


@pytest.fixture(scope="module")
def dam_pages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, str, Path, Run]:
    run = dam()
    run.slo = {"p99": 0.02}
    folder = tmp_path_factory.mktemp("dam")
    return *written(run, folder), folder, run


@pytest.fixture(scope="module")
def hostile_pages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, str, Path]:
    folder = tmp_path_factory.mktemp("hostile")
    return *written(hostile_run(), folder), folder


def test_the_page_opens_with_the_answer_and_links_each_sentence_to_its_group(dam_pages) -> None:
    shown, _, _, run = dam_pages
    for sentence in document(run)["answer"]:
        assert sentence in shown.words
        assert shown.words.index(sentence) < shown.words.index("p99.9")
    targets = {attributes["id"] for _, attributes in shown.elements if attributes.get("id")}
    links = [attributes["href"] or "" for attributes in shown.all("a")]
    assert {link.removeprefix("#") for link in links} <= targets
    assert {"#group-1", "#group-2", "#cell-1", "#cell-9"} <= set(links)


def test_the_page_and_the_document_hold_reasons_promises_scenario_and_commands(dam_pages) -> None:
    shown, text, _, run = dam_pages
    reason = document(run)["cells"][-1]["validity"]["reasons"][0]
    for words in (shown.words, text):
        assert reason["code"] in words
        assert reason["remedy"] in words
        assert "p99 ≤ 20.0 ms" in words
        assert "broken" in words
        assert "name: dam" in words
        assert "benchkit run dam.yaml" in words
        assert "00ff" in words
    for heading in (
        "Context",
        "Options measured",
        "Decision drivers",
        "Result",
        "Consequences",
        "How to reproduce",
    ):
        assert f"\n## {heading}\n" in text


def test_tables_have_headers_and_charts_have_words(dam_pages) -> None:
    shown = dam_pages[0]
    assert all(header.get("scope") in ("col", "row", "rowgroup") for header in shown.all("th"))
    bars = [svg for svg in shown.all("svg") if svg.get("aria-hidden") == "true"]
    assert len(bars) > 9
    drawings = [svg for svg in shown.all("svg") if svg not in bars]
    ids = {attributes.get("id") for _, attributes in shown.elements}
    assert len(drawings) == 13  # six of each group, and the map of all
    for svg in drawings:
        assert svg["role"] == "img"
        assert set((svg["aria-labelledby"] or "").split()) <= ids
    levels = [int(tag[1]) for tag, _ in shown.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_no_two_elements_share_an_id(dam_pages) -> None:
    ids = [attributes["id"] for _, attributes in dam_pages[0].elements if attributes.get("id")]
    assert len(ids) == len(set(ids))


def test_the_document_shows_pictures_that_exist(dam_pages) -> None:
    _, text, folder, _ = dam_pages
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert len(pictures) == 13
    for picture in pictures:
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")
        assert (folder / picture).with_suffix(".svg").exists()


def hashed(texts: list[str]) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(''.join(texts).encode()).digest()).decode()}'"


@pytest.mark.parametrize("which", ["dam_pages", "hostile_pages"])
def test_the_page_runs_its_own_script_alone_and_asks_the_network_for_nothing(which: str, request) -> None:
    shown = request.getfixturevalue(which)[0]
    forbidden = {
        "img",
        "iframe",
        "object",
        "embed",
        "link",
        "base",
        "form",
        "foreignobject",
        "animate",
        "set",
    }
    assert not forbidden & {tag for tag, _ in shown.elements}
    for _, attributes in shown.elements:
        assert not [
            name
            for name in attributes
            if name.startswith("on") or name in ("style", "src", "srcset", "action")
        ]
        for name in ("href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert "url(http" not in "".join(shown.styles)
    assert "@import" not in "".join(shown.styles)
    policies = [meta for meta in shown.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert len(shown.all("style")) == len(policies) == 1
    assert shown.all("script") == [{}]
    assert "".join(shown.scripts) == (files("benchkit.report") / "templates" / "report.js").read_text()
    assert len("".join(shown.scripts)) < 10_000
    assert (policies[0]["content"] or "") == (
        f"default-src 'none'; style-src {hashed(shown.styles)}; script-src {hashed(shown.scripts)}; "
        "base-uri 'none'; form-action 'none'"
    )
    first = [tag for tag, _ in shown.elements].index("style")
    assert first > [attributes.get("http-equiv") for _, attributes in shown.elements].index(
        "Content-Security-Policy"
    )


def test_hostile_texts_are_shown_as_texts_and_within_bounds(hostile_pages) -> None:
    shown, text, folder = hostile_pages
    assert SCRIPT in shown.words
    assert "onerror=alert(1)" in shown.words
    assert "{{ 7 * 7 }}" in shown.words
    assert "W" * 500 not in shown.words
    assert not {letter for letter in TURNED + CONTROL if not letter.isprintable() and letter != "\n"} & set(
        "".join(shown.texts)
    )
    assert "letters left out" in shown.words
    assert (folder / "report.html").stat().st_size < 3_000_000
    assert max(map(len, text.splitlines())) < 20_000
    for file in folder.rglob("*"):
        assert file.resolve().is_relative_to(folder.resolve())
        assert re.fullmatch(r"[A-Za-z0-9_.-]+", file.name)


def test_hostile_texts_are_words_in_the_document_too(hostile_pages) -> None:
    markdown = MarkdownIt("gfm-like", {"linkify": False})
    tokens = [
        token for outer in markdown.parse(hostile_pages[1]) for token in (outer, *(outer.children or ()))
    ]
    html = {token.content.strip() for token in tokens if token.type in ("html_inline", "html_block")}
    known = r"(<details><summary>(Scenario, as resolved|Environment)</summary>|</details>)"
    assert all(re.fullmatch(known, each) for each in html), html
    assert not [token for token in tokens if token.type == "link_open"]
    pictures = [str(token.attrs["src"]) for token in tokens if token.type == "image"]
    assert pictures
    assert all(re.fullmatch(r"charts/[A-Za-z0-9_.-]+\.png", each) for each in pictures)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60))
def test_any_text_comes_out_of_markdown_as_it_went_in(words: str) -> None:
    line = " ".join(words.split())
    rendered = MarkdownIt("commonmark").render(f"- {escape(words)}")
    shown = Page(rendered)
    assert " ".join(shown.words.replace("@\u200b", "@").split()) == line.replace("@\u200b", "@")
    assert {tag for tag, _ in shown.elements} <= {"ul", "li", "p"}


@given(st.text(max_size=200))
def test_a_block_of_code_ends_where_it_should(text: str) -> None:
    source = page(text)
    tokens = MarkdownIt("commonmark").parse(f"{block(source, 'yaml')}\n\nafter\n")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]


@given(st.text(max_size=1000), st.integers(10, 300))
def test_excerpts_are_bounded_printable_lines(words: str, most: int) -> None:
    for shown, bound in ((short(words, most), most), (excerpt(words, most), most + 40)):
        assert shown.isprintable()
        assert len(shown) <= bound
    assert all(line.isprintable() for line in page(words).split("\n"))


def test_what_fits_is_not_touched() -> None:
    assert excerpt("http raw") == short("http raw") == page("http raw") == "http raw"
    assert excerpt(LONG) != LONG


def test_an_interrupted_run_says_what_is_missing(tmp_path: Path) -> None:
    shown, text = written(interrupted(), tmp_path)
    for words in (shown.words, text):
        assert "was interrupted" in words
        assert "not-measured" in words
        assert "no broker answers at localhost" in words
        assert "start one" in words
    assert "nothing measured: " in shown.words
    assert "No charts: nothing was measured." in shown.words


def without_cells(run: Run) -> None:
    run.cells, run.blocks, run.samples = [], [], {}


def without_samples(run: Run) -> None:
    run.samples = {}


def without_blocks(run: Run) -> None:
    run.blocks = []


def with_one_message(run: Run) -> None:
    run.samples = {cell: samples[5:6] for cell, samples in run.samples.items()}


def with_nothing_delivered(run: Run) -> None:
    for samples in run.samples.values():
        samples["status"] = Status.LOST


def without_stamps(run: Run) -> None:
    for samples in run.samples.values():
        for stamp in STAMPS:
            samples[stamp] = 0


def with_wild_stamps(run: Run) -> None:
    rng = np.random.default_rng(1)
    for samples in run.samples.values():
        for stamp in STAMPS:
            samples[stamp] = rng.integers(-(2**62), 2**62, len(samples))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_cells, "holds no cell"),
        (without_samples, "No cell is valid"),
        (without_blocks, "No cell is valid"),
        (with_one_message, "No cell is valid"),
        (with_nothing_delivered, "No cell is valid"),
        (without_stamps, "Reproduce"),
        (with_wild_stamps, "No cell is valid"),
    ],
)
def test_a_run_that_holds_little_still_makes_a_report(
    change: Callable[[Run], None], said: str, tmp_path: Path
) -> None:
    run = a_run([a_cell("shm/raw/x"), a_cell("http/raw/x")], count=20)
    change(run)
    shown, _ = written(run, tmp_path)
    assert said in shown.words


def test_a_saved_run_reports_the_same_after_it_is_loaded(tmp_path: Path) -> None:
    run = a_run([a_cell("shm/raw/x"), a_cell("http/raw/x")])
    saved = save(run, document(run), tmp_path / "results")
    write(run, tmp_path / "direct" / saved.name)
    write(load(saved), tmp_path / "loaded" / saved.name)
    for file in sorted((tmp_path / "direct").rglob("*.*")):
        if file.is_file():
            assert (
                file.read_bytes()
                == (tmp_path / "loaded" / file.relative_to(tmp_path / "direct")).read_bytes()
            )


def test_claims_lead_to_cells_and_cells_to_the_records_that_are_there(tmp_path: Path) -> None:
    run = a_run([a_cell("shm/raw/x"), a_cell("http/raw/x")])
    saved = save(run, document(run), tmp_path)
    shown, _ = written(load(saved), saved)
    links = [attributes["href"] or "" for attributes in shown.all("a")]
    files_ = [link for link in links if not link.startswith("#")]
    assert len(files_) == 2
    assert all((saved / link).is_file() for link in files_)
    assert {"#cell-1", "#cell-2", "#group-1"} <= set(links)
    elsewhere, _ = written(load(saved), tmp_path / "elsewhere")
    assert all((attributes["href"] or "").startswith("#") for attributes in elsewhere.all("a"))
    assert "samples/shm--raw--x.npy" in elsewhere.words


def test_a_run_of_an_older_benchkit_is_told_without_what_it_lacks(tmp_path: Path) -> None:
    """What has been added to a run, its cells and its blocks since has a default, so records without it load."""
    run = dam(rounds=2)
    saved = save(run, document(run), tmp_path)
    record = json.loads((saved / "record.json").read_text())
    for thing, kind in ((record, Run), *((cell, Cell) for cell in record["cells"])):
        strip(thing, kind)
    (saved / "record.json").write_text(json.dumps(record))
    blocks = [json.loads(line) for line in (saved / "blocks.jsonl").read_text().splitlines()]
    for each in blocks:
        strip(each, Block)
    text = "".join(f"{json.dumps(each)}\n" for each in blocks)
    (saved / "blocks.jsonl").write_text(text)
    record["blocks_bytes"] = len(text.encode())
    (saved / "record.json").write_text(json.dumps(record))
    shown, _ = written(load(saved), saved)
    assert "shm raw" in shown.words
    assert "Where the time goes" in shown.words


def strip(thing: dict[str, Any], kind: type) -> None:
    """Without every field that has a default, but the ones that hold the run itself."""
    for field in dataclasses.fields(kind):
        has_default = (field.default, field.default_factory) != (dataclasses.MISSING, dataclasses.MISSING)
        if has_default and field.name not in ("cells", "failures", "samples"):
            thing.pop(field.name, None)


def test_a_run_of_a_future_schema_is_refused_politely(tmp_path: Path) -> None:
    run = a_run()
    saved = save(run, document(run), tmp_path)
    text = (saved / "run.json").read_text()
    (saved / "run.json").write_text(text.replace("benchkit.run/1", "benchkit.run/2", 1))
    done = subprocess.run(
        [sys.executable, "-m", "benchkit", "report", str(saved)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 4
    assert "written by a newer benchkit (benchkit.run/2" in done.stderr
    assert "pip install --upgrade benchkit" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (saved / "report.html").exists()


def test_an_unwritable_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="could not be written"):
        write(a_run(), tmp_path / "file" / "inside")


def test_a_full_disk_leaves_the_old_page_and_nothing_half_written(tmp_path: Path, monkeypatch) -> None:
    write(a_run(), tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.*") if file.is_file()}

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write(a_run(seed=7), tmp_path)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.*") if file.is_file()} == before


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "report.html").symlink_to(outside)
    write(a_run(), folder)
    assert outside.read_text() == "mine"
    (tmp_path / "elsewhere").mkdir()
    other = tmp_path / "other"
    other.mkdir()
    (other / "charts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="a link"):
        write(a_run(), other)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_the_package_is_imported_without_matplotlib() -> None:
    code = "import sys, benchkit.report.story, benchkit.report.write; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_twenty_cells_of_a_hundred_thousand_samples_fit_in_a_gigabyte(tmp_path: Path) -> None:
    cells = [
        a_cell(f"{transport}/raw/camera-{group}/1000ps")
        for group in range(4)
        for transport in ("http", "redis-list", "redis-stream", "shm", "unix")
    ]
    run = a_run(cells, rounds=5, count=2000, interval_ns=1_000_000)
    # Blocks repeated as they are would break the account, so their number grows instead of their length.
    run.samples = {cell: np.repeat(samples, 10) for cell, samples in run.samples.items()}
    for samples in run.samples.values():
        samples["seq"] = np.arange(len(samples))
    saved = save(run, {"schema": "benchkit.run/1"}, tmp_path)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from benchkit.engine.usage import peak_rss_bytes\n"
        "from benchkit.records.folder import load; from benchkit.report.write import write\n"
        "made = write(load(Path(sys.argv[1])), Path(sys.argv[1]))\n"
        # Not ru_maxrss: a process inherits that from the one that started it.
        "print(peak_rss_bytes(os.getpid()) // 1024, made[0].stat().st_size)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved)], capture_output=True, text=True, check=True
    )
    kilobytes, size = map(int, done.stdout.split())
    assert kilobytes < 1_000_000
    assert size < 3_000_000
