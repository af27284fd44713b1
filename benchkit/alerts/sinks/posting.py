"""Notices sent by HTTP: a thread with a bounded queue, time-outs, retries with backoff, and nothing that blocks.

Waits between attempts grow exponentially and are drawn evenly from nothing to that (M. Brooker, "Exponential Backoff
And Jitter", AWS Architecture Blog, 2015). A server that refuses (4xx) is not asked again, but for 429; one that fails
(5xx) or does not answer is.
"""

from __future__ import annotations

import http.client
import queue
import random
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, Final

from pydantic import Field

from benchkit import __version__
from benchkit.alerts.notice import Delivered, Notice
from benchkit.alerts.rules.base import Positive
from benchkit.alerts.sinks.address import Address, Url, parse
from benchkit.alerts.sinks.base import Around, Sink, SinkOptions

PLACES: Final = 256
"""Notices that may wait for a server."""
_REDIRECTS: Final = 3
_MOST_ANSWERED: Final = 65536
"""Bytes of an answer that are read."""
_LONGEST_WAIT_S: Final = 30.0


class PostingOptions(SinkOptions):
    """What every sink that sends by HTTP can be told."""

    url: Url = Field(description="env:NAME: what that variable of the environment holds")
    timeout: Positive = Field(5.0, description="of one attempt, from connecting to the answer")
    attempts: int = Field(5, ge=1, le=20, description="how often one notice is sent at the most")
    backoff: Positive = Field(0.5, description="the longest wait after the first attempt; doubled each time")

    kind: ClassVar[str]


class _NotTakenError(Exception):
    """One attempt failed; `again`: another one may not. `wait_s` is what the server asked for."""

    def __init__(self, why: str, *, again: bool, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.again, self.wait_s = again, wait_s


@dataclass(frozen=True, slots=True)
class _Letter:
    notice: Notice | None
    """None: what the server is reminded of, and nobody asks about."""
    body: bytes


class Posting(Sink):
    """Sends what `write` makes of each notice; with `remind`, every so often what that makes."""

    def __init__(
        self,
        name: str,
        options: PostingOptions,
        around: Around,
        write: Callable[[Notice], bytes],
        remind: Callable[[], bytes | None] | None = None,
        remind_s: float | None = None,
    ) -> None:
        self._name, self._options, self._around, self._write = name, options, around, write
        self._address = parse(options.url.get_secret_value())
        self._letters: queue.Queue[_Letter | None] = queue.Queue(PLACES)
        self._remind, self._remind_s = remind, remind_s
        self._ending = threading.Event()
        self._warned = False
        self._random = random.Random()  # noqa: S311  (jitter is no secret)
        self._thread = threading.Thread(target=self._run, name=f"alerts-{name}", daemon=True)
        self._thread.start()

    def take(self, notice: Notice) -> None:
        """Into the queue; where it is full, it is not delivered, and that is told."""
        try:
            self._letters.put_nowait(_Letter(notice, self._write(notice)))
        except queue.Full:
            self._over(notice, f"{PLACES} others wait to be sent")

    def close(self, timeout_s: float) -> None:
        """Send what waits, each once more at the most when the time is up."""
        with suppress(queue.Full):
            self._letters.put_nowait(None)
        self._thread.join(timeout_s)
        self._ending.set()
        if self._thread.is_alive():
            # The attempt under way is given a last moment; a thread in it holds nobody up.
            self._thread.join(min(timeout_s, 0.5))
        while True:
            try:
                letter = self._letters.get_nowait()
            except queue.Empty:
                return
            if letter is not None and letter.notice is not None:
                self._over(letter.notice, "benchkit ended before it was sent")

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                letter = self._letters.get(timeout=self._remind_s)
            except queue.Empty:
                body = self._remind() if self._remind else None
                if body is not None:
                    self._deliver(_Letter(None, body))
                continue
            if letter is None:
                return
            self._deliver(letter)

    def _deliver(self, letter: _Letter) -> None:
        attempt = 0
        while True:
            attempt += 1
            try:
                self._post(letter.body)
            except _NotTakenError as error:
                wait_s = min(_LONGEST_WAIT_S, self._options.backoff * 2.0 ** (attempt - 1))
                wait_s = max(self._random.uniform(0, wait_s), error.wait_s)
                last = attempt >= self._options.attempts or not error.again
                if last or self._ending.is_set() or self._ending.wait(wait_s):
                    times = "" if attempt == 1 else f", {attempt} attempts"
                    self._over(letter.notice, f"{error}{times}")
                    return
            else:
                if letter.notice is not None:
                    self._around.said(letter.notice, Delivered(self._name, self._around.clock()))
                return

    def _over(self, notice: Notice | None, why: str) -> None:
        """It was not delivered: kept with the notice, and said once for all of them."""
        if notice is not None:
            self._around.said(notice, Delivered(self._name, self._around.clock(), why))
        if not self._warned:
            self._warned = True
            self._around.warn(f"alerts do not reach {self._name} at {self._address.shown}: {why}")

    def _post(self, body: bytes) -> None:
        path = self._address.path
        for _ in range(_REDIRECTS + 1):
            found = _exchange(self._address, path, body, self._options.timeout)
            if found is None:
                return
            path = found
        raise _NotTakenError(f"it redirected more than {_REDIRECTS} times", again=False)


def _exchange(address: Address, path: str, body: bytes, timeout_s: float) -> str | None:
    """One request; where it is redirected to on the same server, None where it was taken."""
    made = http.client.HTTPSConnection if address.https else http.client.HTTPConnection
    connection = made(address.host, address.port, timeout=timeout_s)
    headers = {"Content-Type": "application/json", "User-Agent": f"benchkit/{__version__}"}
    if address.authorization:
        headers["Authorization"] = address.authorization
    # A server that sends a byte now and then keeps every single time-out: this is for all of it together.
    over = threading.Event()
    limit = threading.Timer(timeout_s, _hang_up, [connection, over])
    limit.daemon = True
    limit.start()
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read(_MOST_ANSWERED)
        return _judged(address, answer)
    except TimeoutError:
        raise _NotTakenError(f"no answer within {timeout_s:g} s", again=True) from None
    except ssl.SSLError as error:
        raise _NotTakenError(f"TLS failed: {error.reason or 'no reason given'}", again=False) from None
    except OSError as error:
        why = f"no answer within {timeout_s:g} s" if over.is_set() else _refusal(error)
        raise _NotTakenError(why, again=True) from None
    except (http.client.HTTPException, ValueError):
        why = f"no answer within {timeout_s:g} s" if over.is_set() else "its answer is not HTTP"
        raise _NotTakenError(why, again=True) from None
    finally:
        limit.cancel()
        connection.close()


def _hang_up(connection: http.client.HTTPConnection, over: threading.Event) -> None:
    over.set()
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _refusal(error: OSError) -> str:
    # The system's own words: a library's may quote the address.
    return error.strerror or type(error).__name__


def _judged(address: Address, answer: http.client.HTTPResponse) -> str | None:
    status = answer.status
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        # 301 to 303 would turn the request into one without a body.
        location = address.leads_to(answer.headers.get("Location", "")) if status in (307, 308) else None
        if location is not None:
            return location
        raise _NotTakenError(f"it redirects elsewhere ({status}), which is not followed", again=False)
    asked = answer.headers.get("Retry-After", "")
    wait_s = min(float(asked), _LONGEST_WAIT_S) if asked.isdecimal() and len(asked) < 6 else 0.0
    raise _NotTakenError(f"it answered {status}", again=status == 429 or status >= 500, wait_s=wait_s)
