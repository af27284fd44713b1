"""Reports over several runs and the index of a folder: what is said, where it leads, what it refuses."""

import json
import re
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hostile import CONTROL, LONG, SCRIPT, TEXTS, hostile_run
from pages import Page
from shelves import a_document, history, kept, whole_run

from benchkit.analysis import changes
from benchkit.analysis.compare import compare
from benchkit.analysis.document import document
from benchkit.cli import cli
from benchkit.errors import BenchkitError
from benchkit.records.shelf import shelf
from benchkit.report.charts.between import between
from benchkit.report.several.index import Index, index
from benchkit.report.several.ran import Ran
from benchkit.report.several.together import together
from benchkit.report.several.write import home_of, write_index, write_several


def report(*arguments: object) -> Result:
    """`benchkit report`, in this process; the error itself is raised where there is one."""
    done = CliRunner().invoke(cli, ["report", *map(str, arguments)])
    if isinstance(done.exception, BenchkitError):
        raise done.exception
    return done


def ran(folder: Path, *documents: dict[str, Any]) -> list[Ran]:
    folder.mkdir(exist_ok=True)
    return [Ran(at, kept(folder, each), each) for at, each in enumerate(documents, 1)]


def slower(cell: str) -> float:
    return 1.5 if cell.startswith("shm") else 0.5 if cell.startswith("unix") else 1.0


def sound(page: Page) -> None:
    """Headings in order, no id twice, no link into nothing, every header of a table with its scope."""
    ids = [found["id"] for _, found in page.elements if found.get("id")]
    assert len(ids) == len(set(ids))
    inner = {(link["href"] or "")[1:] for link in page.all("a") if (link["href"] or "").startswith("#")}
    assert inner <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(header.get("scope") in ("col", "row", "rowgroup") for header in page.all("th"))


class TestTogether:
    def test_the_answer_counts_what_changed_and_what_may_be_believed(self, tmp_path: Path) -> None:
        other = a_document(1, slower, environment={"fingerprint": "beef", "cpu": "B", "cores": 4})
        told = together(ran(tmp_path, a_document(0), other))
        first, last = told.lead
        assert re.search(
            r"9 cells that both have: 2 slower, 1 faster, no difference seen in 5, 1 not decidable", first
        )
        assert "most of all shm raw" in first
        assert "1.50x" in first
        assert "another machine" in last
        assert "not paired" in last

    def test_every_figure_of_the_table_is_that_of_the_runs(self, tmp_path: Path) -> None:
        runs = ran(tmp_path, a_document(0), a_document(1, slower), a_document(2))
        told = together(runs)
        found = {(each.run, each.cell): each for each in compare([each.document for each in runs])}
        lines = [line for part in told.parts for line in part.lines]
        assert len(lines) == 9
        for line, cell in zip(lines, runs[0].document["cells"], strict=True):
            for at, each in enumerate(line.changes, 1):
                difference = found[at, cell["id"]]
                assert each.key == f"{difference.ratio:.6g}"
                assert each.says == difference.change
            for figure, run in zip(line.figures, runs, strict=True):
                own = next(each for each in run.document["cells"] if each["id"] == cell["id"])
                assert figure.key == f"{own['latency_us']['p50']:.6g}"
                assert sum(piece.width for piece in figure.pieces) <= 100.5

    def test_the_forest_draws_each_ratio_once_and_claims_no_more(self, tmp_path: Path) -> None:
        documents = [a_document(0), a_document(1, slower)]
        found = compare(documents)
        drawn = [ratio for each in between(2, documents, found) for ratio in each.ratios]
        known = {each.cell: each for each in found}
        assert len(drawn) == len(known) == 9
        for ratio in drawn:
            difference = known[ratio.cell]
            assert (ratio.ratio, ratio.interval) == (difference.ratio, difference.interval)
            assert ratio.tied == (difference.change not in ("slower", "faster"))
            if ratio.interval is None:
                assert "not valid" in ratio.says

    def test_runs_that_share_nothing_say_so(self, tmp_path: Path) -> None:
        other = a_document(1)
        other["cells"] = [{**cell, "id": f"other/{cell['id']}"} for cell in other["cells"]]
        told = together(ran(tmp_path, a_document(0), other))
        assert told.lead[0] == "Run 2 shares no cell with run 1."
        assert told.parts == ()
        assert len(told.alone) == 2
        page = Page(write_several(told, tmp_path / "out")[0].read_text())
        assert "The runs share no cell." in page.words

    def test_the_page_links_to_each_run_and_its_charts(self, tmp_path: Path) -> None:
        one, two = ran(tmp_path, a_document(0), a_document(1, slower))
        (one.path / "report.html").write_text("its own")
        (one.path / "charts").mkdir()
        (one.path / "charts" / "01-a-ratios.svg").write_text("<svg/>")
        out = tmp_path / "elsewhere" / "deep"
        made = write_several(together([one, two]), out)
        page = Page(made[0].read_text())
        sound(page)
        hrefs = [link["href"] or "" for link in page.all("a")]
        for target in ("report.html", "charts/01-a-ratios.svg"):
            assert f"../../{one.path.name}/{target}" in hrefs
            assert (out / f"../../{one.path.name}/{target}").exists()
        assert not any(two.path.name in href for href in hrefs)
        assert f"{two.path.name}" in page.words
        for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", made[1].read_text()):
            assert (out / picture).read_bytes().startswith(b"\x89PNG")

    def test_a_report_over_several_runs_goes_beside_the_first_by_the_same_name(self, tmp_path: Path) -> None:
        paths = [each.path for each in ran(tmp_path, a_document(0), a_document(1))]
        home = home_of(paths)
        assert home.parent == tmp_path
        assert home == home_of([paths[0] / "run.json", paths[1]])
        assert home != home_of([*paths, tmp_path])


class TestCommand:
    def test_compare_says_the_same_as_the_report_and_names_what_is_damaged(self, tmp_path: Path) -> None:
        runs = history(tmp_path, 2)
        done = CliRunner().invoke(cli, ["compare", *map(str, runs), "--json"])
        assert json.loads(done.stdout) == json.loads(report(*runs, "--json").stdout)["differences"]
        odd = kept(tmp_path, {**a_document(5), "cells": 7}, "odd")
        done = CliRunner().invoke(cli, ["compare", str(runs[0]), str(odd)])
        assert isinstance(done.exception, BenchkitError)
        assert str(odd) in str(done.exception)
        assert "damaged: cells" in str(done.exception)

    def test_what_is_no_run_is_named_and_left(self, tmp_path: Path) -> None:
        runs = history(tmp_path, 2)
        (tmp_path / "truth").mkdir()
        (tmp_path / "notes.md").write_text("words")
        (tmp_path / ".dam.partial").mkdir()
        future = kept(tmp_path, {**a_document(9), "schema": "benchkit.run/7"}, "future")
        done = report(*runs, tmp_path / "truth", tmp_path / "notes.md", future, tmp_path / ".dam.partial")
        assert done.exit_code == 0
        for words in (
            "left out: truth",
            "left out: notes.md",
            "newer benchkit",
            ".dam.partial: a run that is being",
        ):
            assert words in done.stderr
        page = Page(Path(done.stdout.splitlines()[0]).read_text())
        assert "newer benchkit" in page.words
        assert "2 runs of dam" in page.words

    def test_what_reports_left_beside_the_runs_is_passed_over(self, tmp_path: Path) -> None:
        runs = history(tmp_path, 2)
        report(tmp_path)
        first = report(*runs)
        again = report(*sorted(tmp_path.iterdir()))
        assert again.stdout == first.stdout
        assert again.stderr == ""

    def test_one_run_that_is_left_gets_its_own_report(self, tmp_path: Path) -> None:
        home = whole_run(tmp_path)
        (tmp_path / "truth").mkdir()
        assert report(home, tmp_path / "truth").stdout.splitlines()[0] == str(home / "report.html")

    def test_nothing_to_report_is_an_error_with_a_remedy(self, tmp_path: Path) -> None:
        (tmp_path / "truth").mkdir()
        for arguments in (
            [tmp_path / "truth"],
            [tmp_path / "truth", tmp_path / "truth"],
            [tmp_path / "none"],
        ):
            with pytest.raises(BenchkitError) as raised:
                report(*arguments)
            assert raised.value.remedy
        assert list((tmp_path / "truth").iterdir()) == []
        history(tmp_path, 1)
        with pytest.raises(BenchkitError, match="an index lies in the folder"):
            report(tmp_path, "--out", tmp_path / "out")

    def test_json_is_alone_on_standard_output(self, tmp_path: Path) -> None:
        runs = history(tmp_path, 3)
        several = report(*runs, "--json")
        found = json.loads(several.stdout)
        assert [each["number"] for each in found["runs"]] == [1, 2, 3]
        assert len(found["differences"]) == 6
        assert "report.html" in several.stderr
        assert len(json.loads(report(tmp_path, "--json").stdout)["runs"]) == 3

    def test_all_writes_the_reports_that_are_missing_and_the_index_links_them(self, tmp_path: Path) -> None:
        home = whole_run(tmp_path)
        bare = kept(tmp_path, a_document(3))
        done = report(tmp_path, "--all")
        assert (home / "report.html").exists()
        assert bare.name in done.stderr
        page = Page((tmp_path / "index.html").read_text())
        assert "whole/report.html" in [link["href"] for link in page.all("a")]
        assert "not written" in page.words
        written = (home / "report.html").stat().st_mtime_ns
        report(tmp_path, "--all")
        assert (home / "report.html").stat().st_mtime_ns == written


def indexed(folder: Path) -> Index:
    return index(shelf(folder))


class TestIndex:
    def test_runs_of_unlike_machines_and_quick_ones_stand_apart(self, tmp_path: Path) -> None:
        history(tmp_path, 4)
        other = {"fingerprint": "beef", "cpu": "B", "cores": 8}
        for number in (4, 5):
            kept(tmp_path, a_document(number, environment=other))
            kept(tmp_path, a_document(number, quick=True))
        told = indexed(tmp_path)
        assert sorted(len(line.runs) for line in told.series) == [2, 2, 4]
        for line in told.series:
            for course in line.courses:
                assert {point.fingerprint for point in course.track.points} == {
                    line.runs[0].document["environment"]["fingerprint"]
                }
        assert len(told.comparisons) == 3
        assert all(each.base.when < each.later.when for each in told.comparisons)
        assert not any("another machine" in said for each in told.comparisons for said in each.unlike)

    def test_a_planted_change_is_said_drawn_and_written(self, tmp_path: Path) -> None:
        pytest.importorskip("ruptures", reason="pip install 'benchkit[history]'")
        runs = history(tmp_path, 20, change_at=12)
        told = indexed(tmp_path)
        (line,) = told.series
        changed = {course.track.cell: course for course in line.courses if course.steps}
        assert set(changed) == {cell["id"] for cell in a_document(0)["cells"] if cell["transport"] == "shm"}
        for course in changed.values():
            (step,) = course.steps
            assert step.at == runs[12].name
            assert step.after == runs[11].name
            assert step.ratio == pytest.approx(1.25, rel=0.05)
            assert course.track.changes == (12,)
        assert "changed for good" in told.lead[1]
        html, markdown = (path.read_text() for path in write_index(told))
        assert "changed between" in html
        assert f"from {runs[12].name}" in Page(html).words
        assert "changes for good" in markdown

    def test_points_that_are_not_valid_are_drawn_and_not_searched(self, tmp_path: Path) -> None:
        pytest.importorskip("ruptures", reason="pip install 'benchkit[history]'")
        for number in range(24):
            wild = number % 2 == 1
            found = a_document(
                number, lambda _cell, wild=wild, number=number: (9.0 if wild else 1.0) + 0.01 * (number % 5)
            )
            for cell in found["cells"]:
                cell["validity"]["valid"] = not wild
            kept(tmp_path, found)
        (line,) = indexed(tmp_path).series
        assert all(len(course.track.points) == 24 and len(course.valid) == 12 for course in line.courses)
        assert all(course.searched and not course.steps for course in line.courses)

    def test_without_the_library_the_trend_is_drawn_and_the_hint_is_given(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(changes, "available", lambda: False)
        history(tmp_path, 13, change_at=6)
        told = indexed(tmp_path)
        assert told.charts
        page = Page(write_index(told)[0].read_text())
        assert "pip install 'benchkit[history]'" in page.words
        assert "changed for good" not in page.words

    def test_every_thing_in_the_folder_is_listed_or_named(self, tmp_path: Path) -> None:
        runs = history(tmp_path, 3)
        kept(tmp_path, {**a_document(5), "cells": 7}, "odd")
        (tmp_path / "truth").mkdir()
        report(*runs)
        told = indexed(tmp_path)
        page = Page(write_index(told)[0].read_text())
        sound(page)
        for name in (*(path.name for path in runs), "odd", "truth"):
            assert name in page.words
        assert "damaged: cells" in page.words
        assert "1 run cannot be read" in page.words
        (compared,) = told.compared
        assert f"{compared.name}/report.html" in [link["href"] for link in page.all("a")]

    def test_sixty_runs_cost_little_more_each_than_one(self, tmp_path: Path) -> None:
        """Both are long enough for change points: four times the runs, and no more than their square in time."""

        def seconds(count: int) -> float:
            folder = tmp_path / str(count)
            history(folder, count)
            began = time.process_time()
            write_index(indexed(folder))
            return time.process_time() - began

        seconds(14)  # fonts and libraries are loaded once
        assert seconds(60) < 16 * seconds(15)

    def test_hostile_names_and_texts_are_words(self, tmp_path: Path) -> None:
        found = json.loads(json.dumps(document(hostile_run())))
        for number, name in enumerate(
            [f"{SCRIPT.replace('/', '')}&'\" x", "javascript:alert(1)", "[a](b) `c` | d", "e\nf\x1b[31m"]
        ):
            stamp = {
                "started_utc": f"2026-01-0{number + 1}T00:00:00{CONTROL}",
                "benchkit": SCRIPT + str(number),
            }
            home = kept(tmp_path, {**found, **stamp}, name)
            (home / "report.html").write_text("its own")
        (tmp_path / ("<b>" + "x" * 200)).mkdir()
        told = indexed(tmp_path)
        runs = [Ran(at, each.path, each.document) for at, each in enumerate(told.runs, 1)]
        for made in (write_index(told), write_several(together(runs, told.left), tmp_path / "out")):
            text = made[0].read_text("utf-8")
            page = Page(text)
            sound(page)
            assert not page.all("img")
            assert not [name for _, found in page.elements for name in found if name.startswith("on")]
            assert SCRIPT not in text
            assert LONG not in text
            for link in page.all("a"):
                href = link["href"] or ""
                assert href.startswith("#") or (made[0].parent / _decoded(href)).exists()
                assert not re.match(r"(?i)\s*javascript:", href)
            assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", page.words)
            written = re.sub(
                r"(?ms)^(`{3,})sh\n.*?^\1$", "", made[1].read_text("utf-8")
            )  # code is shown as it is
            assert SCRIPT not in written
            assert not re.search(r"(?<!\\)\]\(javascript:", written)
            assert not re.search(r"(?<!\\)<(?!/?(details|summary))[a-z]", written)
        carried = re.search(r'id="figures">(.*?)</script>', write_index(told)[0].read_text("utf-8"))
        assert carried is not None
        data = json.loads(carried[1])
        assert len(data["runs"]) == 4
        assert len(data["runs"][0]["of"]) == len(found["cells"])
        assert any(SCRIPT[:8] in row or "script" in row for _, row in data["cells"])
        assert len(TEXTS) == 7


def _decoded(href: str) -> str:
    from urllib.parse import unquote

    return unquote(href.partition("#")[0])
