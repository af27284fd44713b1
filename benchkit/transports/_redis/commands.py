"""Which commands both Redis transports send, so that a user's rights can be as narrow as that.

Each with the first version of Redis that has it (https://redis.io/docs/latest/commands/), as it is used here:
LPOP with a count is of 6.2, for example. A test compares the table with what a
server has seen, another runs both transports as a user who may do nothing else.
"""

from __future__ import annotations

SINCE: dict[str, tuple[int, int]] = {
    "auth": (1, 0),
    "blmove": (6, 2),
    "blpop": (6, 0),  # with a fraction of a second
    "client|id": (5, 0),
    "client|kill": (5, 0),
    "client|list": (6, 2),  # with ids
    "client|reply": (3, 2),
    "del": (1, 0),
    "exec": (1, 2),
    "expire": (1, 0),
    "get": (1, 0),
    "hdel": (2, 0),
    "hello": (6, 0),
    "hget": (2, 0),
    "hgetall": (2, 0),
    "hkeys": (2, 0),
    "hset": (4, 0),
    "info": (1, 0),
    "llen": (1, 0),
    "lmove": (6, 2),
    "lpop": (6, 2),  # with a count
    "lrem": (1, 0),
    "lset": (1, 0),
    "ltrim": (1, 0),
    "multi": (1, 2),
    "ping": (1, 0),
    "rpush": (1, 0),
    "set": (2, 6),  # with EX
    "type": (1, 0),
    "unlink": (4, 0),
    "xack": (5, 0),
    "xadd": (5, 0),
    "xautoclaim": (6, 2),
    "xdel": (5, 0),
    "xgroup|create": (5, 0),
    "xlen": (5, 0),
    "xrange": (5, 0),
    "xreadgroup": (5, 0),
}

OPTIONAL: dict[str, tuple[int, int]] = {"config|get": (2, 0)}
"""What a server of the user's own is asked about itself; it may refuse that."""


def rights(prefix: str = "benchkit-") -> tuple[str, ...]:
    """The rules of a user for `ACL SETUSER name on >password ...`: these commands, keys of this prefix."""
    return ("resetkeys", f"~{prefix}*", "-@all", *(f"+{name}" for name in SINCE))
