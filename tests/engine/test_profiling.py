"""What the runner makes of what parties tell: names are computed here, and what fails is a gap."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchkit.engine.profiling import SEARCHED, _blocks, _party, profiled
from benchkit.load.search import Capacity
from benchkit.records.plain import storable
from benchkit.records.profile import Frame, PartyProfile, PhaseProfile

SEEN = PartyProfile(30, 2e-4, {"encode": PhaseProfile(30, 0.01, (Frame("f", "a.py:1", 1.0),))})
CELL = SimpleNamespace(cell=SimpleNamespace(id="unix/raw/x"))


def told(**files: bytes) -> dict[str, object]:
    return {"party": storable(SEEN), "files": files}


def test_what_a_party_tells_is_read_back_with_its_files():
    kept: dict[str, bytes] = {}
    found = _party(
        CELL, "stage-0", [told(html=b"page")], lambda name, page: kept.update({name: page}) is None
    )
    assert found.phases == SEEN.phases
    assert found.files == ("profiles/unix--raw--x--stage-0.html",)
    assert kept == {"profiles/unix--raw--x--stage-0.html": b"page"}


@pytest.mark.parametrize("ending", ["../../../etc/passwd", "/etc/passwd", "a/b.html", "..", "x\0y"])
def test_no_ending_leads_out_of_the_profiles(ending):
    names: list[str] = []
    _party(CELL, "../stage-0", [told(**{ending: b"x"})], lambda name, _: names.append(name) is None)
    (name,) = names
    folder, _, file = name.partition("/")
    assert folder == "profiles"
    assert "/" not in file
    assert "\0" not in file
    assert not file.startswith(".")


def test_a_disk_that_refuses_costs_the_pages_and_not_the_figures():
    def refuse(name: str, content: bytes) -> bool:
        raise OSError(28, "No space left on device")

    found = _party(CELL, "producer", [told(html=b"page")], refuse)
    assert found.files == ()
    assert "No space left on device" in found.gap
    assert found.phases == SEEN.phases


def test_without_a_folder_nothing_is_named():
    assert _party(CELL, "producer", [told(html=b"page")], lambda *_: False).files == ()


def test_a_party_that_told_nothing_is_a_gap():
    assert (
        _party(CELL, "stage-0", [{"gap": "it ended with code 7"}], lambda *_: True).gap
        == "it ended with code 7"
    )


def test_a_search_is_not_profiled_and_says_what_to_do():
    load = Capacity.model_validate({"slo": {"p99": "10ms"}})
    ready = SimpleNamespace(cell=SimpleNamespace(load=load))
    assert profiled(None, None, None, ready, 0, lambda *_: True).gap == SEARCHED


def test_pages_are_those_of_the_last_block_that_has_any():
    kept: dict[str, bytes] = {}
    events = [told(html=b"first"), told(html=b"second"), {"gap": "it ended"}]
    found = _party(CELL, "stage-0", events, lambda name, page: kept.update({name: page}) is None)
    assert list(kept.values()) == [b"second"]
    assert (found.samples, found.gap) == (60, "it ended")


@pytest.mark.parametrize(
    ("duration_s", "quick", "blocks"), [(0.2, True, 2), (0.2, False, 5), (0.4, False, 3), (5.0, False, 1)]
)
def test_short_blocks_are_profiled_more_than_once(duration_s, quick, blocks):
    plan = SimpleNamespace(quick=quick, blocks=SimpleNamespace(duration_s=duration_s))
    assert _blocks(plan) == blocks
