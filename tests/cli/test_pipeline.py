"""A pipeline as a person runs it: one YAML, a bottleneck planted in each of three stages, each of them named."""

from __future__ import annotations

from pathlib import Path

import pytest
from shell import Done, benchkit, measure, small

from benchkit.analysis.analysed import analyse
from benchkit.analysis.verdict.chained import Chained, chained
from benchkit.records.folder import load

STAGES = ("decode", "detect", "track")


def chain(planted: str) -> list[dict[str, object]]:
    service = {name: "12ms" if name == planted else "1ms" for name in STAGES}
    return [
        {"name": name, "stage": {"kind": "synthetic", "service": service[name], "busy": "sleep"}}
        for name in STAGES
    ]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("pipeline")
    others = [{"pipeline": chain(planted)} for planted in STAGES[1:]]
    blocks = {"rounds": 1, "duration": "600ms", "warmup": "50ms", "warmup_max": "50ms", "drain": "2s"}
    scenario = small(
        folder, stage="null", include=[{"pipeline": chain("decode")}, *others], blocks=blocks,
        transport="redis-list", load={"arrival": "constant", "rate": "40/s"},
    )  # fmt: skip
    return measure(scenario, folder / "out", env=None)


def test_every_message_passes_all_stages(done: Done) -> None:
    # 3: where other programs hold the machine up, no cell is valid enough to decide.
    assert done.code in (0, 3), done.said
    simple, *piped = done.document["cells"]
    assert "hops" not in simple and simple["verdict"]["stage"] == ""
    assert len(piped) == 3
    for cell in piped:
        assert cell["account"]["delivered"] == cell["account"]["scheduled"] == 26
        assert [hop["name"] for hop in cell["hops"]] == list(STAGES)
        assert all(hop["account"]["delivered"] == 26 for hop in cell["hops"])
        assert cell["residual_us"]["max"] == 0.0
        shares = [hop["share"] for hop in cell["hops"]]
        assert sum(shares) == pytest.approx(1.0)
        assert {row["name"] for row in cell["resources"]} >= {f"{name}-0" for name in STAGES}


@pytest.mark.parametrize("planted", STAGES)
def test_the_planted_stage_is_named(done: Done, planted: str) -> None:
    run = load(done.folder)
    cell = run.cells[1 + STAGES.index(planted)]
    found = analyse(run, cell, {})
    assert found.detail is not None
    # Also where the machine was too busy for the cell to be valid.
    verdict = chained(
        Chained(
            cell, found.blocks, found.measure, found.uneven, run.floor, found.hops, found.detail.resources
        )
    )
    assert verdict.stage == planted, verdict.evidence
    told = next(each for each in done.document["cells"] if each["id"] == cell.id)
    busy = {hop["name"]: hop["utilisation"] for hop in told["hops"]}
    assert max(busy, key=lambda name: busy[name]) == planted
    if told["validity"]["valid"]:
        assert told["verdict"]["stage"] == planted
        assert f"`{planted}`" in told["verdict"]["line"]


def test_it_is_shown(done: Done, tmp_path: Path) -> None:
    shown = benchkit("report", done.folder, "--out", tmp_path, out=tmp_path)
    assert shown.code in (0, 3), shown.said
    page = next(tmp_path.rglob("report.html")).read_text("utf-8")
    assert "The stages of the pipeline" in page
    for name in STAGES:
        assert f">{name}<" in page
