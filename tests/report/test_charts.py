"""What is drawn equals what the analysis says: the data of each chart, and that the figure shows it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import a_cell, a_run, dam

from benchkit.analysis.document import document
from benchkit.analysis.ledger import latency_ns, phases_ns, select
from benchkit.analysis.quantiles import PERCENTILES, minimum_samples, quantiles
from benchkit.records.run import Run
from benchkit.records.samples import PHASES, Status
from benchkit.report.charts import axes, cost, forest, palette, percentiles, phases, timeline, waterfall
from benchkit.report.charts.canvas import styled
from benchkit.report.charts.gallery import gallery
from benchkit.report.groups import Group, groups

GRAY_STEP = 0.06


def grouped(run: Run) -> tuple[dict[str, Any], list[Group]]:
    whole = document(run)
    return whole, groups(run, whole)


@pytest.fixture(scope="module")
def dams() -> tuple[dict[str, Any], list[Group]]:
    return grouped(dam())


def entry(whole: dict[str, Any], cell: str) -> dict[str, Any]:
    return next(each for each in whole["cells"] if each["id"] == cell)


def test_a_group_lists_ranked_cells_fastest_first_and_then_the_others(dams: Any) -> None:
    whole, found = dams
    ranked = [place["cell"] for place in whole["ranking"] if place["group"] == found[1].id]
    listed = [row.entry["id"] for row in found[1].rows]
    assert listed[: len(ranked)] == ranked
    assert not found[1].rows[-1].valid
    assert "not valid" in found[1].rows[-1].name


def test_phase_bars_add_up_to_the_mean_latency_of_the_messages_they_stand_for(dams: Any) -> None:
    whole, found = dams
    bars = phases.phase_bars(found[0])
    assert bars is not None
    for typical, slow, row in zip(bars.typical, bars.slow, found[0].rows, strict=True):
        latency = np.sort(latency_ns(row.samples[select(row.samples).rows])) / 1e3
        assert slow is not None
        assert slow.which == "slowest 1%"
        assert slow.count == -(-len(latency) // 100)
        assert slow.total_us == pytest.approx(latency[-slow.count :].mean())
        assert typical.total_us == pytest.approx(entry(whole, row.entry["id"])["latency_us"]["p50"], rel=0.02)


def test_phase_bars_speak_of_slow_messages_only_where_there_are_enough() -> None:
    few = phases.phase_bars(grouped(a_run(count=8, warmup=0, rounds=2))[1][0])
    some = phases.phase_bars(grouped(a_run(count=30, warmup=0, rounds=2))[1][0])
    assert few is not None
    assert some is not None
    assert few.slow == (None,)
    assert any("too few" in note for note in few.words.notes)
    assert some.slow[0] is not None
    assert some.slow[0].which == "slowest 10%"


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=3000))
def test_the_percentile_curve_follows_the_definition_of_a_percentile(values: list[int]) -> None:
    latency = np.array(values, np.int64)
    x, drawn = percentiles.points(latency)
    assert drawn[0] == min(values) / 1e3
    assert drawn[-1] == max(values) / 1e3
    assert all(a < b for a, b in pairwise(x))
    assert all(a <= b for a, b in pairwise(drawn))
    known = quantiles(latency)
    for name, share in PERCENTILES.items():
        if known[name] is not None:
            assert drawn[x.index(float(1 / (1 - share)))] == known[name] / 1e3


@pytest.mark.parametrize("name", PERCENTILES)
def test_a_curve_is_drawn_thin_from_where_the_table_refuses_the_percentile(name: str) -> None:
    least = minimum_samples(PERCENTILES[name])
    at = float(1 / (1 - PERCENTILES[name]))
    for count, shown in ((least - 1, False), (least, True)):
        run = a_run(count=count, warmup=0, rounds=1, interval_ns=1000)
        chart = percentiles.percentiles(grouped(run)[1][0], {})
        assert chart is not None
        curve = chart.curves[0]
        assert curve.count == count
        assert (at in curve.x[: curve.trusted]) == shown


def test_percentiles_carry_the_intervals_and_promises_of_the_run(dams: Any) -> None:
    whole, found = dams
    chart = percentiles.percentiles(found[0], {"p99": 0.02, "max": 1.0, "loss": 0.1})
    assert chart is not None
    for curve in chart.curves:
        latency = entry(whole, curve.cell)["latency_us"]
        expected = {name: latency[f"{name}_ci95"] for name in ("p50", "p99") if latency[f"{name}_ci95"]}
        assert {name: list(each) for name, each in curve.intervals_us.items()} == expected
    assert [(each.name, each.limit_us, each.x) for each in chart.promises] == [
        ("p99", 2e4, 100.0),
        ("max", 1e6, None),
    ]


def test_the_forest_is_the_ranking(dams: Any) -> None:
    whole, found = dams
    chart = forest.forest(found[0])
    assert chart is not None
    places = [place for place in whole["ranking"] if place["group"] == found[0].id]
    assert [each.cell for each in chart.ratios] == [place["cell"] for place in places]
    for each, place in zip(chart.ratios, places, strict=True):
        assert (each.ratio, list(each.interval or ()), each.tied) == (
            place["ratio_to_best"], place["ratio_ci95"], place["tied_with_best"]
        )  # fmt: skip
    assert [each.says.endswith(" tie") for each in chart.ratios] == [False, True, False, False, False, False]


def test_the_forest_claims_nothing_without_an_interval() -> None:
    run = a_run([a_cell("shm/raw/x"), a_cell("http/raw/x")], rounds=1, scale={"http/raw/x": 5.0})
    chart = forest.forest(grouped(run)[1][0])
    assert chart is not None
    assert chart.ratios[1].interval is None
    assert "too few rounds" in chart.ratios[1].says


def test_one_valid_cell_makes_no_forest() -> None:
    assert forest.forest(grouped(a_run())[1][0]) is None


def test_cost_is_what_run_json_says_and_its_interval_holds_it(dams: Any) -> None:
    whole, found = dams
    chart = cost.costs(found[0])
    assert chart is not None
    for each in chart.costs:
        recorded = entry(whole, each.cell)["cost"]
        assert each.by_party_us == {
            party: recorded[f"{party}_cpu_us_per_message"] for party in palette.PARTIES
        }
        assert each.interval_us is not None
        assert each.interval_us[0] <= (each.total_us or 0) <= each.interval_us[1]


def test_cost_without_a_record_is_unknown_and_not_nothing() -> None:
    run = a_run()
    run.blocks = [replace(block, usage={}) for block in run.blocks]
    chart = cost.costs(grouped(run)[1][0])
    assert chart is not None
    assert chart.costs[0].total_us is None
    assert chart.costs[0].interval_us is None


def test_the_timeline_keeps_the_extremes_and_marks_warm_up_and_losses() -> None:
    run = a_run(count=1000, warmup=50, rounds=3)
    samples = next(iter(run.samples.values()))
    samples["status"][700] = Status.LOST
    samples["returned"][1500] += 10**9
    samples["taken"][1700] += 10**5
    run.blocks[1] = replace(run.blocks[1], warmup_settled=False)
    whole, found = grouped(run)
    chart = timeline.timeline(found[0])
    assert chart is not None
    track = chart.tracks[0]
    assert (track.warmup, track.undelivered, len(track.stretches)) == (150, 1, 3)
    assert track.unsettled == 1
    assert track.stretches[0].undelivered_s == (pytest.approx(7.0),)
    assert track.stretches[0].warmup_s == pytest.approx(0.5)
    drawn = max(value for stretch in track.stretches for value in stretch.max_us)
    assert drawn == whole["cells"][0]["latency_us"]["max"]
    late = max(value for stretch in track.stretches for value in stretch.lateness_us)
    assert late == whole["cells"][0]["load"]["lateness_us"]["max"]
    assert sum(len(stretch.at_s) for stretch in track.stretches) <= 180


def test_the_waterfall_shows_the_median_message_and_the_slowest_five(dams: Any) -> None:
    whole, found = dams
    chart = waterfall.waterfall(found[0])
    assert chart is not None
    for fall, row in zip(chart.falls, found[0].rows, strict=False):
        latency = entry(whole, fall.cell)["latency_us"]
        own = latency_ns(row.samples[select(row.samples).rows]) / 1e3
        assert fall.messages[0].latency_us == pytest.approx(latency["p50"])
        assert [each.latency_us for each in fall.messages[1:]] == pytest.approx(np.sort(own)[:-6:-1].tolist())
        sample = row.samples[
            (row.samples["seq"] == fall.messages[1].seq) & (row.samples["block"] == fall.messages[1].block)
        ]
        assert fall.messages[1].phases_us == pytest.approx((phases_ns(sample)[0] / 1e3).tolist())


def test_what_has_no_room_is_named() -> None:
    cells = [a_cell(f"shm/codec{at}/x") for at in range(20)]
    for chart in gallery(grouped(a_run(cells, rounds=2, count=20))[1][0], {}):
        assert any("left out" in note and "more" in note for note in chart.words.notes), chart.kind


def test_every_chart_says_its_unit_its_sample_sizes_and_its_values(dams: Any) -> None:
    for chart in gallery(dams[1][0], {"p99": 0.02}):
        svg = fromstring(chart.svg(f"one-{chart.kind}").alone)  # noqa: S314  (own output)
        words = " ".join("".join(each.itertext()) for each in svg.iter("{http://www.w3.org/2000/svg}text"))
        assert "n=585" in words, chart.kind
        assert any(f" {unit}" in words for unit in ("us", "ms", "s")), chart.kind
        assert all(len(row) == len(chart.words.columns) for row in chart.words.values), chart.kind
        assert chart.words.values


def test_several_charts_share_a_page_without_sharing_an_id(dams: Any) -> None:
    seen: set[str] = set()
    for group in dams[1]:
        for chart in gallery(group, {}):
            tree = fromstring(chart.svg(f"g{group.number}-{chart.kind}").inline)  # noqa: S314  (own output)
            ids = [each.get("id") for each in tree.iter() if each.get("id")]
            refers = {each.get("href", "#")[1:] for each in tree.iter("use")}
            assert len(ids) == len(set(ids))
            assert refers <= set(ids)
            assert not seen & set(ids)
            assert not any(each.tag == "style" or "style" in each.attrib for each in tree.iter())
            seen |= {each for each in ids if each}


def test_a_picture_is_the_same_every_time(dams: Any) -> None:
    first, second = (list(gallery(dams[1][1], {})) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.svg("x") == other.svg("x")
        assert one.png() == other.png()


def luminance(color: str) -> float:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", [*palette.PHASES, *palette.PARTIES])
def test_words_on_a_bar_can_be_read_on_light_and_on_dark_ground(name: str) -> None:
    hue = {**palette.PHASES, **palette.PARTIES}[name]
    assert contrast(hue.light, hue.words) >= 4.5
    assert contrast(hue.dark, hue.words) >= 4.5


def test_neighbouring_phases_differ_in_a_grey_print() -> None:
    often = ("lateness", "encode", "send", "queue", "transit", "decode", "compute", "reply", "return")
    for one, other in pairwise(often):
        difference = abs(luminance(palette.PHASES[one].light) - luminance(palette.PHASES[other].light))
        assert difference >= GRAY_STEP, (one, other)


def test_each_light_colour_has_one_dark_twin() -> None:
    hues = [*palette.PHASES.values(), *palette.PARTIES.values()]
    lights = [hue.light for hue in hues]
    assert len(set(lights)) == len(lights)
    for light, dark in palette.dark_twins().items():
        assert light != dark


def test_the_names_beside_curves_never_touch() -> None:
    heights = axes.apart([0.5, 0.5, 0.51, 0.99, 1.0, -0.1], 0.1)
    ordered = sorted(heights)
    assert all(b - a >= 0.1 - 1e-9 for a, b in pairwise(ordered))
    assert ordered[-1] <= 1.0


def test_a_dollar_is_a_dollar_and_figures_leave_the_settings_alone() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    run = a_run([a_cell("$x^2$/raw/y"), a_cell("shm/raw/y")])
    with styled():
        pass
    for chart in gallery(grouped(run)[1][0], {}):
        words = "".join(fromstring(chart.svg("x").inline).itertext())  # noqa: S314  (own output)
        assert "$x^2$" in words
    assert dict(mpl.rcParams) == before


def test_every_phase_has_a_colour() -> None:
    assert tuple(palette.PHASES) == PHASES
