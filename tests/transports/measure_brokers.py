"""The transports with a server beside the clients that people write: one message in flight, a short reply.

Not a test: run `python tests/transports/measure_brokers.py [rounds] [messages in each]`; what is not installed
(nats-py, pika) is left out. A producer here, a worker in another process, the same server and the same guarantees:
each message is confirmed (or answered by a PubAck) and acknowledged. Random turns, medians compared with those of
redis-stream.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from importlib.util import find_spec

from benchkit.engine.site import Site
from benchkit.runtime.folders import run_folder
from benchkit.transports.base import Address, registry

REPLY = b"reply"
OURS = ["redis-stream", "nats", "rabbitmq"]
LIBRARIES = {"amqp": "rabbitmq", "pika": "rabbitmq", "nats-py": "nats"}
MODULES = {"amqp": "amqp", "pika": "pika", "nats-py": "nats"}
forks = multiprocessing.get_context("spawn")


class Ours:
    """A transport as the engine uses it."""

    def __init__(self, kind: str, address: Address) -> None:
        self.transport, self.address = registry.build({"kind": kind}), address

    def produce(self) -> Callable[[bytes], None]:
        self.sender = sender = self.transport.sender(self.address)

        def once(payload: bytes) -> None:
            while not sender.send([payload], 1.0):
                pass
            while sender.reply(1.0) is None:
                pass

        return once

    def end(self) -> None:
        self.sender.close()

    def work(self) -> None:
        receiver = self.transport.receiver(self.address, 0)
        while True:
            if (delivery := receiver.receive(1.0)) is not None:
                delivery.reply([REPLY])
                delivery.ack()
                delivery.release()


class Amqp:
    """py-amqp: publish with confirms, a consumer for the replies."""

    def __init__(self, _: str, address: Address) -> None:
        self.url, self.queue = str(address.where["url"]), f"{address.where['name']}.lib"

    def channel(self):
        from benchkit.transports._rabbitmq.connect import opened

        connection = opened(self.url)
        channel = connection.channel()
        for name in (self.queue, self.queue + ".r"):
            channel.queue_declare(name, auto_delete=False, durable=True)
        return connection, channel

    def produce(self) -> Callable[[bytes], None]:
        import amqp

        connection, channel = self.channel()
        channel.confirm_select()
        seen = []
        channel.basic_consume(self.queue + ".r", no_ack=True, callback=seen.append)

        def once(payload: bytes) -> None:
            channel.basic_publish_confirm(amqp.Message(payload), "", self.queue)
            while not seen:
                connection.drain_events()
            seen.clear()

        return once

    def end(self) -> None:
        """The server ends before it, and with it the connection."""

    def work(self) -> None:
        import amqp

        connection, channel = self.channel()
        channel.basic_qos(0, 1, False)

        def on_message(message) -> None:
            channel.basic_publish(amqp.Message(REPLY), "", self.queue + ".r")
            channel.basic_ack(message.delivery_tag)

        channel.basic_consume(self.queue, callback=on_message)
        while True:
            with suppress(TimeoutError):
                connection.drain_events()


class Pika(Amqp):
    """pika's BlockingConnection: the same."""

    def channel(self):
        import pika

        channel = pika.BlockingConnection(pika.URLParameters(self.url)).channel()
        for name in (self.queue, self.queue + ".r"):
            channel.queue_declare(name, durable=True)
        return channel

    def produce(self) -> Callable[[bytes], None]:
        channel = self.channel()
        channel.confirm_delivery()
        seen = []
        channel.basic_consume(self.queue + ".r", lambda *words: seen.append(words[3]), auto_ack=True)

        def once(payload: bytes) -> None:
            channel.basic_publish("", self.queue, payload)
            while not seen:
                channel.connection.process_data_events(None)
            seen.clear()

        return once

    def work(self) -> None:
        channel = self.channel()
        channel.basic_qos(prefetch_count=1)

        def on_message(channel, method, properties, body) -> None:
            channel.basic_publish("", self.queue + ".r", REPLY)
            channel.basic_ack(method.delivery_tag)

        channel.basic_consume(self.queue, on_message)
        channel.start_consuming()


class NatsPy:
    """nats-py: JetStream publish and a pull subscription; a loop that runs for each call of a blocking program."""

    def __init__(self, _: str, address: Address) -> None:
        self.url, self.name = str(address.where["url"]), f"{address.where['name']}-lib"

    async def connected(self):
        import nats

        client = await nats.connect(self.url)
        stream = client.jetstream()
        await stream.add_stream(name=self.name, subjects=[self.name], storage="memory", retention="workqueue")
        return client, stream

    def produce(self) -> Callable[[bytes], None]:
        self.loop = loop = asyncio.new_event_loop()
        self.client, stream = loop.run_until_complete(self.connected())
        replies = loop.run_until_complete(self.client.subscribe(self.name + "-r"))

        async def both(payload: bytes) -> None:
            await stream.publish(self.name, payload)
            await replies.next_msg(10)

        return lambda payload: loop.run_until_complete(both(payload))

    def end(self) -> None:
        self.loop.run_until_complete(self.client.close())
        self.loop.close()

    def work(self) -> None:
        asyncio.run(self.serve())

    async def serve(self) -> None:
        client, stream = await self.connected()
        pulled = await stream.pull_subscribe(self.name, durable="g")
        while True:
            for message in await pulled.fetch(1, timeout=600):
                await client.publish(self.name + "-r", REPLY)
                await message.ack()


CLIENTS = {"amqp": Amqp, "pika": Pika, "nats-py": NatsPy}


def work(name: str, address: Address) -> None:
    CLIENTS.get(name, Ours)(name, address).work()


def main(rounds: int, messages: int) -> None:
    names = [kind for kind in OURS if registry.load(kind).lacks() is None]
    names += [name for name, kind in LIBRARIES.items() if kind in names and find_spec(MODULES[name])]
    with run_folder() as (run, folder), ExitStack() as stack:
        site = Site(run, folder, stack)
        once = {}
        for name in names:
            transport = registry.build({"kind": LIBRARIES.get(name, name)})
            address = stack.enter_context(transport.prepare(site.setup(1 << 20, 4096, 1)))
            worker = forks.Process(target=work, args=(name, address), daemon=True)
            worker.start()
            stack.callback(worker.kill)
            client = CLIENTS.get(name, Ours)(name, address)
            once[name] = client.produce()
            stack.callback(client.end)
        for nbytes in (7_000, 1 << 20):
            payload = bytes(nbytes)
            medians = {name: [] for name in names}
            for _ in range(rounds + 1):
                for name in random.sample(names, len(names)):
                    took = []
                    for _ in range(messages):
                        before = time.perf_counter()
                        once[name](payload)
                        took.append(time.perf_counter() - before)
                    medians[name].append(statistics.median(took))
            base = medians["redis-stream"]
            for name, each in medians.items():
                ratio = statistics.median(own / other for own, other in zip(each[1:], base[1:], strict=True))
                told = (
                    f"{1e6 * statistics.median(each[1:]):7.0f} us there and back, {ratio:.2f} of redis-stream"
                )
                print(f"{nbytes:>8} bytes  {name:12} {told}")  # noqa: T201  (what it is for)


if __name__ == "__main__":
    main(*[int(word) for word in sys.argv[1:]] or [8, 40])
