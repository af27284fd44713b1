"""What each kind of reader could be made to run, as bytes; if anything ran one, a folder would be there."""

from __future__ import annotations

import io
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np


class Call:
    """Loaded as an object it makes the file; also in any process that it is sent to."""

    def __init__(self, target: Path) -> None:
        self._target = str(target)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (self._target,)


def payloads(target: Path) -> dict[str, bytes]:
    """What would make `target` exist, if anything ran it."""
    command = f"mkdir {target}"
    python = f"__import__('os').mkdir({str(target)!r})"
    loaded = pickle.dumps(Call(target))
    array = io.BytesIO()
    np.save(array, np.array([Call(target)], object), allow_pickle=True)
    header = f"{{'descr': {python}, 'fortran_order': False, 'shape': (1,), }}".encode()
    return {
        "object": loaded,
        "object of protocol 0": pickle.dumps(Call(target), 0),
        "array of objects": array.getvalue(),
        "header with a call": b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header + b"\n",
        "YAML": f"!!python/object/apply:os.mkdir ['{target}']".encode(),
        "Python": python.encode(),
        "shell": f"$({command}); `{command}`; | {command}".encode(),
        "template": f"{{{{ cycler.__init__.__globals__.os.mkdir({str(target)!r}) }}}}".encode(),
        "format": b"{0.__class__.__init__.__globals__}",
        "JSON type": json.dumps({"py/object": "os.mkdir", "py/reduce": ["os.mkdir", [str(target)]]}).encode(),
        "msgpack extension": msgpack.packb(msgpack.ExtType(5, loaded)),
        "PostScript": f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%{command}) (w) file\n".encode(),
        "playlist": f"#EXTM3U\n#EXTINF:1,\npipe:{command}\n".encode(),
        "concat": f"ffconcat version 1.0\nfile 'pipe:{command}'\n".encode(),
        "SVG": f"<svg xmlns='http://www.w3.org/2000/svg'><script>{command}</script></svg>".encode(),
        "Lua": f"redis.call('CONFIG','SET','dir','{target}')".encode(),
        "RESP": f"\r\n*1\r\n$8\r\nFLUSHALL\r\n*2\r\n$6\r\nCONFIG\r\n$1\r\n{target}\r\n".encode(),
        "NATS": b"\r\nPUB $SYS.REQ.SERVER.PING 0\r\n\r\n",
    }  # fmt: skip
