"""The Redis transports beside the same commands on raw sockets and ordinary redis-py.

Not a test: run `python tests/transports/measure_redis.py [seconds for each]`: a producer here, a worker
in another process, one message in flight, a 5-byte reply; random turns, medians compared.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import statistics
import sys
import time
from contextlib import ExitStack

import redis

from benchkit.runtime.folders import run_folder
from benchkit.tensors.wire import total_bytes
from benchkit.transports._redis.connect import connect
from benchkit.transports._redis.resp import command, opening
from benchkit.transports.base import Setup
from benchkit.transports.redis_list import RedisList
from benchkit.transports.redis_stream import RedisStream

REPLY = b"reply"


class Raw:
    """The commands of redis-list or redis-stream, nothing around them: no bound, no slots, one parse each."""

    def __init__(self, address, kind):
        self.url, self.name, self.kind = address.where["url"], address.where["name"] + ":raw", kind

    def open(self):
        connection = connect(self.url)
        sock = connection._link._sendmsg.__self__
        self.keep = getattr(self, "keep", [])
        self.keep.append(connection)
        return sock

    def until(self, sock, memory, count):
        got = 0
        while got < count:
            got += sock.recv_into(memory[got:], count - got, 256)

    def some(self, sock, memory, nbytes):
        got = sock.recv_into(memory)
        while got < nbytes:
            got += sock.recv_into(memory[got:])
        return got

    def producer(self, nbytes):
        out, into = self.open(), self.open()
        memory = memoryview(bytearray(4096))
        if self.kind == "redis-list":
            head = opening(3, "RPUSH", self.name) + b"$%d\r\n" % nbytes
            tail = b"\r\n"
        else:
            head = opening(5, "XADD", self.name, "*", "m") + b"$%d\r\n" % nbytes
            tail = b"\r\n" + command("XLEN", self.name)
        pop = command("BLPOP", self.name + ":r", 0)

        def once(payload):
            into.sendall(pop)
            left = [head, payload, tail]
            sent = out.sendmsg(left)
            total = total_bytes(left)
            while sent < total:
                joined = memoryview(payload)[sent - len(head) :]
                sent += out.sendmsg([joined, tail])
            self.some(into, memory, 20)
            self.some(out, memory, 4)

        return once

    def worker(self, nbytes):
        takes, gives = self.open(), self.open()
        memory = memoryview(bytearray(nbytes + 4096))
        if self.kind == "redis-list":
            take = command("BLMOVE", self.name, self.name + ":p", "LEFT", "RIGHT", 0)
            size = nbytes + 2 + len(b"$%d\r\n" % nbytes)
            ack = command("LTRIM", self.name + ":p", 1, -1)
        else:
            self.admin = redis.Redis.from_url(self.url)
            self.admin.xgroup_create(self.name, "g", 0, mkstream=True)
            take = command(*f"XREADGROUP GROUP g w0 COUNT 1 BLOCK 0 STREAMS {self.name} >".split())
            size = nbytes
        reply = command("RPUSH", self.name + ":r", REPLY)
        small = memoryview(bytearray(4096))

        def once():
            takes.sendall(take)
            if self.kind == "redis-list":
                self.until(takes, memory, size)
                done = ack
            else:
                got = takes.recv_into(memory[:16384])
                begin = bytes(memory[: min(got, 200)])
                at = begin.find(b"-", begin.find(b":raw\r\n"))
                mark = begin[begin.rfind(b"\n", 0, at) + 1 : begin.find(b"\r", at)]
                whole = begin.find(b"m\r\n$") + 4
                whole = begin.find(b"\n", whole) + 1 + nbytes + 2
                if got < whole:
                    self.until(takes, memory[got:], whole - got)
                done = command("XDEL", self.name, mark) + command("XACK", self.name, "g", mark)
            gives.sendall(reply)
            gives.sendall(done)
            count = self.some(gives, small, 4)
            answers = small[:count].tobytes()
            assert b"-" not in answers, answers
            assert b":0" not in answers, answers

        return once


class Plain:
    """What the redis-py documentation shows: lpush and brpop, or xadd and xreadgroup, with hiredis."""

    def __init__(self, address, kind):
        self.url, self.name, self.kind = address.where["url"], address.where["name"] + ":plain", kind

    def producer(self, nbytes):
        client = redis.Redis.from_url(self.url)

        def once(payload):
            if self.kind == "redis-list":
                client.lpush(self.name, payload)
            else:
                client.xadd(self.name, {"m": payload})
            client.brpop([self.name + ":r"], 5)

        return once

    def worker(self, nbytes):
        client = redis.Redis.from_url(self.url)
        if self.kind == "redis-stream":
            client.xgroup_create(self.name, "g", 0, mkstream=True)

        def once():
            if self.kind == "redis-list":
                client.brpop([self.name], 5)
            else:
                found = client.xreadgroup("g", "w0", {self.name: ">"}, count=1, block=5000)
                entries = found[0][1] if isinstance(found, list) else next(iter(found.values()))[0]
                mark = entries[0][0]
                client.xack(self.name, "g", mark)
                client.xdel(self.name, mark)
            client.lpush(self.name + ":r", REPLY)

        return once


class Ours:
    def __init__(self, address, transport):
        self.address, self.transport = address, transport

    def producer(self, nbytes):
        sender = self.transport.sender(self.address)

        def once(payload):
            assert sender.send((payload,), 1)
            while sender.reply(1) is None:
                pass

        return once

    def worker(self, nbytes):
        receiver = self.transport.receiver(self.address, 0)

        def once():
            while (delivery := receiver.receive(1)) is None:
                pass
            delivery.reply((REPLY,))
            delivery.ack()
            delivery.release()

        return once


def serve(who, nbytes, pipe):
    once = who.worker(nbytes)
    pipe.send("ready")
    while True:
        count = pipe.recv()
        if not count:
            os._exit(0)
        for _ in range(count):
            once()
        pipe.send("done")


def measure(contenders, nbytes, seconds):
    payload = os.urandom(nbytes)
    context = multiprocessing.get_context("spawn")
    sides = {}
    for name, who in contenders.items():
        here, there = context.Pipe()
        process = context.Process(target=serve, args=(who, nbytes, there), daemon=True)
        process.start()
        here.recv()
        sides[name] = (who.producer(nbytes), here, process, [])
    batch = 200 if nbytes < 100_000 else 10
    end = time.monotonic() + seconds * len(sides)
    order = random.Random(0)
    warm = True
    while time.monotonic() < end:
        for once, pipe, _, times in order.sample(list(sides.values()), len(sides)):
            pipe.send(batch)
            for _ in range(batch):
                start = time.perf_counter_ns()
                once(payload)
                if not warm:
                    times.append(time.perf_counter_ns() - start)
            pipe.recv()
        warm = False
    for _, pipe, process, _ in sides.values():
        pipe.send(0)
        process.join()
    return {name: statistics.median(times) / 1000 for name, (_, _, _, times) in sides.items()}


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    with run_folder() as (run, folder), ExitStack() as stack:
        made = {}

        def share(key, make):
            if key not in made:
                made[key] = stack.enter_context(make())
            return made[key]

        for socket in ("unix", "tcp"):
            for cls in (RedisList, RedisStream):
                for nbytes in (64, 6_220_800):
                    transport = cls(socket=socket)
                    name = f"benchkit-{run}-{socket}-{nbytes}"
                    with transport.prepare(Setup(name, folder, nbytes, 64, 1, share)) as address:
                        contenders = {
                            "ours": Ours(address, transport),
                            "raw": Raw(address, cls.kind),
                            "plain": Plain(address, cls.kind),
                        }
                        found = measure(contenders, nbytes, seconds)
                        with redis.Redis.from_url(address.where["url"]) as client:
                            client.flushall()
                    ours, raw, plain = found["ours"], found["raw"], found["plain"]
                    print(  # noqa: T201  (a script)
                        f"{cls.kind:12} {socket:4} {nbytes:8} B: {ours:9.1f} us"
                        f"  ours/raw {ours / raw:5.2f}  plain/ours {plain / ours:5.2f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
