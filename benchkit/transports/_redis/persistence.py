"""What a server keeps on its disk: what the embedded one is told, and what one of the user's own says.

A killed process proves none of it: what the server has written and not synced is in the kernel's page cache, which
outlives the process. With `appendfsync always` the server answers after fsync; with `everysec` a loss of power costs
up to two seconds (https://valkey.io/topics/persistence/).
"""

from __future__ import annotations

from typing import Final, Literal

from benchkit.transports._redis.resp import Refused, Resp

Persistence = Literal["none", "aof-everysec", "aof-always"]

LEVELS: Final[dict[Persistence, str]] = {
    "none": "no persistence",
    "aof-everysec": "AOF everysec",
    "aof-always": "AOF always",
}
UNTOLD: Final = "as its server is configured (it does not tell)"
_ASKED: Final = ("appendonly", "appendfsync", "save")


def configured(persistence: Persistence) -> tuple[str, ...]:
    """Lines of the embedded broker's configuration."""
    if persistence == "none":
        return 'save ""', "appendonly no"
    return 'save ""', "appendonly yes", f"appendfsync {persistence.removeprefix('aof-')}"


def told(resp: Resp) -> str:
    """A server's own persistence in words, by CONFIG GET, where this user may ask."""
    found: dict[str, str] = {}
    for name in _ASKED:
        try:
            answer = resp.call("CONFIG", "GET", name)
        except Refused:
            return UNTOLD
        words = answer if isinstance(answer, list) else []
        if len(words) > 1 and isinstance(words[1], bytes):
            found[name] = words[1].decode(errors="replace")
    return _in_words(found)


def _in_words(found: dict[str, str]) -> str:
    snapshots = "snapshots" if found.get("save") else ""
    if found.get("appendonly") != "yes":
        return (snapshots or LEVELS["none"]) if "appendonly" in found else UNTOLD
    appended = f"AOF {found.get('appendfsync', '?')}"
    return f"{appended}, {snapshots}" if snapshots else appended
