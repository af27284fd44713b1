"""The canary is a fixed piece of work, and the kernel's counters are read as what they are."""

from __future__ import annotations

import dataclasses
import json

import pytest

from benchkit.engine import canary
from benchkit.engine.canary import Canary, Counters
from benchkit.records.seen import Disturbance

pytestmark = pytest.mark.quiet


def counters(**changes):
    plain = {
        "at_ns": 0, "stolen_s": 1.0, "cpu_s": 100.0, "throttled_s": 2.0, "thermal_events": 5, "waited_s": 0.5,
    }  # fmt: skip
    return Counters(**{**plain, **changes})


def between(monkeypatch, before, after):
    watcher = Canary()
    told = iter([before, after])
    monkeypatch.setattr(watcher, "_counters", lambda: next(told))
    return watcher.since(watcher.look())


def test_what_happened_is_the_difference(monkeypatch):
    after = counters(
        at_ns=2_000_000_000, stolen_s=1.4, cpu_s=104.0, throttled_s=2.25, thermal_events=7, waited_s=0.6
    )
    found = between(monkeypatch, counters(), after)
    assert found.elapsed_s == 2.0
    assert found.steal_share == pytest.approx(0.1)
    assert found.throttled_s == 0.25
    assert found.thermal_events == 2
    assert found.waited_s == pytest.approx(0.1)
    assert min(*found.spin_ns, *found.memcpy_ns) > 0


def test_what_the_kernel_does_not_say_is_none_and_not_nothing(monkeypatch):
    unknown = counters(stolen_s=None, throttled_s=None, thermal_events=None, waited_s=None)
    found = between(monkeypatch, unknown, unknown)
    assert (found.steal_share, found.throttled_s, found.thermal_events, found.waited_s) == (None,) * 4


def test_a_block_within_one_tick_has_no_steal(monkeypatch):
    assert between(monkeypatch, counters(), counters()).steal_share == 0


def test_a_slower_machine_makes_a_slower_canary(monkeypatch):
    """Twice the work in the same place, as if every step took twice as long."""
    watcher = Canary()
    plain = min(watcher.look().spin_ns for _ in range(5))
    spin = canary._spin
    monkeypatch.setattr(canary, "_spin", lambda: (spin(), spin(), spin()))
    assert min(watcher.look().spin_ns for _ in range(5)) > 1.5 * plain


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("usage_usec 9\nnr_periods 3\nnr_throttled 2\nthrottled_usec 1500000\n", 1.5),
        ("nr_periods 3\nnr_throttled 2\nthrottled_time 2500000000\n", 2.5),
        ("usage_usec 9\nuser_usec 5\n", None),
        ("no counters here\n", None),
    ],
)
def test_both_kinds_of_groups_say_how_long_they_were_stopped(tmp_path, text, seconds):
    (tmp_path / "cpu.stat").write_text(text)
    assert canary._throttled_s(tmp_path / "cpu.stat") == seconds


def test_a_group_that_is_gone_says_nothing(tmp_path):
    assert canary._throttled_s(tmp_path / "cpu.stat") is None


def test_a_disturbance_is_plain_data():
    watcher = Canary()
    found = watcher.since(watcher.look())
    assert (
        Disturbance(
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in json.loads(json.dumps(dataclasses.asdict(found))).items()
            }
        )
        == found
    )
