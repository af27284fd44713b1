"""Profiles as the terminal and the page tell them."""

from __future__ import annotations

from synthetic import a_cell, a_run, replace

from benchkit.analysis.document import document
from benchkit.records.profile import Frame, NativeProfile, Operator, PartyProfile, PhaseProfile, Profile
from benchkit.report.profiles import brief, full

PHASES = {
    "compute": PhaseProfile(100, 0.5, (Frame("detector.hot", "detector.py:12", 0.75), Frame("f", "", 0.05))),
    "reply": PhaseProfile(100, 0.5, (Frame("Link.write", "link.py:121", 0.9),)),
    "decode": PhaseProfile(19, 0.5, (Frame("seldom", "a.py:1", 0.9),)),
}


def told(**changes: object) -> dict[str, object]:
    stage = PartyProfile(219, 2e-4, PHASES, ("profiles/x.html", "profiles/x.speedscope.json"))
    profile = replace(Profile({"stage-0": stage}), **changes)
    run = a_run()
    run.cells = [replace(run.cells[0], profile=profile)]
    return document(run)["cells"][0]


def test_the_terminal_tells_phases_that_matter_and_the_page_all() -> None:
    cell = told()
    short = "\n".join(brief(cell))
    assert "stage-0: compute 75% in detector.hot (detector.py:12)" in short
    assert "reply" not in short, "2% of the latency"
    assert "reply 90% in Link.write (link.py:121)" in full(cell)
    for text in (short, full(cell)):
        assert "seldom" not in text, "19 samples"
        assert " in f" not in text, "5% of the phase"


def test_gaps_and_operators_are_told_in_both() -> None:
    native = {"stage-0": NativeProfile((Operator("conv_1", "Conv", 0.6, 50, 900.0),), 50, gap="no file")}
    cell = told(native=native, parties={"stage": PartyProfile(gap="a server of somebody else's")})
    for text in ("\n".join(brief(cell)), full(cell)):
        assert "operators: 60% in conv_1 (Conv, 900 us a call)" in text
        assert "stage-0, native code: no file" in text
        assert "stage: a server of somebody else's" in text


def test_a_cell_without_profiled_blocks_says_why_and_one_never_asked_says_nothing() -> None:
    cell = told(gap="a search has none")
    assert list(brief(cell)) == ["not profiled: a search has none"]
    assert full(cell) == "none: a search has none"
    plain = document(a_run([a_cell()]))["cells"][0]
    assert (list(brief(plain)), full(plain)) == ([], "")
