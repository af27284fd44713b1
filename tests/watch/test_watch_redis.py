"""Redis lists and streams of a real server: what is true of them is what is seen, and nothing is changed."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from watched import Kept, queue, value, watching

from benchkit.errors import BrokerError, UsageError
from benchkit.runtime.child import child
from benchkit.runtime.folders import run_folder
from benchkit.tensors.wire import Envelope, pack, with_due
from benchkit.transports._redis import valkey
from benchkit.transports._redis.connect import connect
from benchkit.transports._redis.resp import Resp
from benchkit.watch.base import Party
from benchkit.watch.redis import Redis
from benchkit.watch.redis_stream import _age_s

DEAD = {"rule": "dead"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    ordinary = valkey._configuration
    with run_folder() as (_, folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(valkey, "_configuration", lambda *words: f"{ordinary(*words)}\nenable-debug-command local\n")
        with valkey.embedded(folder) as broker:
            yield broker.url("unix")


@pytest.fixture
def server(url) -> Iterator[Resp]:
    """A connection of the test's own, all keys gone."""
    resp = connect(url)
    resp.call("FLUSHALL")
    yield resp
    resp.close()


def looked(probe: Redis):
    """One look of a probe that is opened for it."""
    probe.open()
    try:
        probe.check()
        return probe.look()
    finally:
        probe.close()


@pytest.fixture
def opened() -> Iterator[Callable[..., Redis]]:
    """Opens probes, and closes them."""
    with ExitStack() as running:

        def make(url: str, *, lists: tuple[str, ...] = (), streams: tuple[str, ...] = ()) -> Redis:
            probe = Redis(url, lists, streams)
            running.callback(probe.close)
            probe.open()
            return probe

        yield make


def test_a_list_is_as_long_as_it_is_and_its_oldest_waits_for_as_long_as_it_was_seen(opened, url, server):
    probe = opened(url, lists=("frames",))
    assert (probe.look().queues[0].depth, probe.look().queues[0].oldest_s) == (0, 0.0)
    for n in range(5):
        server.call("RPUSH", "frames", f"frame-{n}")
    (first,) = probe.look().queues
    assert (first.depth, first.oldest_s, first.at_least) == (5, 0.0, True)
    before = time.monotonic()
    server.call("RPUSH", "frames", "frame-5")
    (second,) = probe.look().queues
    assert second.depth == 6
    assert 0 < second.oldest_s <= time.monotonic() - before + 1
    assert second.handled == first.handled
    # The oldest is taken: the next one was not seen before.
    server.call("LPOP", "frames")
    (third,) = probe.look().queues
    assert (third.depth, third.handled) == (5, first.handled + 1)


@pytest.mark.parametrize(("push", "take"), [("RPUSH", "LPOP"), ("LPUSH", "RPOP")])
def test_whichever_end_is_taken_from_movement_is_seen_and_standstill_too(opened, url, server, push, take):
    probe = opened(url, lists=("frames",))
    for n in range(5):
        server.call(push, "frames", n)
    moves = [probe.look().queues[0].handled]
    for n in range(5, 8):
        server.call(push, "frames", n)
        moves.append(probe.look().queues[0].handled)
    assert len(set(moves)) == 1
    for n in range(8, 11):
        server.call(push, "frames", n)
        server.call(take, "frames")
        moves.append(probe.look().queues[0].handled)
    assert moves[-3:] == [moves[0] + 1, moves[0] + 2, moves[0] + 3]


def test_items_that_cannot_be_told_apart_prove_nothing(opened, url, server):
    probe = opened(url, lists=("frames",))
    server.call("RPUSH", "frames", "same", "same", "same")
    for _ in range(3):
        (queue_,) = probe.look().queues
        assert (queue_.depth, queue_.oldest_s) == (3, None)
        assert queue_.handled is None
        assert "told apart" in queue_.note


def test_the_age_of_a_message_of_benchkit_runs_from_when_it_was_due(url, server):
    now_ns = time.monotonic_ns()
    for n in range(3):
        server.call("RPUSH", "frames", with_due(pack(Envelope(n, 1)), now_ns - (7 - n) * 10**9) + b"x")
    (found,) = looked(Redis(url, ("frames",), ())).queues
    assert found.oldest_s == pytest.approx(7, abs=5)
    assert found.oldest_s >= 7
    assert not found.at_least


def test_a_stream_without_groups(url, server):
    server.call("XADD", "events", "*", "m", "a")
    server.call("XADD", "events", "*", "m", "b")
    (found,) = looked(Redis(url, (), ("events",))).queues
    assert (found.name, found.depth, found.arrived, found.note) == ("events", 2, 2, "no consumer group")


def server_ms(server: Resp) -> int:
    seconds, micros = server.call("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


def test_a_group_waits_for_what_is_pending_and_what_was_not_delivered(opened, url, server):
    began_ms = server_ms(server) - 60_000
    server.call("XGROUP", "CREATE", "events", "g", 0, "MKSTREAM")
    for n in range(10):
        server.call("XADD", "events", f"{began_ms + 1000 * n}-0", "m", n)
    probe = opened(url, streams=("events",))
    (found,) = probe.look().queues
    assert (found.name, found.depth, found.pending, found.consumers) == ("events/g", 10, 0, 0)
    assert found.oldest_s == pytest.approx(60, abs=5)
    (entries,) = [server.call("XREADGROUP", "GROUP", "g", "w1", "COUNT", 4, "STREAMS", "events", ">")]
    assert entries
    look = probe.look()
    (found,) = look.queues
    assert (found.depth, found.pending, found.consumers, found.handled) == (10, 4, 1, 0)
    assert [party.name for party in look.parties] == ["broker", "events/g/w1"]
    server.call("XACK", "events", "g", f"{began_ms}-0", f"{began_ms + 1000}-0")
    (found,) = probe.look().queues
    assert (found.depth, found.pending, found.handled, found.arrived) == (8, 2, 2, 10)
    assert found.oldest_s == pytest.approx(58, abs=5)
    # As the transport redis-stream does it: deleted, then acknowledged.
    for n in (2, 3):
        server.call("XDEL", "events", f"{began_ms + 1000 * n}-0")
        server.call("XACK", "events", "g", f"{began_ms + 1000 * n}-0")
    (found,) = probe.look().queues
    assert (found.depth, found.pending, found.handled) == (6, 0, 4)
    assert found.oldest_s == pytest.approx(56, abs=5)
    # One that is held, and one behind it that is done and deleted.
    server.call("XREADGROUP", "GROUP", "g", "w1", "COUNT", 2, "STREAMS", "events", ">")
    server.call("XDEL", "events", f"{began_ms + 5000}-0")
    server.call("XACK", "events", "g", f"{began_ms + 5000}-0")
    (found,) = probe.look().queues
    assert (found.depth, found.pending, found.handled) == (5, 1, 5)


def test_a_group_that_is_done_has_no_oldest_though_the_stream_keeps_its_entries(url, server):
    server.call("XGROUP", "CREATE", "events", "g", 0, "MKSTREAM")
    server.call("XADD", "events", "*", "m", 1)
    ((_, entries),) = [pair for pair in [server.call("XREADGROUP", "GROUP", "g", "w", "STREAMS", "events", ">")]]
    server.call("XACK", "events", "g", entries[0][0])
    (found,) = looked(Redis(url, (), ("events",))).queues
    assert (found.depth, found.oldest_s, found.handled) == (0, 0.0, 1)
    assert server.call("XLEN", "events") == 1


def test_a_consumer_of_old_is_nobody_and_one_that_was_heard_stays(opened, url, server):
    server.call("XGROUP", "CREATE", "events", "g", 0, "MKSTREAM")
    server.call("XGROUP", "CREATECONSUMER", "events", "g", "w")
    probe = opened(url, streams=("events",))
    assert [party.name for party in probe.look().parties] == ["broker", "events/g/w"]
    probe._streams[0]._heard.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchkit.watch.redis_stream._LEFT_S", -1.0)
        assert [party.name for party in probe.look().parties] == ["broker"]


def test_a_group_that_is_named_and_missing_is_gone(url, server):
    server.call("XGROUP", "CREATE", "events", "g", 0, "MKSTREAM")
    look = looked(Redis(url, (), ("events",), ("g", "other")))
    assert [each.name for each in look.queues] == ["events/g"]
    assert Party("group events/other", False, note="there is no such group") in look.parties


@pytest.mark.parametrize(
    ("entry", "age_s"),
    [("1700000000000-0", 5.0), ("1700000005000-7", 0.0), ("1700000009000-0", 0.0), ("17-1", None), ("x", None), ("", None)],
)
def test_an_id_that_is_no_time_tells_no_age(entry, age_s):
    assert _age_s(entry, 1_700_000_005_000) == age_s


def test_keys_of_another_kind_are_refused_before_anything_is_watched(url, server):
    server.call("RPUSH", "a", 1)
    server.call("XADD", "b", "*", "m", 1)
    server.call("SET", "c", "x")
    for probe, words in [
        (Redis(url, ("b",), ()), "'b' is no list but a stream.*--stream"),
        (Redis(url, (), ("a",)), "'a' is no stream but a list.*--list"),
        (Redis(url, ("c",), ()), "'c' is no list but a string"),
    ]:
        with pytest.raises(UsageError, match=f"(?s){words}"):
            looked(probe)


def filled(server: Resp) -> None:
    server.call("RPUSH", "frames", *(f"frame-{n}" for n in range(20)))
    server.call("RPUSH", "large", b"a" * (1 << 20), b"b" * (1 << 20))
    server.call("XGROUP", "CREATE", "events", "g", 0, "MKSTREAM")
    for n in range(20):
        server.call("XADD", "events", "*", "m", n, "large", b"x" * 100_000)
    server.call("XREADGROUP", "GROUP", "g", "w1", "COUNT", 5, "STREAMS", "events", ">")


def test_not_one_key_is_changed_and_every_command_only_reads(opened, url, server):
    """The server's own digest of all data, and its statistics of commands: none of them may write."""
    filled(server)
    before = server.call("DEBUG", "DIGEST")
    pending = server.call("XPENDING", "events", "g", "-", "+", 100)
    server.call("CONFIG", "RESETSTAT")
    probe = opened(url, lists=("frames", "large", "none"), streams=("events", "nothing"))
    for _ in range(3):
        look = probe.look()
    assert [each.depth for each in look.queues] == [20, 2, 0, 20, 0]
    assert server.call("DEBUG", "DIGEST") == before
    after = server.call("XPENDING", "events", "g", "-", "+", 100)
    # Consumer and number of deliveries; how long it has been pending goes on.
    assert [(each[0], each[1], each[3]) for each in after] == [(each[0], each[1], each[3]) for each in pending]
    text = server.call("INFO", "commandstats").decode()
    used = {line.partition(":")[0].removeprefix("cmdstat_").split("|")[0] for line in text.splitlines() if "cmdstat_" in line}
    flags = {name: {flag.decode() for flag in server.call("COMMAND", "INFO", name)[0][2]} for name in used}
    assert "write" not in {flag for each in flags.values() for flag in each}
    assert {"eval_ro", "xinfo", "xpending"} <= used


def test_keys_are_not_touched_by_being_looked_at(opened, url, server):
    """What a cache would evict next stays what it was."""
    server.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    try:
        server.call("RPUSH", "frames", "a", "b")
        before = server.call("OBJECT", "FREQ", "frames")
        probe = opened(url, lists=("frames",))
        for _ in range(300):
            probe.look()
        assert server.call("OBJECT", "FREQ", "frames") == before
    finally:
        server.call("CONFIG", "SET", "maxmemory-policy", "noeviction")


@pytest.fixture
def reader(url, server) -> Iterator[str]:
    """The URL of a user who may read and run no script; all that Redis 6.2 could do."""
    server.call("ACL", "SETUSER", "reader", "on", ">sesame", "~*", "+@read", "+time", "+client", "-@scripting", "-eval_ro")
    yield url.replace(f":{url.partition('@')[0].rpartition(':')[2]}@", "reader:sesame@")
    server.call("ACL", "DELUSER", "reader")


def test_without_scripts_small_values_are_fetched_and_of_large_ones_nothing_is_claimed(opened, server, reader):
    filled(server)
    probe = opened(reader, lists=("frames", "large"), streams=("events",))
    for _ in range(2):
        frames, large, events = probe.look().queues
    assert (frames.depth, frames.handled, large.depth, large.oldest_s) == (20, 0, 2, None)
    assert frames.oldest_s > 0
    assert (events.depth, events.pending) == (20, 5)
    assert events.oldest_s is not None


def test_a_user_who_may_not_read_is_told_what_to_allow(url, server):
    server.call("ACL", "SETUSER", "nobody", "on", ">sesame", "~*", "+ping", "+hello", "+client")
    blind = url.replace(f":{url.partition('@')[0].rpartition(':')[2]}@", "nobody:sesame@")
    try:
        with pytest.raises(BrokerError, match="(?s)refuses TYPE.*@read") as caught:
            looked(Redis(blind, ("frames",), ()))
        assert "sesame" not in str(caught.value)
    finally:
        server.call("ACL", "DELUSER", "nobody")


def test_a_stalled_consumer_is_alerted_and_its_recovery_told(url, server):
    """A list with a producer that goes on and a consumer that has stopped; then it takes again."""
    alerts = Kept({"rule": "stalled", "window": "5s", "clear": "0s"}, step_s=1.0)
    with watching(Redis(url, ("frames",), ()), alerts) as watch:
        for n in range(3):
            server.call("RPUSH", "frames", 2 * n, 2 * n + 1)
            server.call("LPOP", "frames")
            watch.round()
        assert alerts.said() == []
        for n in range(7):
            server.call("RPUSH", "frames", 100 + n)
            watch.round()
        assert alerts.said() == [("firing", "stalled", "frames")]
        server.call("LPOP", "frames")
        watch.round()
        assert alerts.said()[1:] == [("resolved", "stalled", "frames")]


def test_rates_are_the_differences_of_the_servers_counters(url, server):
    server.call("XGROUP", "CREATE", "events", "g", 0, "MKSTREAM")
    with watching(Redis(url, (), ("events",)), Kept()) as watch:
        first = watch.round()
        for n in range(50):
            server.call("XADD", "events", "*", "m", n)
        for _, entries in [server.call("XREADGROUP", "GROUP", "g", "w", "COUNT", 20, "STREAMS", "events", ">")]:
            server.call("XACK", "events", "g", *(entry[0] for entry in entries))
        second = watch.round()
        at = [next(each.at_ns for each in seen.observations if each.metric == "benchkit_queue_depth") for seen in (first, second)]
        over_s = (at[1] - at[0]) / 1e9
        assert value(second, "benchkit_arrivals_per_second", "events/g") * over_s == pytest.approx(50)
        assert value(second, "benchkit_rate_per_second", "events/g") * over_s == pytest.approx(20)
        assert queue(second, "events/g").depth == 30


def processes(folder: Path) -> list[psutil.Process]:
    """The server that has its socket there."""
    return [each for each in psutil.Process().children(recursive=True) if "valkey" in " ".join(each.cmdline()) and str(folder) in " ".join(each.cmdline())]


def test_a_killed_server_is_alerted_a_stopped_one_too_and_its_return_is_a_recovery():
    with run_folder() as (_, folder), ExitStack() as running:
        broker = running.enter_context(valkey.embedded(folder))
        home = folder / "valkey"
        binary, settings = valkey._binary(), (home / "valkey.conf").read_text()
        alerts = Kept(DEAD)
        with watching(Redis(broker.url("unix"), ("frames",), ()), alerts) as watch:
            assert value(watch.round(), "benchkit_up", "broker") == 1
            assert alerts.said() == []
            (process,) = [each for each in processes(folder) if "guard.py" not in " ".join(each.cmdline())] or processes(folder)
            process.send_signal(signal.SIGSTOP)
            watch._patience_ns = 300_000_000
            seen = watch.round()
            assert value(seen, "benchkit_up", "broker") == 0
            assert "no answer" in seen.targets[0].why
            process.send_signal(signal.SIGCONT)
            watch._patience_ns = int(30e9)
            # It answers the question of the round before; nothing of it is lost.
            watch.round()
            watch.round()
            assert alerts.said() == [("firing", "dead", "broker"), ("resolved", "dead", "broker")]
            process.kill()
            process.wait()
            seen = watch.round()
            assert value(seen, "benchkit_up", "broker") == 0
            seen = watch.round()
            assert "cannot connect" in seen.targets[0].why or "refused" in seen.targets[0].why
            (home / "s").unlink(missing_ok=True)
            (home / "again.conf").write_text(settings)
            running.enter_context(child([str(binary), str(home / "again.conf")]))
            for _ in range(2000):
                if (seen := watch.round()).targets[0].look is not None:
                    break
            assert queue(seen, "frames").depth == 0
        assert [each[:2] for each in alerts.said()] == [("firing", "dead"), ("resolved", "dead")] * 2


def test_no_answer_of_any_kind_holds_the_password(tmp_path):
    secret = "s3cr%2524t-hunter2"  # noqa: S105  (made up for this test)
    for url in (f"redis://:{secret}@127.0.0.1:1/0", f"unix://:{secret}@{tmp_path}/none", f"redis://u:{secret}@/x@y"):
        with pytest.raises((BrokerError, UsageError)) as caught:
            Redis(url, ("a",), ()).open()
        assert "hunter2" not in str(caught.value)
        assert "hunter2" not in repr(caught.value)
