"""A recorded trace comes out as it was recorded, at its own pace, at a multiple of it, or at a rate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchkit.errors import UsageError
from benchkit.load.base import registry
from benchkit.load.trace import Trace

S = 1_000_000_000
EPOCH_NS = 1_700_000_000_123_456_789
SLOW = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
Recorder = Callable[[list[int]], Path]


@pytest.fixture
def record(tmp_path: Path) -> Recorder:
    """Writes nanoseconds since an epoch."""

    def recorded(offsets_ns: list[int]) -> Path:
        path = tmp_path / f"t{len(list(tmp_path.iterdir()))}.npy"
        np.save(path, np.array(offsets_ns, np.int64) + EPOCH_NS)
        return path

    return recorded


FIVE = [0, S // 10, S // 5, 2 * S, 4 * S]


def trace(path: Path, **options: object) -> Trace:
    return Trace.model_validate({"path": path, "unit": "ns", **options})


def test_at_its_own_pace_it_is_the_recording(record: Recorder) -> None:
    assert trace(record(FIVE)).offsets_ns(4, 1).tolist() == FIVE


@pytest.mark.parametrize(("speed", "duration_s"), [(2, 2), (0.5, 8), (1, 4)])
def test_at_a_speed_every_moment_is_scaled(record: Recorder, speed: float, duration_s: float) -> None:
    offsets = trace(record(FIVE), speed=speed).offsets_ns(duration_s, 1)
    assert offsets.tolist() == [round(at / speed) for at in FIVE]


def test_at_a_rate_the_shape_stays_and_the_count_is_the_asked_one(record: Recorder) -> None:
    """Five messages in a second: four gaps as recorded and, after the last, their mean."""
    offsets = trace(record(FIVE), rate=5).offsets_ns(1, 1)
    assert offsets.tolist() == [round(at / 5) for at in FIVE]


def test_a_part_at_a_rate_keeps_the_proportions_of_its_gaps(record: Recorder) -> None:
    recorded = np.cumsum(np.random.default_rng(1).lognormal(0, 2, 400) * 1e6).astype(np.int64)
    arrival = trace(record(recorded.tolist()), rate=100)
    offsets = arrival.offsets_ns(1, 3)
    assert len(offsets) == 100
    gaps = np.diff(recorded)
    matching = [
        start
        for start in range(300)
        if np.allclose(
            np.diff(offsets) / S, gaps[start : start + 99] / gaps[start : start + 100].sum(), atol=3e-9
        )
    ]
    assert len(matching) == 1


def test_a_window_of_a_long_trace_is_a_stretch_of_it(record: Recorder) -> None:
    recorded = np.sort(np.random.default_rng(2).integers(0, 100 * S, 5000))
    path = record(recorded.tolist())
    starts = set()
    for seed in range(20):
        offsets = trace(path).offsets_ns(2, seed)
        first = next(
            at
            for at in range(len(recorded))
            if (recorded[at : at + len(offsets)] - recorded[at] == offsets - offsets[0]).all()
        )
        starts.add(first)
        assert len(offsets) <= trace(path).most_messages(2)
    assert len(starts) == 20


def test_windows_are_drawn_evenly_in_time(record: Recorder) -> None:
    """Half of the time is busy and half is quiet: the mean over windows is the trace's mean rate."""
    busy, quiet = np.arange(0, 50 * S, S // 100), np.arange(50 * S, 100 * S, S)
    path = record([*busy.tolist(), *quiet.tolist()])
    counts = [len(trace(path).offsets_ns(1, seed)) for seed in range(4000)]
    assert np.mean(counts) == pytest.approx(50.5, rel=0.05)
    assert trace(path).most_messages(1) == 101


def test_a_short_trace_repeats_after_one_mean_gap(record: Recorder) -> None:
    offsets = trace(record([0, S, 4 * S])).offsets_ns(14, 9)  # its mean gap is 2 s, so it lasts 6 s
    assert (offsets / S).tolist() == [0, 1, 4, 6, 7, 10, 12, 13]
    assert len(offsets) <= trace(record([0, S, 4 * S])).most_messages(14)


def test_an_empty_window_moves_on_to_the_next_message(record: Recorder) -> None:
    path = record([0, 1000 * S])
    assert {tuple(trace(path).offsets_ns(0.5, seed).tolist()) for seed in range(5)} == {(0,)}


def test_a_burst_of_one_moment_stays_one(record: Recorder) -> None:
    path = record([0, 0, 0, 0, 0, 0, S])
    for seed in range(5):
        assert len(trace(path, rate=3).offsets_ns(1, seed)) == 3


@SLOW
@given(
    recorded=st.lists(st.integers(0, 10 * S), min_size=2, max_size=50).filter(lambda t: len(set(t)) > 1),
    duration_s=st.floats(0.01, 30),
    scale=st.one_of(
        st.fixed_dictionaries({"rate": st.floats(0.1, 500)}),
        st.fixed_dictionaries({"speed": st.floats(0.05, 20)}),
        st.just({}),
    ),
    seed=st.integers(0, 2**63 - 1),
)
def test_whatever_was_recorded(
    record: Recorder, recorded: list[int], duration_s: float, scale: dict[str, float], seed: int
) -> None:
    arrival = trace(record(sorted(recorded)), **scale)
    offsets = arrival.offsets_ns(duration_s, seed)
    assert offsets.dtype == np.int64
    assert (np.diff(offsets) >= 0).all()
    assert 0 <= offsets[0] <= offsets[-1] <= duration_s * 1e9 + 1
    assert 1 <= len(offsets) <= arrival.most_messages(duration_s)
    if "rate" in scale:
        assert len(offsets) == max(1, round(scale["rate"] * duration_s))
    assert (registry.build(arrival.config()).offsets_ns(duration_s, seed) == offsets).all()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "label"),
    [
        ({}, "trace-a-b-c"),
        ({"speed": 1}, "trace-a-b-c"),
        ({"speed": 2}, "trace-a-b-c-x2"),
        ({"rate": "60/s"}, "trace-a-b-c-60-per-s"),
    ],
)
def test_labels_are_safe_in_a_path(options: dict[str, object], label: str) -> None:
    assert trace(Path("/x/a b,c.csv"), **options).label() == label


@pytest.mark.parametrize(
    "options", [{"rate": 1, "speed": 1}, {"speed": 0}, {"speed": -2}, {"rate": 0}, {"unit": "h"}]
)
def test_options_that_cannot_be(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        trace(Path("t.npy"), **options)


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("0\n1\n")
    first = Trace(path=path).offsets_ns(2, 0)
    path.write_text("0\n0.25\n0.5\n1\n")
    assert len(first) < len(Trace(path=path).offsets_ns(2, 0))
    path.write_text("1\n0\n")
    with pytest.raises(UsageError, match="earlier"):
        Trace(path=path).check()
