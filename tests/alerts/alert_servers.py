"""HTTP servers on loopback that take what they are sent, or do not."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchkit.alerts import Around, Delivered, Notice

S = 1_000_000_000
NOTICE = Notice(
    "firing", "dead", {"pipeline": "unix/raw", "party": "stage-0"}, 1.6, 5 * S, 7 * S,
    "stage-0 has not been heard of for 1.6 s", "critical", 7 * S,
)  # fmt: skip


@dataclass
class Server:
    """What it was asked; `answer(number, handler)` decides what it says to the number-th request."""

    url: str = ""
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int, timeout_s: float = 20) -> bool:
        with self.came:
            return self.came.wait_for(lambda: len(self.asked) >= count, timeout_s)


@contextmanager
def serving(answer: Callable[[int, BaseHTTPRequestHandler], None]) -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with server.came:
                server.asked.append((self.path, dict(self.headers), json.loads(body)))
                number = len(server.asked) - 1
                server.came.notify_all()
            try:
                answer(number, self)
            except OSError:
                return

        def do_GET(self) -> None:
            with server.came:
                server.asked.append((self.path, dict(self.headers), None))
            status(200)(0, self)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        made.daemon_threads = True
        server.url = f"http://127.0.0.1:{made.server_port}"
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            made.shutdown()
            thread.join()


def status(code: int, **headers: str) -> Callable[[int, BaseHTTPRequestHandler], None]:
    """Always this answer."""

    def answer(_: int, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


class Told:
    """What sinks tell of themselves."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.styles: list[str] = []
        self.delivered: list[tuple[Notice, Delivered]] = []
        self._changed = threading.Condition()
        self.around = Around(self.say, self.said)

    def say(self, text: str, style: str) -> None:
        with self._changed:
            self.lines.append(text)
            self.styles.append(style)

    def said(self, notice: Notice, delivered: Delivered) -> None:
        with self._changed:
            self.delivered.append((notice, delivered))
            self._changed.notify_all()

    def wait_for(self, count: int, timeout_s: float = 20) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.delivered) >= count, timeout_s)
