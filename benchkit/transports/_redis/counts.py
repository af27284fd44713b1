"""What the server counts of itself, in the words of records.run.BrokerCounts; see the command INFO of Redis."""

from __future__ import annotations

from typing import Final

from benchkit.transports._redis.connect import connect, info

_SECTIONS: Final = ("stats", "memory", "persistence")
_COUNTERS: Final = {
    "received_bytes": "total_net_input_bytes",
    "sent_bytes": "total_net_output_bytes",
    "commands": "total_commands_processed",
    "memory_bytes": "used_memory",
    "evicted_keys": "evicted_keys",
    "rejected_connections": "rejected_connections",
    "forks": "total_forks",
    "delayed_fsyncs": "aof_delayed_fsync",
}


def counts(url: str) -> dict[str, int]:
    """Those that this server keeps; raises BrokerError."""
    resp = connect(url)
    try:
        told = {name: value for section in _SECTIONS for name, value in info(resp, url, section).items()}
    finally:
        resp.close()
    return {name: int(told[own]) for name, own in _COUNTERS.items() if told.get(own, "").isdigit()}
