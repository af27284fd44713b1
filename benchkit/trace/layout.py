"""A trace file: what one process stamped, in a file that it maps into its memory.

::

    0       16 bytes   magic, "benchkit.trace/1"
    16      COUNTERS   sizes first, then what the process counts while it runs
    128     u32        length of the description
    132     JSON       the description: host, boot, process, role, when it began (see `describe`)
    4096    EVENT x events     ring: what the process used, collections of garbage
    ...     RECORD x places    ring: one record a mark

All numbers are little-endian. Record n (from 0) lies in place n modulo the number of places, so the last ones are
kept and what they overwrote can be counted. Its first and last word are both n + 1: the first is written before,
the last after everything in between, so a record that a kill cut in two has two different ones. What is mapped
belongs to the kernel and outlives the process, however it ends; nothing is flushed, so a host that loses its
power loses what it had not written back.

A message's name is up to ID_BYTES bytes as they are; a longer one is its BLAKE2b digest of DIGEST_BYTES bytes,
marked by the length DIGESTED.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

FAMILY: Final = b"benchkit.trace/"
MAGIC: Final = b"benchkit.trace/1"
SUFFIX: Final = ".trace"
HEADER_BYTES: Final = 4096
DESCRIPTION_AT: Final = 132
COUNTERS_AT: Final = 16
COUNTERS: Final = struct.Struct("<7Q")
"""Places, bytes of a record, events, bytes of an event, when it ended (0: it has not), marks refused, unwritten."""
ENDED: Final = struct.Struct("<Q")
ENDED_AT: Final = COUNTERS_AT + 4 * 8
REFUSED_AT: Final = COUNTERS_AT + 5 * 8

RECORD: Final = struct.Struct("<QqqqQBBBB4x40sQ")
"""n + 1, moment, value (`due` of a production), payload bytes, thread, mark, length of the name, hop, flags, name,
n + 1."""
VALUES: Final = 12
EVENT: Final = struct.Struct(f"<QqQ{VALUES}qQ")
"""n + 1, moment, kind, the values, n + 1."""
ID_BYTES: Final = 40
DIGEST_BYTES: Final = 16
DIGESTED: Final = 255
FAILED: Final = 1
"""Flag of `done`: the work was not."""


class Mark(IntEnum):
    """What a record says; in the order of a message's life, which decides between equal moments."""

    PRODUCED = 1
    ENCODED = 2
    SENT = 3
    ASKED = 4
    RECEIVED = 5
    DECODED = 6
    STARTED = 7
    FINISHED = 8
    DONE = 9
    REPLIED = 10
    RETURNED = 11


class Kind(IntEnum):
    """What an event says."""

    USAGE = 1
    """Values as in USAGE, all since the process began."""
    PAUSE = 2
    """A collection of garbage: how long it took in ns, the generation, objects collected."""


USAGE: Final = (
    "cpu_ns", "peak_rss_bytes", "runnable_ns", "voluntary_switches", "involuntary_switches", "minor_faults",
    "major_faults", "gc_pause_ns", "gc_pauses", "rss_bytes", "threads",
)  # fmt: skip
UNKNOWN: Final = -1
"""In the place of a value that the kernel does not tell."""
