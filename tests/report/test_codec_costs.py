"""What a report says of codecs: bytes, times, and what is lost."""

from dataclasses import replace

from synthetic import a_cell, a_run
from test_terminal import shown

from benchkit.analysis.document import document
from benchkit.records.run import Cell, Psnr, Run
from benchkit.report.codecs import COLUMNS, codec_rows, fidelity, on_the_wire
from benchkit.report.story import story
from benchkit.report.terminal import report


def jpeg(quality: int, psnr_db: Psnr | None) -> Cell:
    parameters = {"transport": {"kind": "shm"}, "codec": {"kind": "jpeg", "quality": quality}}
    return a_cell(
        f"shm/jpeg/camera/quality-{quality}", group="camera", parameters=parameters, lossy=True, psnr_db=psnr_db,
        wire_bytes=10 * quality,
    )  # fmt: skip


def a_sweep() -> Run:
    return a_run(
        [
            a_cell("shm/raw/camera"), a_cell("unix/raw/camera"),
            jpeg(70, Psnr(33.04, 33.01, 2)), jpeg(90, Psnr(38.2, 36.1, 2)),
        ]
    )  # fmt: skip


def test_one_row_for_each_codec_with_its_options() -> None:
    cells = document(a_sweep())["cells"]
    raw, low, high = codec_rows(cells)
    assert len(raw) == len(COLUMNS)
    assert (raw[:2], raw[4]) == (("raw", "1.1 kB, 1.13x"), "exact")
    assert (low[:2], low[4]) == (("jpeg quality=70", "700 B, 0.70x"), "lossy, PSNR 33.0 dB")
    assert (high[:2], high[4]) == (("jpeg quality=90", "900 B, 0.90x"), "lossy, PSNR 38.2 dB (worst 36.1 dB)")
    assert all(time.endswith("us") for row in (raw, low, high) for time in row[2:4])


def test_one_exact_codec_alone_needs_no_table() -> None:
    run = a_run([a_cell("shm/raw/camera"), a_cell("unix/raw/camera")])
    assert codec_rows(document(run)["cells"]) == []
    assert "on the wire" not in shown(report(document(run)))


def test_the_terminal_and_the_page_say_it() -> None:
    run = a_sweep()
    found = document(run)
    words = " ".join(shown(report(found), 100).split())
    assert "lossy, PSNR 38.2 dB (worst 36.1 dB)" in words
    assert found["cells"][2]["psnr_db"] == {"mean": 33.04, "worst": 33.01, "arrays": 2}
    assert found["cells"][0]["psnr_db"] is None
    (section,) = story(run, found).sections
    told = [fact.value for detail in section.details for fact in detail.facts if fact.name == "payload"]
    assert any("PSNR 33.0 dB" in value for value in told)
    assert any("exact" in value for value in told)
    (costs,) = [chart for name, chart in section.charts if chart.kind == "cost"]
    assert {"on the wire", "encode p50", "decode p50", "what arrives"} <= set(costs.words.columns)
    assert all(len(row) == len(costs.words.columns) for row in costs.words.values)


def test_a_lossy_codec_without_a_figure_says_so() -> None:
    entry = document(a_run([jpeg(70, None)]))["cells"][0]
    assert fidelity(entry) == "lossy, nothing changed in these messages"
    earlier = {name: value for name, value in entry.items() if name != "psnr_db"}
    assert fidelity(earlier) == "lossy"
    empty = replace(a_cell(), payload_bytes=0)
    assert on_the_wire(document(a_run([empty]))["cells"][0]) == "1.1 kB"
