"""Facts of the udp transport that the conformance suite cannot know."""

import importlib.util
import math
import socket
import time
from contextlib import ExitStack

import pytest
from pydantic import TypeAdapter

from benchkit.analysis.document import document
from benchkit.engine.runner import Runner
from benchkit.errors import BrokerError, MissingLibrary, Rejected, StorageError
from benchkit.flow.options import FlowOptions, Retry
from benchkit.link.options import LinkOptions
from benchkit.link.plan import Impairment
from benchkit.link.process import link_process
from benchkit.load.closed import Closed
from benchkit.load.constant import Constant
from benchkit.records.plain import storable
from benchkit.records.run import Block
from benchkit.runtime.folders import run_folder
from benchkit.scenario.plan import Blocks, Plan, PlannedCell
from benchkit.sources.sensors import Sensors
from benchkit.stages.null import Null
from benchkit.tensors.codecs.raw import Raw
from benchkit.testing.letters import digest, letter
from benchkit.transports._udp.head import ACK, LAYOUT, MESSAGE
from benchkit.transports._udp.kernel import Datagrams
from benchkit.transports._udp.place import fragment_bytes, port_of
from benchkit.transports.base import Setup
from benchkit.transports.udp import Udp

PATIENCE_S = 10.0
MS = 1_000_000


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def process():
    with link_process() as running:
        yield running


def prepared(stack, transport, message_bytes=1 << 20, **changes):
    name, folder = stack.enter_context(run_folder())
    asked = {"message_bytes": message_bytes, "reply_bytes": message_bytes, "workers": 1, **changes}
    setup = Setup(name, folder, share=lambda *_: pytest.fail("nothing is shared"), **asked)
    return stack.enter_context(transport.prepare(setup))


def opened(stack, transport, address, led=None):
    """A receiver, and a sender that may be led through a link."""
    receiver = transport.receiver(address, 0)
    stack.callback(receiver.close)
    sender = transport.sender(led or address)
    stack.callback(sender.close)
    return sender, receiver


def until(condition):
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > give_up:
            return False
    return True


def exchanged(stack, process, transport, up, count, nbytes, seed="3"):
    """`count` messages through a link, each answered.

    What returned, what was told to be lost, and what the sender, the receiver and the link counted.
    """
    address = prepared(stack, transport)
    link = process.open(up, Impairment(), seed)
    stack.callback(link.close)
    led = transport.through(address, link.lead)
    sender, receiver = opened(stack, transport, address, led)
    returned, lost, number = [], [], 0

    def look():
        while (delivery := receiver.receive(0)) is not None:
            delivery.reply([bytes(delivery.view[:64])])
            delivery.ack()
            delivery.release()
        while (reply := sender.reply(0)) is not None:
            (lost if reply.lost else returned).append(bytes(reply.view))

    def all_told():
        look()
        return len(returned) + len(lost) == count

    while number < count:
        if sender.send(letter(number, nbytes).parts, 0.0005):
            number += 1
        look()
    assert until(all_told)
    return returned, lost, sender.counts(), receiver.counts(), link.stats()


# Losses --------------------------------------------------------------------------------------------------


def test_what_a_link_loses_is_lost_and_nothing_else(stack, process):
    loss, burst, count = 0.02, 4.0, 400
    up = Impairment(MS, loss=loss, loss_burst=burst)
    returned, lost, out, into, seen = exchanged(
        stack, process, Udp(depth=16, reassembly=0.05), up, count, 10 * fragment_bytes(1500)
    )
    fragments, link_lost = out["sent_fragments"], seen["up"]["lost"]
    assert fragments == 10 * count
    # Two standard errors of a two-state chain's losses, doubled.
    error = math.sqrt(2 * burst / (fragments * loss)) * loss
    assert abs(link_lost / seen["up"]["packets"] - loss) < 4 * error
    # Of what the link took, some were questions and grants; each fragment that came is counted once.
    others = seen["up"]["packets"] - fragments
    gone = fragments - into["received_fragments"]
    assert 0 <= link_lost - gone <= others
    assert len(set(returned) | set(lost)) == len(returned) + len(lost) == count
    # A lost message lacks a fragment at the least, and 10 at the most.
    assert gone / 10 <= len(lost) <= gone
    assert into["kernel_lost"] == out["kernel_lost"] == 0


def test_parity_saves_messages_that_the_same_link_would_lose(stack, process):
    up = Impairment(loss=0.02, loss_burst=3.0)
    told = {}
    for parity in ("none", "xor"):
        transport = Udp(depth=16, reassembly=0.05, parity=parity, group=5)
        told[parity] = exchanged(stack, process, transport, up, 200, 20 * fragment_bytes(1500))
    (_, lost, _, _, _), (_, fewer, out, into, _) = told["none"], told["xor"]
    assert len(fewer) < len(lost) / 2
    assert out["sent_parity_fragments"] == 200 * 4
    assert into["recovered_messages"] > len(lost) / 4
    assert into["recovered_fragments"] >= into["recovered_messages"]


def test_a_lost_reply_is_a_lost_message_and_is_told_once(stack, process):
    transport, count = Udp(depth=8, reassembly=0.05), 60
    address = prepared(stack, transport)
    link = process.open(Impairment(), Impairment(loss=0.3), "1")
    stack.callback(link.close)
    sender, receiver = opened(stack, transport, address, transport.through(address, link.lead))
    told = []

    def look():
        # Asked for what became of messages, the worker answers when it looks for the next one.
        while (delivery := receiver.receive(0)) is not None:
            delivery.reply([bytes(delivery.view[:64])])
            delivery.ack()
            delivery.release()
        while (reply := sender.reply(0)) is not None:
            told.append((bytes(reply.view), reply.lost))
        return len(told) == count

    for number in range(count):
        while not sender.send(letter(number, 500).parts, 0.001):
            look()
    assert until(look)
    assert receiver.counts()["received_fragments"] == count
    assert len({start for start, _ in told}) == count
    assert 5 < sum(lost for _, lost in told) < 35


def test_far_more_than_a_socket_holds_is_sent_and_nothing_lost(stack):
    transport, nbytes = Udp(depth=2, receive_buffer=1 << 16, mtu=1500), 1 << 20
    sender, receiver = opened(stack, transport, prepared(stack, transport, nbytes))
    sent = [letter(number, nbytes) for number in range(2)]
    # What the socket does not take in this time waits in a helper's hands, and the second is not begun.
    assert sender.send(sent[0].parts, 0.001)
    assert not sender.send(sent[1].parts, 0.001)
    first = receiver.receive(PATIENCE_S)
    assert digest([first.view]) == sent[0].digest
    assert until(lambda: sender.send(sent[1].parts, 0.01))
    second = receiver.receive(PATIENCE_S)
    assert digest([second.view]) == sent[1].digest
    assert receiver.counts()["kernel_lost"] == 0


# Strangers, and what was announced ------------------------------------------------------------------------


def test_who_has_not_the_token_is_not_heard_and_counted(stack):
    transport = Udp()
    address = prepared(stack, transport)
    sender, receiver = opened(stack, transport, address)
    port = port_of(address.where, 0)
    token = int.from_bytes(bytes.fromhex(address.where["token"]), "little")
    size = fragment_bytes(1500)

    def head(token, kind=MESSAGE, total=8):
        return LAYOUT.pack(token, kind, 0, 0, size, 0, 1, total, 0, 0, 0, 0)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for data in (b"", b"x", head(token ^ 1) + bytes(8)):
            stranger.sendto(data, ("127.0.0.1", port))
        for data in (
            head(token)[:40],
            head(token) + bytes(9),
            head(token, ACK),
            head(token, total=2**31) + bytes(8),
        ):
            stranger.sendto(data, ("127.0.0.1", port))
    assert receiver.receive(0.05) is None
    counts = receiver.counts()
    assert (counts["strangers"], counts["malformed"]) == (3, 4)
    assert sender.send(letter(1, 200).parts, 1.0)
    assert receiver.receive(PATIENCE_S).view.nbytes == 200


def test_what_is_too_long_is_rejected_on_either_way(stack):
    transport = Udp()
    sender, receiver = opened(stack, transport, prepared(stack, transport, 1000))
    with pytest.raises(Rejected, match="at most 1000"):
        sender.send([bytes(1001)], 0)
    assert sender.send([bytes(1000)], 1.0)
    delivery = receiver.receive(PATIENCE_S)
    with pytest.raises(Rejected, match="a reply of 1001"):
        delivery.reply([bytes(1001)])
    delivery.reply([bytes(10)])
    delivery.ack()
    delivery.release()
    assert sender.reply(PATIENCE_S).view.nbytes == 10


def test_a_sender_without_workers_says_so(stack):
    transport = Udp()
    with pytest.raises(BrokerError, match="no worker receives"):
        transport.sender(prepared(stack, transport))


def test_a_socket_that_holds_no_fragment_is_an_error_with_a_remedy(stack):
    with pytest.raises(StorageError, match="rmem_max"):
        prepared(stack, Udp(receive_buffer=1 << 16, mtu=65535))


@pytest.mark.skipif(importlib.util.find_spec("zfec") is not None, reason="zfec is there")
def test_reed_solomon_without_its_library_names_the_command(stack):
    with pytest.raises(MissingLibrary, match="benchkit\\[udp-rs\\]"):
        prepared(stack, Udp(parity="rs"))


# Sockets -------------------------------------------------------------------------------------------------


def test_buffers_are_set_read_back_and_part_of_what_is_claimed(stack):
    transport = Udp(receive_buffer=1 << 17)
    address = prepared(stack, transport)
    _, receiver = opened(stack, transport, address)
    assert receiver.path() == {"family": "udp", "receive_buffer": address.claim["receive_buffer"]}
    assert int(address.claim["receive_buffer"]) >= 1 << 17


@pytest.mark.parametrize("offload", [True, False])
def test_a_row_of_datagrams_comes_as_it_was_sent(offload):
    near, far = (Datagrams(1 << 20, 1 << 20, offload=offload) for _ in range(2))
    try:
        far.sock.bind(("127.0.0.1", 0))
        near.sock.connect(far.sock.getsockname())
        rows = [bytes([number]) * 100 for number in range(7)] + [b"short"]
        if near.in_a_row(100) > 1:
            assert near.send(rows, 100)
        else:
            assert all(near.send([row], 0) for row in rows)
        got = []
        while (received := far.receive()) is not None:
            nbytes, each, _ = received
            got += [bytes(far.buffer[at : min(at + each, nbytes)]) for at in range(0, nbytes, each)]
        assert got == rows
    finally:
        near.close()
        far.close()


def test_a_paced_sender_takes_its_time(stack):
    transport = Udp(pace="2MB/s", depth=1)
    sender, receiver = opened(stack, transport, prepared(stack, transport))
    began = time.monotonic()
    assert sender.send([bytes(200_000)], PATIENCE_S)
    # At 2 MB/s at the most: never sooner, heads left out.
    assert time.monotonic() - began >= 0.9 * 200_000 / 2e6
    assert receiver.receive(PATIENCE_S).view.nbytes == 200_000


# The engine ----------------------------------------------------------------------------------------------


def cell(name, transport, link, load, **changes):
    options = {
        "id": name, "group": "x", "source": Sensors(samples=400, channels=8, distinct=2), "codec": Raw(),
        "transport": transport, "stage": Null(), "load": load, "workers": 1, "batch_size": 1, "batch_delay_s": 0.0,
        "replies": True, "link": link, "link_seed": 9,
    }  # fmt: skip
    return PlannedCell(**{**options, **changes})


AGAIN = FlowOptions(policy="drop-oldest", timeout="1s", retry=Retry(attempts=6, budget=None))
"""No message waits for the timeout: the transport tells that it is lost."""


@pytest.fixture(scope="module")
def run():
    lossy = LinkOptions(delay="2ms", loss=0.05, loss_burst=3)
    udp = Udp(reassembly=0.05)
    cells = (
        cell("closed", udp, lossy, Closed(in_flight=4)),
        cell("silent", udp, lossy, Constant(rate=150), replies=False, producers=2),
        cell("again", udp, lossy, Constant(rate=150), flow=AGAIN),
        cell("direct", udp, None, Closed(in_flight=2), workers=2),
    )
    plan = Plan(
        name="x", seed=0, quick=True, cells=cells, order=(0, 1, 2, 3), blocks=Blocks(1, 0.6, 0.02, 1.0),
        checksum_every=1, check_replies=True, on_error="continue", slo={}, resolved={"name": "x"},
    )  # fmt: skip
    return Runner(plan, lambda _: None).run()


def entry(run, name):
    return next(each for each in document(run)["cells"] if each["id"] == name)


def test_a_closed_loop_goes_on_where_messages_are_lost(run):
    found = entry(run, "closed")
    account = found["account"]
    assert account["lost"] > 8  # twice the places in flight: each came free again
    assert account["delivered"] > account["lost"]
    assert account["pending"] == account["duplicated"] == account["unexpected"] == 0
    assert account["scheduled"] == account["delivered"] + account["lost"]


def test_losses_that_the_link_was_asked_for_are_shown_and_make_no_cell_invalid(run):
    for name in ("closed", "silent"):
        reasons = {each["code"]: each for each in entry(run, name)["validity"]["reasons"]}
        assert reasons["undelivered"]["severity"] == "note"
        assert "the link lost datagrams" in reasons["undelivered"]["message"]
        assert not {"path-not-as-claimed", "account-not-closed", "drain-timed-out"} & reasons.keys()


def test_both_ends_tell_what_they_counted(run):
    block = next(block for block in run.blocks if block.cell == "closed")
    out, into = block.counts["producer"], block.counts["stage-0"]
    assert out["sent_fragments"] > into["received_fragments"] > 0
    assert into["kernel_lost"] == 0
    assert entry(run, "closed")["transport_counts"]["producer"]["sent_fragments"] == out["sent_fragments"]
    again = TypeAdapter(Block).validate_python(storable(block))
    assert again.counts == block.counts


def test_what_is_told_to_be_lost_is_tried_again_where_that_is_asked_for(run):
    account, block = entry(run, "again")["account"], next(b for b in run.blocks if b.cell == "again")
    assert block.traffic.retries > 5
    assert block.traffic.timed_out == 0
    assert account["lost"] == account["duplicated"] == 0
    assert account["delivered"] > 0.9 * account["scheduled"]


def test_without_replies_the_workers_say_what_was_lost(run):
    account = entry(run, "silent")["account"]
    assert account["lost"] > 0
    assert account["delivered"] > 0
    assert account["delivered"] + account["lost"] == account["scheduled"]


def test_without_a_link_the_whole_is_delivered(run):
    found = entry(run, "direct")
    assert found["account"]["delivered"] == found["account"]["scheduled"] > 100
    assert found["path"].startswith("UDP on 127.0.0.1, fragments of 1.4 kB")
    block = next(block for block in run.blocks if block.cell == "direct")
    assert block.paths["producer"]["opened"] == "udp"
