"""Every transport under open and closed load, with and without replies, with workers and batches: what goes in
comes out, once, and the account says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shell import Done, codes, measure, small, write

pytestmark = pytest.mark.quiet

TRANSPORTS = ["inproc", "http", "redis-list", "redis-stream", "shm", "unix"]
SPREAD = [name for name in TRANSPORTS if name != "inproc"]
BLOCKS = {"rounds": 2, "duration": "100ms", "warmup": "20ms", "drain": "1s"}

DOUBLER = '''
"""A user's own stage."""
import time
import numpy as np

def double(arrays):
    # Long enough that one worker alone cannot keep up.
    time.sleep(0.006)
    return {"twice": arrays["window"] * 2}

class Batched:
    def __init__(self):
        self.sizes = []

    def __call__(self, batch):
        self.sizes.append(len(batch))
        return [{"mean": np.asarray(each["window"].mean()), "of": np.asarray(len(batch))} for each in batch]
'''


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One run over all of it; replies of several workers and batches in groups of their own."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "mine.py").write_text(DOUBLER)
    open_loop = {"arrival": "constant", "rate": "200/s"}
    closed = {"arrival": "closed", "in_flight": 4}
    own = {"kind": "python", "target": "mine:double", "path": "."}
    # A batch answers with its size, which no local run of single messages can foresee.
    batched = {"kind": "python", "target": "mine:Batched", "path": ".", "batched": True, "repeatable": False}
    scenario = small(
        folder, transport=TRANSPORTS, load=[open_loop, closed], blocks=BLOCKS,
        include=[
            {"transport": TRANSPORTS, "load": {**open_loop, "rate": "150/s"}, "replies": False},
            {"transport": SPREAD, "load": {"arrival": "poisson", "rate": "200/s"}, "workers": 2, "stage": own},
            {"transport": ["shm", "inproc"], "load": {**closed, "in_flight": 8}, "batch": {"size": 4, "delay": "20ms"},
             "stage": batched},
            {"transport": ["unix"], "load": {**open_loop, "rate": "100/s"},
             "stage": {"kind": "synthetic", "service": "2ms", "busy": "sleep"}},
        ],
    )  # fmt: skip
    return measure(scenario, folder / "out")


def cells(done: Done, **wanted: Any) -> Iterator[dict[str, Any]]:
    found = [cell for cell in done.document["cells"] if all(cell[k] == v for k, v in wanted.items())]
    assert found, wanted
    yield from found


def delivered(done: Done, cell: dict[str, Any]) -> np.ndarray:
    samples = np.load(done.folder / cell["samples"], allow_pickle=False)
    return samples[samples["status"] == 1]


def test_it_ends_well(swept: Done) -> None:
    assert swept.code == 0, swept.said
    assert "Traceback" not in swept.said


def test_every_message_of_every_cell_was_delivered_once(swept: Done) -> None:
    for cell in swept.document["cells"]:
        account = cell["account"]
        assert account["scheduled"] == account["delivered"] > 0, cell["id"]
        beside = ("duplicated", "reordered", "corrupted", "unexpected")
        allowed = {"reordered"} if cell["workers"] > 1 or cell["transport"] == "http" else set()
        assert not any(account[name] for name in beside if name not in allowed), cell["id"]


def test_phases_add_up_also_without_replies_and_in_batches(swept: Done) -> None:
    from benchkit.analysis import ledger

    for cell in swept.document["cells"]:
        samples = delivered(swept, cell)
        assert np.array_equal(ledger.phases_ns(samples).sum(axis=1), ledger.latency_ns(samples)), cell["id"]
        end = samples["returned"] if cell["replies"] else samples["finished"]
        assert np.array_equal(ledger.latency_ns(samples), end - samples["due"])
        assert cell["residual_us"]["max"] == 0


def test_without_replies_nothing_returns_and_the_latency_ends_with_the_stage(swept: Done) -> None:
    for cell in cells(swept, replies=False):
        samples = delivered(swept, cell)
        assert not samples["returned"].any()
        assert samples["finished"].all()
        assert cell["phases_us"]["return"]["mean"] == cell["phases_us"]["reply"]["mean"] == 0


def test_a_closed_loop_never_has_more_under_way_than_its_places(swept: Done) -> None:
    for cell in swept.document["cells"]:
        if cell["load"]["arrival"] != "closed":
            continue
        places = cell["parameters"]["load"]["in_flight"]
        for block in np.unique((samples := delivered(swept, cell))["block"]):
            own = samples[samples["block"] == block]
            moments = np.concatenate([own["due"], own["returned"]])
            steps = np.concatenate([np.ones(len(own)), -np.ones(len(own))])
            # Where a place comes free and is taken at one moment it was free first.
            under_way = np.cumsum(steps[np.lexsort((steps, moments))])
            assert under_way.max() <= places
        assert cell["load"]["offered_per_s"] is None


def test_an_open_loop_keeps_its_schedule_whatever_the_transport(swept: Done) -> None:
    due = {}
    for cell in swept.document["cells"]:
        if cell["load"]["name"] == "200-per-s":
            samples = np.load(swept.folder / cell["samples"], allow_pickle=False)
            due[cell["transport"]] = [
                np.diff(samples["due"][samples["block"] == block]).tolist()
                for block in np.unique(samples["block"])
            ]
            assert cell["load"]["offered_per_s"] == pytest.approx(200)
    assert set(due) == set(TRANSPORTS)
    assert all(each == due["inproc"] for each in due.values())


def test_both_workers_of_two_take_part_and_their_replies_are_right(swept: Done) -> None:
    for cell in cells(swept, stage="python", workers=2):
        assert set(delivered(swept, cell)["worker"].tolist()) == {0, 1}, cell["id"]
    names = {cell["id"] for cell in cells(swept, stage="python", workers=2)}
    blocks = [block for block in swept.record["blocks"] if block["cell"] in names]
    assert sum(block["checked_replies"] for block in blocks) > 0
    assert not any(block["wrong_replies"] for block in blocks)


def test_batches_start_together_and_fill_up(swept: Done) -> None:
    for cell in swept.document["cells"]:
        if cell["parameters"]["batch"]["size"] != 4:
            continue
        samples = delivered(swept, cell)
        _, sizes = np.unique(samples["started"], return_counts=True)
        assert sizes.max() == 4
        assert cell["phases_us"]["batch"]["mean"] > 0


def test_a_stage_takes_the_time_it_says(swept: Done) -> None:
    (cell,) = cells(swept, stage="synthetic")
    compute = delivered(swept, cell)
    assert (compute["finished"] - compute["started"]).min() >= 2_000_000


def test_the_path_that_was_used_is_named_for_every_cell(swept: Done) -> None:
    assert all(cell["path"] for cell in swept.document["cells"])
    assert all("valkey" in cell["path"] for cell in cells(swept, transport="redis-list"))


def test_what_an_error_in_one_cell_leaves_alone(tmp_path: Path) -> None:
    """A cell that cannot be opened is skipped with its remedy; the others are measured, and the code says so."""
    scenario = write(tmp_path, {
        "name": "half", "source": {"kind": "sensors", "samples": 8, "channels": 2}, "transport": "unix",
        "stage": ["null", {"kind": "python", "target": "nowhere_to_be_found:run"}],
        "load": {"arrival": "constant", "rate": "200/s"}, "blocks": BLOCKS,
    })  # fmt: skip
    done = measure(scenario, tmp_path / "out")
    assert done.code == 4, done.said
    assert "Traceback" not in done.said
    assert "nowhere_to_be_found" in done.said
    by_stage = {cell["stage"]: cell for cell in done.document["cells"]}
    assert by_stage["null"]["account"]["delivered"] > 0
    assert "skipped" in codes(by_stage["python"])
