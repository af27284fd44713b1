"""The figures themselves: what is drawn is what the data says, words stand clear, hostile texts survive."""

from __future__ import annotations

import io
from typing import Any
from xml.etree.ElementTree import fromstring

import numpy as np
import pytest
from drawn import marked, outside, overlapping, says, words
from gathered import WHAT_IF, full, swept
from hostile import hostile_run
from PIL import Image
from searched import SimulatedStage, searched
from synthetic import a_cell, a_run, dam

from benchkit.analysis.document import document
from benchkit.analysis.ledger import phases_ns, select
from benchkit.analysis.trend import trend
from benchkit.load.search import Capacity
from benchkit.records.samples import PHASES
from benchkit.report.charts import (
    canvas,
    cost,
    crossing,
    floors,
    forest,
    palette,
    percentiles,
    phases,
    sensitivity,
    timeline,
    trends,
    waterfall,
)
from benchkit.report.charts import swept as swept_chart
from benchkit.report.charts.canvas import styled
from benchkit.report.charts.gallery import Chart, gallery, overview, trend_charts
from benchkit.report.charts.picture import png
from benchkit.report.groups import groups

SLO = {"p90": 0.0201, "p99": 0.02, "max": 1.0}
KINDS = {
    "crossover", "throughput", "ratios", "phases", "percentiles", "sensitivity", "floors", "cost", "timeline",
    "waterfall", "trend",
}  # fmt: skip


@pytest.fixture(scope="module")
def run() -> Any:
    return full(swept())


@pytest.fixture(scope="module")
def whole(run: Any) -> dict[str, Any]:
    return run[1]


@pytest.fixture(scope="module")
def found(run: Any) -> Any:
    return groups(*run)


def every_chart(run: Any, name: str = "some") -> list[Chart]:
    """One chart of every kind that the run has."""
    grouped = groups(*run)
    newer = {**run[1], "started_utc": "2026-11-23T00:00:00"}
    charts = [
        *overview(grouped, run[1]),
        *gallery(grouped[0], SLO),
        *trend_charts(name, trend([run[1], newer], changes={run[1]["cells"][0]["id"]: [1]})),
    ]
    return list({chart.kind: chart for chart in charts}.values())


def figure(chart: Chart) -> Any:
    return chart.figure


@pytest.fixture(scope="module")
def charts(run: Any) -> list[Chart]:
    return every_chart(run)


def test_all_eleven_are_there(charts: Any) -> None:
    assert {chart.kind for chart in charts} == KINDS


def test_words_stand_clear_and_inside(charts: Any) -> None:
    made = dam()
    others = [chart for group in groups(made, document(made)) for chart in gallery(group, SLO)]
    for chart in [*charts, *others]:
        assert overlapping(figure(chart)) == [], chart.kind
        assert outside(figure(chart)) == [], chart.kind


def test_no_ordinary_name_is_cut_short(charts: Any) -> None:
    for chart in charts:
        assert [each for each in words(figure(chart)) if each.endswith("\u2026")] == [], chart.kind


def test_no_note_of_ours_is_cut_short(charts: Any) -> None:
    for chart in charts:
        assert [note for note in chart.words.notes if note not in words(figure(chart))] == [], chart.kind


def test_every_mark_is_an_element_that_says_its_value(charts: Any) -> None:
    for chart in charts:
        drawn = chart.svg("a-b")
        tree = fromstring(drawn.inline)  # noqa: S314  (own output)
        elements = {each.get("id"): each for each in tree.iter("g") if each.get("class") == "mark"}
        assert len(elements) == len(drawn.marks) > 0, chart.kind
        for mark in drawn.marks:
            element = elements[f"a-b-{mark.gid}"]
            assert element[0].tag == "title"
            assert element[0].text == mark.words
            assert len(element) > 1, (chart.kind, mark)  # something is drawn
        assert drawn.marks == chart.marks


def test_phase_pieces_are_as_long_as_the_phases(found: Any) -> None:
    bars = phases.phase_bars(found[0])
    with styled():
        drawing = phases.draw(bars)
    for bar in (*bars.typical, *(each for each in bars.slow if each)):
        pieces = {name: marked(drawing, f"{bar.name}, {bar.which} ", f": {name} ") for name in PHASES}
        lengths = {name: piece[0].get_width() for name, piece in pieces.items() if piece}
        known = {name: us for name, us in zip(PHASES, bar.phases_us, strict=True) if us}
        assert lengths.keys() == known.keys()
        whole = sum(known.values())
        for name, us in known.items():
            assert lengths[name] / sum(lengths.values()) == pytest.approx(us / whole)


def test_percentiles_and_intervals_are_where_the_analysis_puts_them(found: Any, whole: Any) -> None:
    chart = percentiles.percentiles(found[0], SLO)
    with styled():
        drawing = percentiles.draw(chart)
    for curve in chart.curves:
        latency = next(cell for cell in whole["cells"] if cell["id"] == curve.cell)["latency_us"]
        (p50,) = marked(drawing, f"{curve.name}: p50 ")[1:] or marked(drawing, f"{curve.name}: p50 ")
        assert p50.get_ydata()[0] == latency["p50"]
        assert p50.get_xdata()[0] == 2.0
        (interval,) = marked(drawing, f"{curve.name}: p50, 95% interval")
        assert list(interval.get_ydata()) == latency["p50_ci95"]
    (promise,) = marked(drawing, "promised p99")
    assert set(promise.get_ydata()) == {SLO["p99"] * 1e6}


def test_the_forest_draws_the_ranking_and_ties_hollow(found: Any, whole: Any) -> None:
    chart = forest.forest(found[0])
    with styled():
        drawing = forest.draw(chart)
    for place in (each for each in whole["ranking"] if each["group"] == found[0].id):
        each = next(each for each in chart.ratios if each.cell == place["cell"])
        (point,) = marked(drawing, f"{each.name}: p50")
        assert point.get_xdata()[0] == place["ratio_to_best"]
        hollow = point.get_markerfacecolor() == palette.GROUND
        assert hollow == (place["tied_with_best"] and not each.best)


def test_the_timeline_draws_maxima_losses_and_events(found: Any) -> None:
    chart = timeline.timeline(found[0])
    with styled():
        drawing = timeline.draw(chart)
    track = next(track for track in chart.tracks if track.events)
    assert track.seen == (("broker", 1), ("fault", 1), ("gc", 1))
    assert [each.at_s for each in track.events] == pytest.approx([0.1, 0.2, 0.3])
    (gc,) = marked(drawing, "gc in stage-0 for 3.0 ms: generation 2")
    assert gc.get_xdata() == pytest.approx((0.1, 0.103))
    assert len(marked(drawing, "fault in stage-0")) == 1
    largest = max(max(stretch.max_us) for stretch in track.stretches)
    points = marked(drawing, f"{track.name}, block", "largest")
    assert max(point.get_ydata()[0] for point in points) == largest


def test_cost_is_drawn_per_message_and_per_gigabyte(found: Any) -> None:
    chart = cost.costs(found[-1])
    with styled():
        drawing = cost.draw(chart)
    for each in chart.costs:
        (piece,) = marked(drawing, f"{each.name}: CPU per message, stage ")
        (per_gb,) = marked(drawing, f"{each.name}: CPU per GB, stage ")
        spent = each.by_party_us["stage"]
        scale = {"us": 1.0, "ms": 1e3, "s": 1e6}
        assert piece.get_width() * scale[str(piece.get_label()).split()[-1]] == pytest.approx(spent)
        gigabyte = per_gb.get_width() * scale[str(per_gb.get_label()).split()[-1]]
        assert gigabyte == pytest.approx(spent * 1e9 / each.payload_bytes)
        (wire,) = marked(drawing, f"{each.name}: on the wire")
        assert wire.get_width() == each.wire_bytes / 1e3


def test_the_waterfall_starts_each_phase_where_the_last_one_ended(found: Any) -> None:
    chart = waterfall.waterfall(found[0])
    with styled():
        drawing = waterfall.draw(chart)
    fall = chart.falls[0]
    for message in fall.messages:
        pieces = marked(drawing, f"{fall.name}, {message.name} (")
        ends = [piece.get_x() + piece.get_width() for piece in pieces]
        assert [piece.get_x() for piece in pieces] == pytest.approx([0.0, *ends[:-1]])
        assert ends[-1] == pytest.approx(message.latency_us / 1e3)


def test_floors_are_those_of_the_document(found: Any, whole: Any) -> None:
    chart = floors.floors(found[0])
    with styled():
        drawing = floors.draw(chart)
    for each, row in zip(chart.heights, found[0].rows, strict=True):
        entry = next(cell for cell in whole["cells"] if cell["id"] == each.cell)
        own = phases_ns(row.samples[select(row.samples).rows]) / 1e3
        moved = own[:, [PHASES.index(name) for name in floors.MOVING]].sum(axis=1)
        assert each.moved_us == pytest.approx(np.sort(moved)[(len(moved) - 1) // 2])
        assert each.interval_us is not None
        assert each.interval_us[0] <= each.moved_us <= each.interval_us[1]
        (base,) = marked(drawing, f"{each.name}: floor by-hand")
        (point,) = marked(drawing, f"{each.name}: moved in")
        assert (base.get_xdata()[0], point.get_xdata()[0]) == (
            entry["floor"]["p50_us"],
            entry["floor"]["moved_p50_us"],
        )


def test_the_map_is_full_where_somebody_wins_and_pale_where_several_tie(whole: Any) -> None:
    (found,) = crossing.crossings(whole)
    with styled():
        drawing = crossing.draw(found)
    (written,) = whole["crossover"]
    states = {}
    for field, plot in zip(written["fields"], found.plots, strict=True):
        (drawn,) = marked(drawing, plot.says)
        assert drawn.get_xy() == (plot.column, plot.row)
        assert found.payloads[plot.column] in plot.says
        states[field["payload_bytes"]] = field["state"]
        assert (drawn.get_facecolor()[:3] == pytest.approx(rgb(palette.looks(["shm"])["shm"].hue.light))) == (
            field["state"] == "won"
        )
    assert states == {1000: "tied", 64_000: "tied", 256_000: "won"}
    assert "shm raw is fastest at 256 kB, the largest measured" in whole["answer"][0]


def rgb(color: str) -> tuple[float, ...]:
    return tuple(int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))


def test_a_blank_field_stays_blank() -> None:
    made = swept(rounds=6)
    for cell in made.cells:
        if cell.group == "middle/50-per-s":
            made.samples[cell.id]["status"] = 5
    (found,) = crossing.crossings(document(made))
    (plot,) = [each for each in found.plots if each.state == "blank"]
    with styled():
        drawing = crossing.draw(found)
    (drawn,) = marked(drawing, plot.says)
    assert drawn.get_facecolor()[:3] == pytest.approx(rgb(palette.GROUND))
    assert plot.winners == ()


def test_given_rates_make_a_line_of_latency_against_throughput(run: Any) -> None:
    made = list(swept_chart.swept(groups(*run), run[1]))
    assert len(made) == 3
    by_id = {cell["id"]: cell for cell in run[1]["cells"]}
    for chart in made:
        for edge in chart.edges:
            first = by_id[edge.cell]
            assert edge.points[0].delivered_per_s == first["throughput"]["messages_per_s"]
            assert edge.points[0].latency_us == first["latency_us"][chart.shown]
            assert edge.points[0].interval_us == tuple(first["latency_us"][f"{chart.shown}_ci95"])


def test_the_knee_has_the_most_throughput_per_latency() -> None:
    sought = Capacity(slo={"p99": 0.1, "loss": 0}, arrival="constant")
    made = searched(SimulatedStage(0.005), load=sought)
    (group,) = groups(made, document(made))
    chart = next(chart for chart in gallery(group, made.slo) if chart.kind == "capacity")
    drawing = figure(chart)
    assert overlapping(drawing) == []
    assert outside(drawing) == []
    (edge,) = chart.draw.args[0].edges
    assert edge.knee is not None
    power = [point.delivered_per_s / point.latency_us for point in edge.points]
    assert power[edge.knee] == max(power)
    (band,) = marked(drawing, "capacity between")
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx(edge.interval)


def test_sensitivity_draws_prediction_beside_confirmation(found: Any, whole: Any) -> None:
    group = next(group for group in found if sensitivity.sensitivity(group))
    chart = sensitivity.sensitivity(group)
    with styled():
        drawing = sensitivity.draw(chart)
    predicted, measured = marked(drawing, "transport shm instead of redis-list")
    assert predicted.get_xdata()[0] == pytest.approx(44 / 40)
    assert measured.get_xdata()[0] == pytest.approx(43 / 40)
    (halved,) = marked(drawing, "compute twice as fast")
    assert halved.get_xdata()[0] == pytest.approx(76 / 40)
    (slope,) = marked(drawing, "compute slowed, mean latency")
    assert slope.get_xdata()[0] == WHAT_IF["sensitivity"][0]["latency"]["slope"]
    assert len(marked(drawing, "encode slowed")) == 1  # its throughput is not known


def test_the_trend_lines_up_cells_by_the_time_of_their_runs(whole: Any) -> None:
    newer = {**whole, "started_utc": "2026-11-23T00:00:00+00:00"}
    cell = whole["cells"][0]["id"]
    tracks = trend([newer, whole], ["new", "old"], baselines=[1], changes={cell: [1, 7]})
    assert [point.name for point in tracks[0].points] == ["old", "new"]
    assert [point.baseline for point in tracks[0].points] == [True, False]
    assert tracks[0].changes == (1,)
    chart = trends.trends("dam", tracks)
    with styled():
        drawing = trends.draw(chart)
    latency = whole["cells"][0]["latency_us"]
    old, _ = [each for each in marked(drawing, "n=") if chart.panels[0].name in str(each.get_label())][:2]
    assert (old.get_xdata()[0], old.get_ydata()[0]) == (0, latency["p50"])
    (step,) = marked(drawing, "changed between old and new")
    assert step.get_xdata()[0] == 0.5
    assert trends.trends("dam", trend([whole])) is None


HOSTILE = (
    "$x^2$ $", "two\nlines\tand more", "\u202etxt.exe\u2066 right to left", "L" * 10_000, "\ud55c\uad6d\uc5b4 \ub310",
    "<b>&amp;</b>",
)  # fmt: skip


def test_hostile_names_stay_inside_and_clear() -> None:
    made, whole = full(swept((*HOSTILE, "shm"), rounds=3, sizes=("small", "large")))
    whole["cells"][0]["what_if"]["predictions"][0]["words"] = HOSTILE[3]
    for chart in every_chart((made, whole), HOSTILE[2]):
        drawing = figure(chart)
        assert outside(drawing) == [], chart.kind
        assert overlapping(drawing) == [], chart.kind
        assert not any("\n" in each or "\u202e" in each for each in (*words(drawing), *says(drawing)))
        assert max(map(len, says(drawing))) < 800
        assert len(chart.svg("x").alone) < 500_000
        assert chart.png().startswith(b"\x89PNG")


def test_a_hostile_run_is_drawn() -> None:
    made = hostile_run()
    (group, *_) = groups(made, document(made))
    for chart in gallery(group, made.slo):
        assert fromstring(chart.svg("x").inline) is not None  # noqa: S314  (own output)
        assert outside(figure(chart)) == [], chart.kind


def test_dark_and_light_pictures_differ_in_colours_only(charts: Any) -> None:
    for chart in (each for each in charts if each.kind in ("crossover", "timeline")):
        first = chart.png()
        light, dark = (Image.open(io.BytesIO(each)).convert("RGB") for each in (first, chart.png(dark=True)))
        assert light.size == dark.size
        for picture, color in ((light, palette.GROUND), (dark, palette.dark_twins()[palette.GROUND])):
            assert picture.getpixel((0, 0)) == tuple(round(255 * each) for each in rgb(color))
        assert chart.png() == first  # a dark picture leaves nothing behind


def test_a_picture_has_words(charts: Any) -> None:
    """What Pillow writes is there: without words far fewer pixels are dark."""
    chart = next(each for each in charts if each.kind == "ratios")
    drawing = chart.draw()
    for text in canvas.artists(drawing):
        if hasattr(text, "set_text"):
            text.set_text("")
    with styled():
        bare = sum(Image.open(io.BytesIO(png(drawing))).convert("L").histogram()[:100])
    assert sum(Image.open(io.BytesIO(chart.png())).convert("L").histogram()[:100]) > 2 * bare


def test_a_transport_of_somebody_elses_keeps_its_colour_and_shares_it_with_nobody() -> None:
    own = (
        "http",
        "redis-list",
        "redis-stream",
        "shm",
        "unix",
        "inproc",
        "zeromq",
        "mp-queue",
        "iceoryx2",
        "kserve-http",
    )
    others = [f"plug-in-{at}" for at in range(12)]
    for count in range(13):
        found = palette.looks([*own, *others[:count]])
        assert len({(look.hue.light, look.marker) for look in found.values()}) == len(found)
        hues = [found[name].hue.light for name in others[:count]]
        assert len(set(hues)) == min(count, 4)
        assert not {found[name].hue.light for name in own} & set(hues)
    for name in others:
        assert palette.looks([name])[name] == palette.looks([name, *own])[name]


MACHADO = {
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
    "all": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
}  # fmt: skip


def lab(color: str, sight: Any) -> Any:
    channels = np.array(rgb(color))
    linear = np.clip(
        sight @ np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4), 0, 1
    )
    xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    x, y, z = (
        np.cbrt(each) if each > 0.008856 else 7.787 * each + 16 / 116
        for each in xyz @ linear / (0.95047, 1, 1.08883)
    )
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", MACHADO)
@pytest.mark.parametrize("ground", ["light", "dark"])
def test_colours_of_transports_are_told_apart_by_every_eye(sight: str, ground: str) -> None:
    names = (
        "http",
        "redis-list",
        "redis-stream",
        "shm",
        "unix",
        "inproc",
        "zeromq",
        "mp-queue",
        "iceoryx2",
        "kserve-http",
    )
    seen = {
        name: lab(getattr(look.hue, ground), np.array(MACHADO[sight]))
        for name, look in palette.looks(names).items()
    }
    near = [
        (one, other, round(float(np.linalg.norm(seen[one] - seen[other]))))
        for at, one in enumerate(names)
        for other in names[at + 1 :]
        if np.linalg.norm(seen[one] - seen[other]) < 10
    ]
    assert near == []


def test_one_cell_of_one_block_has_its_charts() -> None:
    made = a_run([a_cell("shm/raw/x")], rounds=1, count=8, warmup=0)
    kinds = [chart.kind for group in groups(made, document(made)) for chart in gallery(group, {})]
    assert kinds == ["phases", "percentiles", "cost", "timeline", "waterfall"]
