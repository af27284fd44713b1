"""The profiler around a party's part of a block: what it sees, and what is told where it cannot attach."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from benchkit.engine import profile, profile_clock
from benchkit.engine.profile import Watch
from benchkit.engine.profile_pages import pages
from benchkit.engine.profile_phases import Rules, identifier
from benchkit.stages.base import OpenStage, Operators, OperatorTime

SPIN_S = 0.03


class Told:
    """A piece of work that remembers what was reported."""

    def __init__(self) -> None:
        self.command = {"do": "serve", "worker": 0}
        self.event: dict[str, Any] = {}

    def tell(self, event: str, **data: Any) -> None:
        self.event = data


def spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def busy() -> None:
    spin(SPIN_S)


def rules() -> Rules:
    known = frozenset({identifier(busy)})
    return Rules(identifier(busy), known, {}, {(identifier(busy), identifier(spin)): "compute"}, {})


def watched(tmp_path, run, stage: OpenStage | None = None) -> dict[str, Any]:
    """What a watch around `run` tells."""
    told = Told()
    task = SimpleNamespace(
        profile=True, profile_folder=str(tmp_path), cell="x", warmup_s=0.0, warmup_max_s=0.0, duration_s=0.1,
        drain_s=0.0, hold=False, hop=0,
    )  # fmt: skip
    with Watch(told, task, rules) as watch:  # type: ignore[arg-type]
        if stage is not None:
            watch.begin(stage)
        watch.around(run)()
        watch.tell()
    return told.event


def test_what_ran_is_told_by_phase_with_pages_that_show_it(tmp_path):
    event = watched(tmp_path, busy)
    compute = event["party"]["phases"]["compute"]
    assert compute["frames"][0]["name"] == "test_watch.spin"
    assert compute["frames"][0]["share"] > 0.5
    assert compute["seconds"] <= event["party"]["samples"] * event["party"]["interval_s"] * 1000
    assert b"spin" in event["files"]["html"]
    shown = json.loads(event["files"]["speedscope.json"])
    (timeline,) = shown["profiles"]
    at = next(i for i, frame in enumerate(shown["shared"]["frames"]) if frame["name"] == "spin")
    assert any(each["frame"] == at for each in timeline["events"])
    assert event["party"]["gap"] == ""
    assert sys.getprofile() is None


def test_what_is_not_profiled_is_run_as_it_is(tmp_path):
    told = Told()
    watch = Watch(told, SimpleNamespace(profile=False), rules)  # type: ignore[arg-type]
    watch.begin(Stage())
    assert watch.around(busy) is busy
    watch.tell()
    assert told.event == {}


def counted(calls: list[int]):
    def run() -> None:
        calls.append(1)
        busy()

    return run


def test_without_pyinstrument_the_block_runs_and_the_gap_names_the_remedy(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("pyinstrument")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyinstrument", None)
    calls: list[int] = []
    event = watched(tmp_path, counted(calls))
    assert calls == [1]
    assert "pip install pyinstrument" in event["party"]["gap"]
    assert not event["party"]["phases"]


def test_a_profiler_that_raises_is_a_gap(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise RuntimeError("no profiling today")

    monkeypatch.setattr(profile_clock, "use", refuse)
    calls: list[int] = []
    event = watched(tmp_path, counted(calls))
    assert calls == [1]
    assert "no profiling today" in event["party"]["gap"]


@contextmanager
def theirs(function):
    sys.setprofile(function)
    try:
        yield
    finally:
        sys.setprofile(None)


def _theirs(frame, event, arg) -> None: ...


def test_another_profiler_is_left_alone_and_named(tmp_path):
    with theirs(_theirs):
        event = watched(tmp_path, busy)
        assert sys.getprofile() is _theirs
    assert "another profiler is active" in event["party"]["gap"]
    assert not event["party"]["phases"]


def test_a_profiler_that_takes_its_place_keeps_it_and_nothing_is_guessed(tmp_path):
    def run() -> None:
        busy()
        sys.setprofile(_theirs)
        busy()

    try:
        event = watched(tmp_path, run)
        assert sys.getprofile() is _theirs
    finally:
        sys.setprofile(None)
    assert "replaced while the block lasted" in event["party"]["gap"]
    assert not event["party"]["phases"]
    assert not event["files"]


def test_an_error_of_the_block_goes_through_and_the_profiler_is_gone(tmp_path):
    def run() -> None:
        busy()
        raise ValueError("the block's own")

    with pytest.raises(ValueError, match="the block's own"):
        watched(tmp_path, run)
    assert sys.getprofile() is None


def test_a_long_block_is_looked_at_less_often():
    def interval_s(**changes: object) -> float:
        told = {"profile": True, "warmup_s": 0.0, "warmup_max_s": 1.0, "duration_s": 1.0, "drain_s": 10.0}
        task = SimpleNamespace(**{**told, "hold": False, **changes})
        return Watch(Told(), task, rules)._interval_s()  # type: ignore[arg-type]

    assert interval_s() == profile.LEAST_INTERVAL_S
    assert interval_s(duration_s=600.0) == pytest.approx(602 / 20_000)
    assert interval_s(hold=True) == pytest.approx(12 / 20_000)


# What lies before the part that is looked at must not decide what is seen of it.


def first() -> None:
    spin(0.00012)


def last() -> None:
    spin(0.00006)


def after_a_wait() -> None:
    for _ in range(250):
        time.sleep(0.0008)
        first()
        last()


def test_it_looks_at_every_part_of_a_message_as_often_as_it_lasts(tmp_path):
    entry, parts = identifier(after_a_wait), {"first": first, "last": last}
    table = Rules(
        entry, frozenset({entry}), {}, {(entry, identifier(each)): name for name, each in parts.items()}, {}
    )
    told = Told()
    task = SimpleNamespace(
        profile=True,
        profile_folder="",
        cell="x",
        warmup_s=0.0,
        warmup_max_s=0.0,
        duration_s=1.0,
        drain_s=0.0,
        hold=False,
    )
    watch = Watch(told, task, lambda: table)  # type: ignore[arg-type]
    watch.around(after_a_wait)()
    watch.tell()
    seen = {name: each["samples"] for name, each in told.event["party"]["phases"].items()}
    # 2 : 1. An ordinary clock looks for the first time when `last` has run for a while, and never at `first`.
    assert seen["first"] > 0.8 * seen["last"]


# A stage's own profiler -----------------------------------------------------------------------------------


class Stage(OpenStage):
    def __init__(self, begin=None, write=None, end=None) -> None:
        self.begin, self.write, self.end = begin, write, end
        self.entered = 0

    def run(self, batch):
        return []

    @contextmanager
    def profiled(self, folder):
        if self.begin:
            raise self.begin
        found = Operators()
        self.entered += 1
        try:
            yield found
        finally:
            self.entered -= 1
            if self.end:
                raise self.end
            found.times = [
                OperatorTime("slow", "Conv", 2, 3_000_000),
                OperatorTime("fast", "Relu", 2, 1_000_000),
            ]
            found.runs = 2
            if self.write:
                self.write(folder)


def test_operators_are_told_with_shares_and_their_file_is_kept(tmp_path):
    stage = Stage(write=lambda folder: (folder / "trace.json").write_text('[\n{"a":1}\n]\n'))
    event = watched(tmp_path, busy, stage)
    shown = [
        (each["name"], each["share"], each["calls"], each["mean_us"]) for each in event["native"]["operators"]
    ]
    assert shown == [("slow", 0.75, 2, 1500.0), ("fast", 0.25, 2, 500.0)]
    assert event["kept"] == {"native.json": b'[\n{"a":1}\n]\n'}
    assert stage.entered == 0


@pytest.mark.parametrize("stage", [Stage(begin=OSError("no room")), Stage(end=OSError("no room"))])
def test_a_stages_profiler_that_fails_is_a_gap_beside_the_other_profile(tmp_path, stage):
    event = watched(tmp_path, busy, stage)
    assert "no room" in event["native"]["gap"]
    assert not event["native"]["operators"]
    assert event["party"]["phases"]["compute"]["samples"]


def test_a_stage_goes_back_to_normal_where_the_block_fails(tmp_path):
    stage = Stage()

    def run() -> None:
        raise ValueError("the block's own")

    with pytest.raises(ValueError, match="the block's own"):
        watched(tmp_path, run, stage)
    assert stage.entered == 0


def test_a_long_trace_is_kept_up_to_a_bound_and_still_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(profile, "MOST_FILE_BYTES", 1000)
    events = ",\n".join(json.dumps({"event": number}) for number in range(400))
    stage = Stage(write=lambda folder: (folder / "trace.json").write_text(f"[\n{events}\n]\n"))
    (kept,) = watched(tmp_path, spin_a_little, stage)["kept"].values()
    assert len(kept) <= 1010
    assert [each["event"] for each in json.loads(kept)] == list(range(len(json.loads(kept))))


def spin_a_little() -> None:
    spin(0.002)


def test_links_and_folders_that_a_stage_leaves_are_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("password")

    def write(folder) -> None:
        (folder / "link").symlink_to(secret)
        (folder / "sub").mkdir()

    assert watched(tmp_path, spin_a_little, Stage(write=write))["kept"] == {}


# Pages ----------------------------------------------------------------------------------------------------


def session_of(run):
    from pyinstrument import Profiler

    profiler = Profiler(0.0002, async_mode="disabled")
    profiler.start()
    run()
    return profiler.stop()


def test_functions_and_files_cannot_end_the_pages_script():
    name = "</script><script>alert(1)</script>"
    code = spin.__code__.replace(co_name=name, co_filename=f"/srv/{name}.py")
    hostile = type(spin)(code, spin.__globals__)
    page = pages(session_of(lambda: hostile(0.01)), 8 << 20)["html"].decode()
    assert "alert(1)" in page
    assert name not in page


def test_a_page_that_would_be_too_long_shows_fewer_samples():
    session = session_of(lambda: spin(0.2))
    whole = pages(session, 8 << 20)
    bound = len(whole["speedscope.json"]) // 2
    for index, content in pages(session, max(bound, 90_000)).items():
        assert len(content) <= max(bound, 90_000), index
    with pytest.raises(ValueError, match="bytes, even of few samples"):
        pages(session, 100)
