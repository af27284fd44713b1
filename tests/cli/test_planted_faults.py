"""Transports that lose, change, repeat or mix up messages, installed from outside: the engine is not fooled."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import planted
import pytest
from shell import Done, codes, environment, measure, small

SITE = """Metadata-Version: 2.1
Name: benchkit-planted
Version: 1.0
"""
ROUNDS = 2


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One run over all of them, `inproc` itself among them; the plug-ins are a distribution of their own."""
    folder = tmp_path_factory.mktemp("planted")
    site = folder / "site"
    metadata = site / "benchkit_planted-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(SITE)
    lines = [f"{kind} = benchkit_planted:{name}" for kind, name in planted.NAMES.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[benchkit.transports]", *lines, ""]))
    shutil.copy(planted.__file__, site / "benchkit_planted.py")
    echo = folder / "echo.py"
    echo.write_text("def echo(arrays):\n    return dict(arrays)\n")
    scenario = small(
        folder,
        # 64 KiB, so that there is a middle at which the cheap fingerprint does not look.
        source={"kind": "sensors", "samples": 1024, "channels": 16, "distinct": 4},
        stage={"kind": "python", "target": "echo:echo", "path": "."},
        transport=["inproc", *planted.NAMES],
        blocks={"rounds": ROUNDS, "duration": "150ms", "warmup": "20ms", "drain": "300ms"},
    )
    return measure(scenario, folder / "out", env=environment(PYTHONPATH=str(site)))


def cell(run: Done, transport: str) -> dict[str, Any]:
    return next(cell for cell in run.document["cells"] if cell["transport"] == transport)


def sevenths(run: Done, transport: str) -> int:
    """How many messages were a seventh of their block."""
    blocks = [
        block["scheduled"] for block in run.record["blocks"] if block["cell"] == cell(run, transport)["id"]
    ]
    assert len(blocks) == ROUNDS
    return sum(scheduled // 7 for scheduled in blocks)


def replies(run: Done, transport: str, name: str) -> int:
    return sum(block[name] for block in run.record["blocks"] if block["cell"] == cell(run, transport)["id"])


def test_the_transport_without_a_fault_is_without_one(run: Done) -> None:
    assert run.code in {0, 3}, run.said
    assert "Traceback" not in run.said
    account = cell(run, "inproc")["account"]
    assert account["delivered"] == account["scheduled"]
    beside = ("duplicated", "reordered", "corrupted", "unexpected")
    assert not any(account[name] for name in beside)
    blamed = {"corrupted", "wrong-replies", "undelivered", "duplicated", "reordered", "unexpected-arrivals"}
    assert blamed.isdisjoint(codes(cell(run, "inproc")))
    assert replies(run, "inproc", "checked_replies") > 0
    assert replies(run, "inproc", "wrong_replies") == 0


@pytest.mark.parametrize("transport", ["flip", "middle-flip"])
def test_a_changed_bit_is_found_twice(run: Done, transport: str) -> None:
    """By the checksum where it arrives and by the reply that the local run would not give."""
    planted_count = sevenths(run, transport)
    assert cell(run, transport)["account"]["corrupted"] == planted_count
    assert replies(run, transport, "wrong_replies") == planted_count
    assert {"corrupted", "wrong-replies"} <= set(codes(cell(run, transport)))


def test_a_message_that_is_none_any_more_is_corrupted_and_never_delivered(run: Done) -> None:
    account = cell(run, "envelope")["account"]
    assert account["corrupted"] == sevenths(run, "envelope")
    assert account["delivered"] == account["scheduled"] - sevenths(run, "envelope")
    assert "corrupted" in codes(cell(run, "envelope"))


def test_a_reply_changed_on_the_way_back_is_wrong(run: Done) -> None:
    wrong, checked = (replies(run, "reply-flip", name) for name in ("wrong_replies", "checked_replies"))
    assert wrong == checked > 0
    assert cell(run, "reply-flip")["account"]["corrupted"] == 0
    assert "wrong-replies" in codes(cell(run, "reply-flip"))


def test_what_was_dropped_on_the_way_did_not_arrive(run: Done) -> None:
    account = cell(run, "drop")["account"]
    assert account["delivered"] == account["scheduled"] - sevenths(run, "drop")
    assert account["lost"] == sevenths(run, "drop")
    assert codes(cell(run, "drop")).count("undelivered") == 1
    assert "drain-timed-out" not in codes(cell(run, "drop"))


def test_what_was_sent_twice_arrived_twice(run: Done) -> None:
    account = cell(run, "duplicate")["account"]
    assert account["duplicated"] == sevenths(run, "duplicate")
    assert account["delivered"] == account["scheduled"]
    assert "duplicated" in codes(cell(run, "duplicate"))


def test_a_second_answer_to_one_message_is_a_duplicate_too(run: Done) -> None:
    account = cell(run, "twice-answered")["account"]
    assert account["scheduled"] == account["delivered"]
    # The last message's second answer may come when nobody waits for one any more.
    assert account["scheduled"] - ROUNDS <= account["duplicated"] <= account["scheduled"]


def test_what_overtook_is_counted(run: Done) -> None:
    account = cell(run, "swap")["account"]
    assert account["delivered"] == account["scheduled"]
    assert ROUNDS <= account["reordered"] <= sevenths(run, "swap")
    assert "reordered" in codes(cell(run, "swap"))


def test_a_message_of_an_earlier_block_is_not_taken_for_one_of_this(run: Done) -> None:
    account = cell(run, "stale")["account"]
    assert account["unexpected"] == ROUNDS - 1
    assert account["delivered"] == account["scheduled"]
    assert account["duplicated"] == 0
    assert "unexpected-arrivals" in codes(cell(run, "stale"))


@pytest.mark.parametrize("transport", planted.NAMES)
def test_none_of_them_is_ranked_or_carries_a_verdict(run: Done, transport: str) -> None:
    found = cell(run, transport)
    assert not found["validity"]["valid"]
    assert found["verdict"]["bottleneck"] == "none"
    assert found["id"] not in {place["cell"] for place in run.document["ranking"]}


def test_their_accounts_close_all_the_same(run: Done) -> None:
    for found in run.document["cells"]:
        samples = np.load(run.folder / found["samples"], allow_pickle=False)
        places = ("delivered", "dropped", "rejected", "dead_lettered", "lost", "pending")
        assert sum(found["account"][name] for name in places) == found["account"]["scheduled"] == len(samples)
        assert "account-not-closed" not in codes(found)
