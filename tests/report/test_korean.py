"""Reports in Korean: nothing is left in English but names, and English is as if there were no other language."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from gathered import swept
from hostile import hostile_run
from markdown_it import MarkdownIt
from pages import Page
from runs import page_of
from searched import SimulatedStage, searched
from simulated_pipeline import Pipeline
from synthetic import dam
from whatif_runs import a_what_if

from benchkit.analysis.document import document
from benchkit.cli import cli
from benchkit.load.search import Capacity
from benchkit.records.folder import save
from benchkit.records.run import Run
from benchkit.report import write as writing
from benchkit.report.charts import scripts
from benchkit.report.story import story
from benchkit.report.write import write
from benchkit.words import speaking

NAMES = frozenset(
    """
    CPU GB GC Holm MB PSNR SLO TCP benchkit codec html json kB knee max memory ms process
    raw run us yaml steal drain dam camera sensors onnx null small middle large constant poisson closed
    fifo ns at-most-once at-least-once exactly-once by-hand shm unix http inproc redis-list redis-stream
    json-base64 msgpack p Esc git python id
    offered-load-not-reached too-few-samples few-blocks blocks-disagree effect-below-noise
    stamps-disagree drain-timed-out no-level-keeps near-floor not-measured search-unfinished
    """.split()  # noqa: SIM905  (eighty words)
)
"""Units, names of things that are plugged in, options, and words that Korean engineers write in Latin letters."""
RECORDED = {"in memory", "some"}
"""What a transport calls its path, and the model of the CPU: as they were recorded."""
SHOWN = (
    "aria-label",
    "placeholder",
    "title",
    "data-name",
    "alt",
    "data-ranked",
    "data-ascending",
    "data-shown",
)
QUOTED = ("pre", "code", "style", "script")


def the_searched() -> Run:
    return searched(
        SimulatedStage(0.005),
        SimulatedStage(0.2),
        load=Capacity(slo={"p99": 0.1, "loss": 0}, arrival="constant"),
    )


def the_what_if() -> Run:
    slow, twice = Pipeline(rate_per_s=100.0), Pipeline(rate_per_s=100.0, workers=2)
    cell = "shm/raw"
    return a_what_if(
        {cell: slow}, changes={cell: {"workers=2": twice}},
        left_out={cell: ("no time for it; what_if.longest can give more, --only fewer cells",)},
    )  # fmt: skip


RUNS = {
    "dam": dam, "swept": lambda: swept(sizes=("small", "large")), "searched": the_searched, "what-if": the_what_if
}  # fmt: skip


class Shown(Page):
    """Texts that are not quoted, and attributes that are read aloud or shown."""

    def handle_data(self, data: str) -> None:
        if not set(self._open) & set(QUOTED):
            self.texts.append(data)

    def words_shown(self) -> Iterator[str]:
        yield from self.texts
        for _, attributes in self.elements:
            yield from (value for name in SHOWN if (value := attributes.get(name)))


IDENTIFIERS = re.compile(
    r"""
    (?<=[가-힣])\([A-Za-z -]+\)  # what a Korean name is called in the data
    | [\w.:-]+[/=_][\w./:=+-]*   # paths, options and their values
    | (?<!\w)--?[a-z][\w-]*      # switches
    | \{\w+\}                    # fields that the page's script fills in
    | \w+\.\w+(?:\.\w+)*        # files, options of a section
    | [a-z]+-\d+ | \d+-per-s | \dx\b | \b00ff\b | \bp\d+ | \d\dT\d\d:
    """,
    re.VERBOSE,
)


def english(words: str) -> list[str]:
    """Words of at least two Latin letters that are no names."""
    left = IDENTIFIERS.sub(" ", words)
    return [each for each in re.findall(r"[A-Za-z][A-Za-z0-9-]+", left) if each not in NAMES]


@pytest.fixture(scope="module", params=sorted(RUNS))
def korean(request, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shown, str]:
    run = RUNS[request.param]()
    run.slo = run.slo or {"p99": 0.02}
    folder = tmp_path_factory.mktemp(request.param) / "page"
    with speaking("ko"):
        file = page_of(run, folder, document(run))
    text = file.read_text("utf-8")
    return Shown(text), text


def test_no_english_is_left_on_the_page(korean) -> None:
    shown, text = korean
    assert '<html lang="ko">' in text
    lines = {" ".join(words.split()) for words in shown.words_shown()} - RECORDED
    left = {words: found for words in lines if (found := english(words))}
    assert left == {}


def test_the_page_has_the_same_elements_in_both_languages(tmp_path: Path) -> None:
    run = dam()
    with speaking("ko"):
        korean = Page(page_of(run, tmp_path / "ko", most_charts=0).read_text("utf-8"))
    english_ = Page(page_of(run, tmp_path / "en", most_charts=0).read_text("utf-8"))
    links = [[each.get("href") for each in page.all("a")] for page in (korean, english_)]
    assert links[0] == links[1]
    assert [tag for tag, _ in korean.elements] == [tag for tag, _ in english_.elements]


def test_run_json_and_english_pages_do_not_change_after_korean_was_spoken(tmp_path: Path) -> None:
    run = swept(sizes=("small",))
    before = document(run)
    with speaking("ko"):
        assert document(run)["cells"][0]["verdict"]["line"] != before["cells"][0]["verdict"]["line"]
        page_of(run, tmp_path / "ko", most_charts=1)
    assert document(run) == before
    assert '<html lang="en">' in page_of(run, tmp_path / "en", most_charts=1).read_text("utf-8")


def test_hostile_names_are_no_templates_in_korean_either(tmp_path: Path) -> None:
    run = hostile_run()
    with speaking("ko"):
        page = Page(page_of(run, tmp_path / "page", most_charts=1).read_text("utf-8"))
    assert len(page.all("script")) == 1
    assert all(not attributes.get("onerror") for _, attributes in page.elements)


def rendered(text: str) -> tuple[str, list[str]]:
    """HTML of GitHub's and GitLab's dialect by an independent renderer, and the kinds of its pieces."""
    dialect = MarkdownIt("gfm-like", {"linkify": False})
    return dialect.render(text), [token.type for token in dialect.parse(text)]


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_decision_record_renders_with_its_parts_tables_and_pictures(
    language: str, tmp_path: Path
) -> None:
    run = dam()
    run.slo = {"p99": 0.02}
    with speaking(language):
        made = write(run, tmp_path / "report")
        told = story(run, document(run))
    page, kinds = rendered(made[1].read_text("utf-8"))
    assert page.count("<h1>") == 1
    assert page.count("<h2>") == 6
    drawn = len(told.overview) + sum(len(section.charts) for section in told.sections)
    pictures = re.findall(r'<a href="([^"]+)"><img src="([^"]+)" alt="[^"]+"', page)
    assert len(pictures) == page.count("<img ") == drawn
    for vector, picture in pictures:
        assert (tmp_path / "report" / picture).read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "report" / vector).read_bytes().startswith(b"<?xml")
    # Facts of the run and of the machine; for each group its options and their costs.
    assert kinds.count("table_open") == 2 + 2 * len(told.sections)
    raw = re.findall(r"</?([a-z]+)", "".join(re.findall(r"(?m)^<[^>\n]+>.*$", made[1].read_text("utf-8"))))
    assert set(raw) <= {"details", "summary"}
    for decision in told.record.decisions:
        assert decision.text.split(" [")[0].split("(")[0][:40] in page
    assert not [
        line
        for line in made[1].read_text("utf-8").splitlines()
        if line.startswith("|") and not line.endswith("|")
    ]


def test_what_ties_or_stands_alone_is_no_decision() -> None:
    run = dam()
    decided = {each.title: each for each in story(run, document(run)).record.decisions}
    camera, sensors = decided.values()
    assert not camera.settled
    assert (
        camera.text == "No decision by speed: shm raw, unix raw tie. Choose among them by cost and guarantee."
    )
    assert sensors.settled
    assert sensors.text.startswith("shm raw is fastest, p50 277 us [")
    found = document(run)
    found["ranking"] = [place for place in found["ranking"] if place["cell"] == found["ranking"][0]["cell"]]
    alone, none = story(run, found).record.decisions
    assert (alone.settled, alone.text) == (False, "No decision: shm raw is the only valid option.")
    assert (none.settled, none.text) == (False, "No decision: no option is valid.")


def test_what_a_change_would_buy_is_in_the_record_with_what_was_measured() -> None:
    run = the_what_if()
    said = story(run, document(run)).record.changes
    assert said
    assert all(re.search(r"capacity .*/s to .*/s predicted \(\d", each) for each in said)
    assert any(each.endswith("measured.") for each in said)
    assert any(each.endswith("not tried.") for each in said)


def test_the_command_takes_a_language_or_the_environment_and_refuses_others(tmp_path: Path) -> None:
    run = swept(("shm", "unix"), rounds=2, sizes=("small",))
    run.cells = run.cells[:1]
    kept = run.cells[0].id
    run.blocks = [block for block in run.blocks if block.cell == kept]
    run.samples = {kept: run.samples[kept]}
    home = save(run, document(run), tmp_path)
    runner = CliRunner()

    def reported(*options: str, **environment: str) -> str:
        done = runner.invoke(cli, ["report", str(home), *options], env=environment, catch_exceptions=False)
        assert done.exit_code == 0
        return (home / "report.html").read_text("utf-8")

    assert '<html lang="ko">' in reported("--lang", "ko")
    assert "## 결정 기준" in (home / "report.md").read_text("utf-8")
    assert '<html lang="ko">' in reported(BENCHKIT_LANG="ko")
    assert '<html lang="en">' in reported()
    refused = subprocess.run(
        [sys.executable, "-m", "benchkit", "report", str(home), "--lang", "tlh"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "use one of: en, ko" in refused.stderr


def small() -> Run:
    run = swept(("shm", "unix"), rounds=2, sizes=("small",))
    run.samples = dict(run.samples)
    return run


def test_without_a_font_pictures_are_english_and_the_page_says_so(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(scripts, "painter", lambda: None)
    monkeypatch.setattr(writing, "paintable", lambda: False)
    run = small()
    with speaking("ko"):
        told = story(run, document(run))
        assert "한글 글꼴이 없습니다" in writing._unpainted(told).warnings[-1]
        english_ = writing._english(run)
    names = {name: chart.words.title for name, chart in writing._charts(told).items()}
    twins = {name: chart.words.title for name, chart in writing._charts(english_).items()}
    assert names.keys() == twins.keys()
    assert all(re.search("[가-힣]", title) for title in names.values())
    assert not any(re.search("[가-힣]", title) for title in twins.values())


def test_a_font_that_was_installed_is_used_and_no_letter_is_a_box(recwarn: pytest.WarningsRecorder) -> None:
    with speaking("ko"):
        if scripts.painter() is None:
            pytest.skip("no font with Hangul on this machine")
        told = story(small(), document(small()))
        chart = next(chart for name, chart in writing._charts(told).items() if "phases" in name)
        assert chart.png().startswith(b"\x89PNG")
        assert "Malgun Gothic" in chart.svg("a").inline
    assert not [each for each in recwarn if "missing from font" in str(each.message)]
    told = story(small(), document(small()))
    chart = next(chart for name, chart in writing._charts(told).items() if "phases" in name)
    assert "Malgun Gothic" not in chart.svg("a").inline
