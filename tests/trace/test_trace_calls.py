"""The three calls in real processes: forked, killed, of many threads, on a full disk; the program runs on."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import random
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from benchkit import trace
from benchkit.errors import StorageError
from benchkit.trace.layout import RECORD, USAGE, Kind, Mark
from benchkit.trace.reader import Traced, read_file, read_folder
from benchkit.trace.ring import LEAST_BYTES

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def off():
    yield
    trace.stop()


def read(folder: Path) -> list[Traced]:
    traced, losses = read_folder(folder)
    assert not losses
    return traced


def names(traced: Traced, kind: Mark = Mark.DONE) -> list[str]:
    rows = traced.marks[traced.marks["mark"] == kind]
    pairs = zip(rows["length"].tolist(), rows["id"].tolist(), strict=True)
    return [bytes(name[:length]).decode(errors="replace") for length, name in pairs]


def python(code: str, cwd: Path | None = None, **more: str) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    plain = {k: v for k, v in os.environ.items() if not k.startswith("BENCHKIT_TRACE")}
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**plain, "PYTHONPATH": path, **more}, cwd=cwd,
    )  # fmt: skip


def test_importing_it_takes_nothing_from_outside_the_standard_library():
    code = "import sys; from benchkit import trace; trace.done(1); print(*(m for m in sys.modules))"
    loaded = set(python(code).communicate()[0].decode().split())
    own = {name for name in loaded if name.startswith("benchkit")}
    assert own == {"benchkit", "benchkit.trace", "benchkit.trace.state", "benchkit.trace.layout"}
    outside = {"numpy", "pydantic", "msgpack", "click", "rich", "psutil"}
    assert not loaded & outside


def test_while_it_traces_neither(tmp_path):
    code = (
        "import sys; from benchkit import trace; trace.done(1); print('numpy' in sys.modules, trace.is_on())"
    )
    done = python(code, BENCHKIT_TRACE=str(tmp_path / "t"))
    assert done.communicate()[0].decode().split() == ["False", "True"]


def test_off_it_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not trace.is_on()
    for call in (trace.produced, trace.received, trace.done, trace.sent, trace.returned):
        call(1)
    trace.asked()
    assert not list(tmp_path.iterdir())


def test_a_folder_for_this_user_alone(tmp_path):
    with trace.to(tmp_path / "new" / "traces", role="camera 1") as tracing:
        trace.produced(1)
    assert stat.S_IMODE(tracing.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(tracing.path.stat().st_mode) == 0o600
    (found,) = read(tracing.path.parent)
    assert found.role == "camera-1"
    assert found.ended_ns
    assert not trace.is_on()


def test_a_folder_that_others_may_write_into_is_refused(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(StorageError, match="others can write into it"):
        trace.to(tmp_path)
    assert not trace.is_on()
    assert not list(tmp_path.iterdir())


def test_no_room_is_said_at_once_and_not_by_a_signal_later(tmp_path):
    with pytest.raises(StorageError, match=r"No space left|too large"):
        trace.to(tmp_path, max_bytes=1 << 60)
    assert not list(tmp_path.glob("*"))


def test_a_program_runs_on_when_its_environment_names_no_good_folder(tmp_path):
    taken = tmp_path / "file"
    taken.touch()
    code = "from benchkit import trace; trace.produced(1); trace.produced(2); print('ran on', trace.is_on())"
    out, err = python(code, BENCHKIT_TRACE=str(taken)).communicate()
    assert out.decode().strip() == "ran on False"
    assert err.decode().count("benchkit.trace: off") == 1


@pytest.mark.parametrize("wanted", ["70000", "0", "many"])
def test_the_environment_bounds_the_file(tmp_path, wanted):
    code = "from benchkit import trace; trace.produced(1)"
    done = python(
        code, BENCHKIT_TRACE=str(tmp_path / "t"), BENCHKIT_TRACE_BYTES=wanted, BENCHKIT_TRACE_ROLE="cam"
    )
    assert not done.communicate()[1]
    (path,) = (tmp_path / "t").iterdir()
    size = path.stat().st_size
    assert size <= (70000 if wanted == "70000" else LEAST_BYTES if wanted == "0" else 32 << 20)
    assert path.name.startswith("cam-")


def test_the_folder_is_that_of_the_start_wherever_the_program_goes(tmp_path):
    code = "import os; from benchkit import trace; os.chdir('/'); trace.produced(1)"
    with python(code, BENCHKIT_TRACE="t", cwd=tmp_path) as process:
        assert not process.communicate()[1]
    assert len(read(tmp_path / "t")) == 1


def test_one_name_however_it_is_written(tmp_path):
    with trace.to(tmp_path / "t"):
        for name in (7, "7", b"7", bytearray(b"7")):
            trace.done(name)
        long = "x" * 41
        trace.done(long)
        trace.done(long.encode())
        one = uuid.uuid4()
        trace.done(one)
        trace.done(str(one))
    (found,) = read(tmp_path / "t")
    assert names(found)[:4] == ["7"] * 4
    assert found.marks["id"][4] == found.marks["id"][5]
    assert names(found)[6:] == [str(one)] * 2


def test_a_name_that_is_none_is_counted_and_nothing_else_happens(tmp_path):
    class Odd:
        def __str__(self):
            raise RuntimeError("no text")

    with trace.to(tmp_path / "t"):
        for name in (None, Odd(), "\ud800"):
            trace.produced(name)
        trace.produced(1, due_ns=1 << 70)
        trace.produced(1, hop=256)
        trace.produced(2)
    (found,) = read(tmp_path / "t")
    assert (found.refused, found.damaged, names(found, Mark.PRODUCED)) == (5, 0, ["2"])


def test_marks_say_what_they_were_called_for(tmp_path):
    calls = {
        Mark.PRODUCED: trace.produced, Mark.ENCODED: trace.encoded, Mark.SENT: trace.sent,
        Mark.RECEIVED: trace.received, Mark.DECODED: trace.decoded, Mark.STARTED: trace.started,
        Mark.FINISHED: trace.finished, Mark.DONE: trace.done, Mark.REPLIED: trace.replied,
        Mark.RETURNED: trace.returned,
    }  # fmt: skip
    with trace.to(tmp_path / "t"):
        before = time.monotonic_ns()
        for call in calls.values():
            call("a", hop=3)
        trace.asked(hop=3)
        trace.produced("b", due_ns=5, payload_bytes=6)
        trace.done("c", ok=False)
        after = time.monotonic_ns()
    marks = read(tmp_path / "t")[0].marks
    assert marks["mark"].tolist() == [*calls, Mark.ASKED, Mark.PRODUCED, Mark.DONE]
    assert set(marks["hop"][:11].tolist()) == {3}
    assert (marks["value"][11], marks["nbytes"][11], marks["flags"][12]) == (5, 6, 1)
    assert before <= marks["at"][0]
    assert (marks["at"][1:] >= marks["at"][:-1]).all()
    assert marks["at"][-1] <= after


def test_the_last_marks_are_kept_and_the_others_counted(tmp_path):
    with trace.to(tmp_path / "t", max_bytes=LEAST_BYTES):
        for n in range(2000):
            trace.done(n)
    (found,) = read(tmp_path / "t")
    assert found.made == 2000
    assert 0 < found.overwritten == 2000 - len(found.marks)
    assert names(found) == [str(n) for n in range(found.overwritten, 2000)]
    assert found.damaged == 0


def test_threads_lose_no_mark(tmp_path):
    def mark(worker: int) -> None:
        for n in range(500):
            trace.done(f"{worker}-{n}")

    with trace.to(tmp_path / "t"):
        threads = [threading.Thread(target=mark, args=(worker,)) for worker in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    (found,) = read(tmp_path / "t")
    assert sorted(names(found)) == sorted(f"{worker}-{n}" for worker in range(8) for n in range(500))
    assert len(set(found.marks["thread"].tolist())) > 1 or found.marks["thread"][0]


def test_tasks_of_asyncio_mark_like_anybody(tmp_path):
    async def handle(n: int) -> None:
        trace.received(n)
        await asyncio.sleep(0)
        trace.done(n)

    async def all_of_them() -> None:
        await asyncio.gather(*(handle(n) for n in range(50)))

    with trace.to(tmp_path / "t"):
        asyncio.run(all_of_them())
    (found,) = read(tmp_path / "t")
    assert sorted(map(int, names(found))) == list(range(50))


def test_a_forked_child_has_a_file_of_its_own_and_one_that_marks_nothing_has_none(tmp_path):
    with trace.to(tmp_path / "t"):
        trace.produced("parent")
        children = []
        for marks in (True, True, False):
            child = os.fork()
            if not child:
                if marks:
                    trace.done("child")
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        trace.produced("parent again")
    found = {each.pid: each for each in read(tmp_path / "t")}
    assert set(found) == {os.getpid(), *children[:2]}
    assert names(found[os.getpid()], Mark.PRODUCED) == ["parent", "parent again"]
    assert [names(found[child]) for child in children[:2]] == [["child"]] * 2
    # `_exit` says no farewell.
    assert found[os.getpid()].ended_ns
    assert not found[children[0]].ended_ns


def _work() -> None:
    trace.done("worker")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_multiprocessing_end_in_good_order(tmp_path, monkeypatch, method):
    monkeypatch.setenv("BENCHKIT_TRACE", str(tmp_path / "t"))
    if method == "fork":
        trace.to(tmp_path / "t")
    worker = multiprocessing.get_context(method).Process(target=_work)
    worker.start()
    worker.join()
    found = {each.pid: each for each in read(tmp_path / "t")}
    assert names(found[worker.pid]) == ["worker"]
    assert found[worker.pid].ended_ns
    assert not found[worker.pid].running


def test_a_process_that_lives_is_told_from_one_that_was_killed(tmp_path):
    code = "import signal; from benchkit import trace; trace.done(1); print('on', flush=True); signal.pause()"
    with python(code, BENCHKIT_TRACE=str(tmp_path / "t")) as process:
        process.stdout.readline()
        (alive,) = read(tmp_path / "t")
        process.kill()
    (gone,) = read(tmp_path / "t")
    assert (alive.running, alive.ended_ns) == (True, 0)
    assert (gone.running, gone.ended_ns) == (False, 0)


KILLED = """
import os, struct
from benchkit import trace
trace.to(os.environ["FOLDER"], max_bytes=65536)
n = 0
while True:
    trace.done(n)
    os.write(1, struct.pack("<q", n))
    n += 1
    for _ in range(n % 7):
        trace.done(n)
        n += 1
"""


def test_a_kill_at_any_moment_loses_no_mark_that_was_made(tmp_path):
    told = struct.Struct("<q")
    for turn in range(6):
        folder = tmp_path / str(turn)
        with python(KILLED, FOLDER=str(folder)) as process:
            for _ in range(random.Random(turn).randrange(1, 1500)):
                last = told.unpack(process.stdout.read(told.size))[0]
            os.kill(process.pid, signal.SIGKILL)
            rest = process.stdout.read()
        for at in range(0, len(rest) - told.size + 1, told.size):
            last = told.unpack_from(rest, at)[0]
        (found,) = read(folder)
        kept = [int(name) for name in names(found)]
        assert kept == list(range(kept[0], kept[-1] + 1))
        assert kept[-1] >= last
        # Of the one that was being made, a part may be there.
        assert found.damaged <= 1


def test_a_record_that_a_kill_cut_in_two_is_seen(tmp_path):
    with trace.to(tmp_path / "t", max_bytes=LEAST_BYTES) as tracing:
        for n in range(1000):
            trace.done(n)
    whole = bytearray(tracing.path.read_bytes())
    found = read_file(tracing.path)
    first = len(whole) - (found.made - found.overwritten) * RECORD.size
    at = first + (1000 % (found.made - found.overwritten)) * RECORD.size
    # The next lap's record has begun over the oldest one, and did not come to its end.
    for cut in (8, 16, 40, 88):
        torn = bytearray(whole)
        torn[at : at + cut] = RECORD.pack(1001, 5, 0, 0, 1, Mark.DONE, 4, 0, 0, b"1000", 1001)[:cut]
        tracing.path.write_bytes(torn)
        again = read_file(tracing.path)
        assert (again.damaged, again.damaged_at) == (1, at)
        assert names(again) == names(found)[1:]


def test_collections_of_garbage_and_what_was_used_are_in_it(tmp_path):
    with trace.to(tmp_path / "t"):
        cycles = [[] for _ in range(50_000)]
        for each in cycles:
            each.append(each)
        cycles.clear()
        gc.collect()
        trace.done(1)
    (found,) = read(tmp_path / "t")
    pauses = found.events[found.events["kind"] == Kind.PAUSE]
    used = found.events[found.events["kind"] == Kind.USAGE]
    assert int(pauses["values"][:, 2].max()) >= 1
    first, last = (dict(zip(USAGE, each.tolist(), strict=False)) for each in used["values"][[0, -1]])
    assert last["cpu_ns"] > first["cpu_ns"]
    assert last["gc_pause_ns"] >= int(pauses["values"][:, 0].sum())
    assert last["gc_pauses"] >= len(pauses)
    assert not any("Collections" in repr(each) for each in gc.callbacks)


def test_tracing_again_begins_another_file(tmp_path):
    trace.to(tmp_path / "one")
    trace.done(1)
    trace.to(tmp_path / "two")
    trace.done(2)
    trace.stop()
    trace.done(3)
    assert [names(read(tmp_path / each)[0]) for each in ("one", "two")] == [["1"], ["2"]]
