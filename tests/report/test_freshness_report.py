"""Freshness and scaling as people see them: no cell is praised for the few messages that it delivered."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drawn import marked, outside, overlapping, words
from live_runs import overloaded_bulk, policies, workers
from pages import Page
from rich.console import Console
from runs import page_of
from synthetic import a_cell, a_run, dam

from benchkit.analysis.document import document
from benchkit.analysis.goodput_words import show_share
from benchkit.records.run import Run
from benchkit.records.samples import Status
from benchkit.records.seen import Traffic
from benchkit.report.charts import fresh as fresh_chart
from benchkit.report.charts import scaling as scaling_chart
from benchkit.report.charts.canvas import styled
from benchkit.report.charts.gallery import Chart, overview
from benchkit.report.decision import record
from benchkit.report.grid import grid
from benchkit.report.groups import groups
from benchkit.report.lead import lead
from benchkit.report.markdown import markdown
from benchkit.report.story import story
from benchkit.report.terminal import report
from benchkit.words import speaking


@pytest.fixture(scope="module")
def live() -> tuple[Run, dict[str, Any]]:
    run = policies()
    whole = document(run)
    return run, whole


@pytest.fixture(scope="module")
def grown() -> tuple[Run, dict[str, Any]]:
    run = workers(rounds=3)
    return run, document(run)


def printed(whole: dict[str, Any], width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(report(whole))
    return out.getvalue()


def chart(run: Run, whole: dict[str, Any], kind: str) -> Chart:
    return next(each for each in overview(groups(run, whole), whole) if each.kind == kind)


def half_dropped() -> Run:
    """Two transports in one group; the quick one drops every other message."""
    run = a_run([a_cell("shm/raw/x"), a_cell("http/raw/x")], scale={"http/raw/x": 3.0}, rounds=6, count=200)
    own = run.samples["shm/raw/x"]
    own["status"][own["seq"] % 2 == 1] = Status.DROPPED
    run.blocks = [
        replace(block, traffic=Traffic(drops={"rate": 100})) if block.cell.startswith("shm") else block
        for block in run.blocks
    ]
    return run


def test_the_terminal_has_age_staleness_goodput_and_drops_in_eighty_columns(live: Any) -> None:
    text = printed(live[1])
    assert max(map(len, text.splitlines())) <= 80
    lines = " ".join(text.split())
    for told in ("staleness", "goodput", "67%", "8%", "within 250 ms of being due"):
        assert told in lines, told
    assert "197 latest-only" in lines
    assert "jitter" not in lines
    assert "jitter" in printed(live[1], 120)


def test_backlog_and_drain_stand_beside_lead_time() -> None:
    text = printed(document(overloaded_bulk()))
    assert max(map(len, text.splitlines())) <= 80
    assert "lead time" in text
    assert "backlog" in text
    assert "recovery" in text


def test_a_run_in_which_nothing_is_live_says_nothing_of_freshness(tmp_path: Path) -> None:
    run = dam()
    whole = document(run)
    assert "staleness" not in printed(whole)
    told = story(run, whole)
    assert not told.fresh
    assert not any(
        chart.kind in ("freshness", "scaling") for each in told.sections for _, chart in each.charts
    )
    assert (
        "Freshness"
        not in Page(page_of(run, tmp_path / "page", whole, most_charts=1).read_text("utf-8")).words
    )


def test_the_fastest_cell_is_not_praised_for_part_of_its_messages() -> None:
    run = half_dropped()
    whole = document(run)
    found = groups(run, whole)
    for said in (lead(whole, found)[0].text, whole["answer"][0], record(whole, found).decisions[0].text):
        assert "shm raw ranks first by latency" in said
        assert "delivered 50% of its messages (rate dropped 600)" in said
        assert "more was delivered by http raw 100%" in said
        assert "is fastest" not in said
    assert not record(whole, found).settled
    assert whole["ranking"][0]["delivered_share"] == pytest.approx(0.5, abs=0.02)
    assert grid(found).rows[1].badge == "50% delivered"


def test_a_policy_alone_in_its_group_says_what_it_delivered(live: Any) -> None:
    run, whole = live
    assert any(
        "for the 67% of its messages that it delivered (latest-only dropped 197)" in said
        for said in whole["answer"]
    )
    text = lead(whole, groups(run, whole))[0].text
    assert "67% of its messages" in text
    assert "fastest" not in text


def test_policies_are_compared_over_their_groups(live: Any) -> None:
    (said,) = [each for each in live[1]["answer"] if "freshest" in each]
    freshest, _, fullest = said.partition("; most is delivered by ")
    assert freshest.startswith(
        "camera/30ps, 1.0 kB: results are freshest with shm raw, latest-only (staleness 90.9 ms ["
    )
    assert "told apart" not in freshest
    assert fullest.startswith("shm raw, drop-oldest (staleness 184 ms [")
    assert fullest.endswith("], delivered 70%).")
    told = story(*live)
    (claim,) = [each for each in told.answer if each.text == said]
    assert claim.anchor == "freshness"
    assert [part.table.caption for part in told.fresh] == [
        "camera/30ps, 1.0 kB: freshness and goodput", "camera/30ps, 1.0 kB: bulk work",
    ]  # fmt: skip
    assert [row[0].text for row in told.fresh[0].table.rows] == [
        "shm raw, block (not valid)", "shm raw, drop-oldest", "shm raw, latest-only",
    ]  # fmt: skip


def test_few_blocks_claim_no_difference_in_staleness() -> None:
    (said,) = [each for each in document(policies(rounds=2))["answer"] if "freshest" in each]
    assert "cannot be told apart from shm raw, drop-oldest" in said


def test_one_message_in_a_thousand_is_no_reason_to_withhold_praise() -> None:
    run = a_run([a_cell("shm/raw/x"), a_cell("http/raw/x")], scale={"http/raw/x": 3.0}, rounds=6, count=300)
    run.samples["shm/raw/x"]["status"][100] = Status.DROPPED
    whole = document(run)
    assert "shm raw is fastest" in whole["answer"][0]


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (1.0, "100%"),
        (0.9999, "99.9%"),
        (0.995, "99.5%"),
        (0.52, "52%"),
        (0.004, "0.4%"),
        (0.0, "0%"),
        (1e-9, "0.01%"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_to_nothing(share: float, said: str) -> None:
    assert show_share(share) == said


def test_page_and_record_have_a_section_on_freshness(live: Any, tmp_path: Path) -> None:
    run, whole = live
    page = Page(page_of(run, tmp_path / "page", whole, most_charts=1).read_text("utf-8"))
    assert {"id": "freshness"}.items() <= page.all("h2")[
        [each.get("id") for each in page.all("h2")].index("freshness")
    ].items()
    assert any(each.get("href") == "#freshness" for each in page.all("a"))
    assert "16.8 / 33.3 ms" in page.words
    told = story(run, whole)
    names = [
        name for name, _ in (*told.overview, *(each for section in told.sections for each in section.charts))
    ]
    text = markdown(told, dict.fromkeys(names, "charts/x"), ["benchkit run x.yaml"])
    assert "## Freshness and goodput" in text
    assert "| cell | age | staleness | jitter | goodput | dropped | freezes |" in text


def test_the_chart_draws_the_trade(live: Any) -> None:
    run, whole = live
    made = chart(run, whole, "freshness")
    drawing = made.figure
    assert overlapping(drawing) == []
    assert outside(drawing) == []
    assert [note for note in made.words.notes if note not in words(drawing)] == []
    by_id = {cell["id"]: cell for cell in whole["cells"]}
    (found,) = fresh_chart.freshness(groups(run, whole), whole)
    for each in found.cells:
        cell = by_id[each.cell]
        (latency,) = marked(drawing, f"{each.name}: latency p50")
        (stale,) = marked(drawing, f"{each.name}: staleness mean")
        assert latency.get_xdata()[0] == cell["latency_us"]["p50"]
        assert stale.get_xdata()[0] == cell["freshness"]["staleness_us"]["mean"]
        pieces = [*marked(drawing, f"{each.name}: in time"), *marked(drawing, f"{each.name}: delivered")]
        assert pieces[0].get_width() == pytest.approx(cell["freshness"]["goodput_share"])
    (late,) = marked(drawing, "shm raw, block", "after the deadline")
    assert late.get_width() == pytest.approx(1 - by_id[found.cells[0].cell]["freshness"]["goodput_share"])
    (limit,) = marked(drawing, "deadline 250 ms")
    assert set(limit.get_xdata()) == {250_000.0}
    assert len(made.svg("x").marks) == 3 * 3 + 2


def test_the_scaling_chart_draws_points_curve_and_best_count(grown: Any) -> None:
    run, whole = grown
    made = chart(run, whole, "scaling")
    drawing = made.figure
    assert overlapping(drawing) == []
    assert outside(drawing) == []
    assert [note for note in made.words.notes if note not in words(drawing)] == []
    (law,) = whole["scaling"]
    for each in law["points"]:
        (point,) = marked(drawing, f": {each['workers']} workers, ")
        assert (point.get_xdata()[0], point.get_ydata()[0]) == (each["workers"], each["per_s"])
    (ring,) = marked(drawing, "most throughput")
    assert ring.get_xdata()[0] == law["best_workers"]
    assert len(made.words.values) == 4
    assert scaling_chart.scaling({"cells": [], "scaling": []}) is None


def test_a_law_that_was_refused_is_told_and_not_drawn() -> None:
    run = workers((1, 2), rounds=2)
    whole = document(run)
    assert scaling_chart.scaling(whole) is None
    assert not any(each.kind == "scaling" for each in overview(groups(run, whole), whole))


def test_hostile_names_stay_inside(live: Any) -> None:
    run, whole = live
    changed = {**whole, "cells": [
        {**cell, "labels": {**cell["labels"], "row": f"{cell['labels']['row']}\u202e" + "L" * 5000}}
        for cell in whole["cells"]
    ]}  # fmt: skip
    drawing = chart(run, changed, "freshness").figure
    assert outside(drawing) == []
    assert overlapping(drawing) == []


def test_korean_has_words_for_all_of_it(live: Any, grown: Any) -> None:
    for run in (live[0], grown[0]):
        with speaking("ko"):
            whole = document(run)
            told = story(run, whole)
            found = [*told.overview, *(each for section in told.sections for each in section.charts)]
            for name, made in found:
                if "freshness" in name or "scaling" in name:
                    with styled():
                        assert outside(made.figure) == []
            said = " ".join(
                (
                    told.lead[0].text,
                    *whole["answer"],
                    *(note for each in told.fresh for note in each.notes),
                )
            )
        for english in ("delivered", "ranks", "staleness", "workers", "lead time"):
            assert english not in said.replace("workers=", ""), said
