"""Identifiers that people call by a word of their language too: phases, parties, kinds of bottleneck, states."""

from __future__ import annotations

from typing import Final

from benchkit.words.headings import HEADINGS
from benchkit.words.speech import say, word

_NAMES: Final = frozenset(
    {
        # Phases.
        word("lateness"), word("encode"), word("send"), word("queue"), word("transit"), word("decode"),
        word("batch"), word("compute"), word("reply"), word("return"),
        # Parties and what else may be short of time.
        word("producer"), word("stage"), word("broker"), word("link"), word("cores"), word("in flight"),
        word("none"),
        # Kinds of bottleneck.
        word("compute-bound"), word("serialisation-bound"), word("client-copy-bound"), word("broker-bound"),
        word("bandwidth-bound"), word("delay-bound"), word("wake-up-bound"), word("producer-bound"),
        word("burst-queueing"),
        word("batching-wait"), word("core-contention"), word("lock-bound"), word("gc-bound"), word("overload"),
        word("unclear"),
        # What became of a message.
        word("scheduled"), word("delivered"), word("dropped"), word("rejected"), word("dead-lettered"),
        word("lost"), word("pending"), word("duplicated"), word("reordered"), word("corrupted"),
        word("unexpected"),
        # What a rate did, where capacity ends, directions of a link, kinds of messages.
        word("kept"), word("broken"), word("undecided"), word("cliff"), word("slope"), word("up"), word("down"),
        word("typical"), word("slow"), word("slowest"),
    }
)  # fmt: skip


def named(identifier: str) -> str:
    """What people call it (or a heading) in the language that is spoken; what is not known stays as it is."""
    return say(identifier) if identifier in _NAMES or identifier in HEADINGS else identifier


def brief(identifier: str) -> str:
    """The same where room is short: without the identifier that a translation adds in brackets."""
    return named(identifier).partition("(")[0] if identifier in _NAMES else identifier
