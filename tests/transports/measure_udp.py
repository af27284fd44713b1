"""What MTU, offload, parity and copying cost the udp transport, beside unix.

Not a test: run `python tests/transports/measure_udp.py [seconds for each size]`: a producer here, a worker in
another process, one message in flight, a 5-byte reply; all ways open at a time, random turns, medians compared.
"""

from __future__ import annotations

import multiprocessing
import random
import statistics
import sys
import time
from contextlib import ExitStack

from benchkit.engine.site import Site
from benchkit.runtime.folders import run_folder
from benchkit.transports.udp import Udp
from benchkit.transports.unix import Unix

REPLY = b"reply"
SIZES = (64, 50_000, 921_600, 6_220_800)
WAYS = {
    "unix": Unix(),
    "1500": Udp(),
    "1500, call by call": Udp(offload=False),
    "9000": Udp(mtu=9000),
    "65535": Udp(mtu=65535),
    "1500, xor": Udp(parity="xor"),
    "65535, xor": Udp(mtu=65535, parity="xor"),
}
spawn = multiprocessing.get_context("spawn")


def serve(way, address, ready):
    receiver = WAYS[way].receiver(address, 0)
    ready.set()
    while True:
        if (delivery := receiver.receive(1.0)) is not None:
            last = delivery.view.nbytes == 1
            delivery.reply((REPLY,))
            delivery.ack()
            delivery.release()
            if last:
                receiver.close()
                return


def trip(sender, message):
    before = time.perf_counter_ns()
    while not sender.send((message,), 1.0):
        pass
    while (reply := sender.reply(1.0)) is None:
        pass
    took = time.perf_counter_ns() - before
    assert not reply.lost
    return took / 1e3


def main(seconds: float) -> None:
    """Print medians by size, and each as a ratio to unix."""
    with ExitStack() as stack:
        name, folder = stack.enter_context(run_folder())
        site = Site(name, folder, stack)
        senders, workers = {}, []
        for way, transport in WAYS.items():
            address = stack.enter_context(transport.prepare(site.setup(max(SIZES), 64, 1)))
            ready = spawn.Event()
            workers.append(spawn.Process(target=serve, args=(way, address, ready)))
            workers[-1].start()
            ready.wait(30)
            senders[way] = transport.sender(address)
            stack.callback(senders[way].close)
        for nbytes in SIZES:
            message, took = bytes(nbytes), {way: [] for way in WAYS}
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                for way in random.sample(list(WAYS), len(WAYS)):
                    trip(senders[way], message)  # wakes its worker and its caches
                    took[way] += [trip(senders[way], message) for _ in range(3)]
            base = statistics.median(took["unix"])
            for way, each in took.items():
                median = statistics.median(each)
                ratio = median / base
                print(f"{nbytes:>9} B  {way:20} {median:9.1f} us  {ratio:5.2f} x unix  ({len(each)})")  # noqa: T201  (a program's output)
        for way in WAYS:
            trip(senders[way], b"x")
        for worker in workers:
            worker.join(5)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0)
