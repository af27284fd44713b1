"""Making a server refuse, as it does out of memory or with a snapshot that failed, for trials of faults.

Over a connection of its own. Only the embedded broker is treated so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from benchkit.errors import BrokerError
from benchkit.transports._redis.connect import connect, info, shown
from benchkit.transports._redis.resp import Refused, Resp
from benchkit.transports.base import Address

Lack = Literal["memory", "snapshot"]
ERRORS: dict[Lack, str] = {"memory": "OOM", "snapshot": "MISCONF"}
"""How the server's refusals begin."""
_LEAST_BYTES = 1
_SNAPSHOT = "dump.rdb"
"""What valkey calls it where nothing else is configured."""


def starve(address: Address, lack: Lack) -> None:
    """From now on it refuses to write; raises BrokerError."""
    with _Asking(address) as resp:
        if lack == "memory":
            resp.call("CONFIG", "SET", "maxmemory", _LEAST_BYTES)
        else:
            # A folder in its place: the finished snapshot cannot be given its name.
            (_snapshot(address) / "x").mkdir(parents=True)
            resp.call("CONFIG", "SET", "save", "3600 1")
            resp.call("BGSAVE")


def relieve(address: Address, lack: Lack) -> None:
    """As it was; raises BrokerError."""
    with _Asking(address) as resp:
        if lack == "memory":
            resp.call("CONFIG", "SET", "maxmemory", 0)
        else:
            resp.call("CONFIG", "SET", "save", "")
            place = _snapshot(address)
            for path in (place / "x", place):
                path.rmdir()


def refusals(address: Address, lack: Lack) -> int:
    """How often it has refused for this reason so far, by its own count (INFO errorstats); raises BrokerError."""
    with _Asking(address) as resp:
        told = info(resp, str(address.where["url"]), "errorstats").get(f"errorstat_{ERRORS[lack]}", "count=0")
    return int(told.partition("=")[2])


def _snapshot(address: Address) -> Path:
    return Path(str(address.where["data"])) / _SNAPSHOT


class _Asking:
    """A connection, closed afterwards; refusals as BrokerError."""

    def __init__(self, address: Address) -> None:
        self._url = str(address.where["url"])

    def __enter__(self) -> Resp:
        self._resp = connect(self._url)
        return self._resp

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        self._resp.close()
        if isinstance(error, Refused):
            raise BrokerError(f"the broker refuses: {error}", where=shown(self._url)) from None
