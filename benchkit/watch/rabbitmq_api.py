"""RabbitMQ's management API: what it tells of one queue. One GET; nothing is redirected, and answers are bounded."""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from benchkit.errors import BrokerError, UsageError

ANSWER_S: Final = 5.0
MOST_BYTES: Final = 1 << 20
PORTS: Final = {"http": 15672, "https": 15671}
_COLUMNS: Final = (
    "messages_unacknowledged,head_message_timestamp,message_stats.publish,message_stats.publish_details.rate,"
    "message_stats.ack,message_stats.ack_details.rate,message_stats.deliver_no_ack,"
    "message_stats.deliver_no_ack_details.rate,message_stats.get_no_ack,message_stats.get_no_ack_details.rate"
)


class Management:
    """Where the API is; user and password of the AMQP URL where its own URL names none."""

    def __init__(self, url: str, user: str, password: str, vhost: str) -> None:
        bad = UsageError(
            "not a URL of RabbitMQ's management API", where="--management",
            remedy="write http:// or https://, for example http://user:password@host:15672",
        )  # fmt: skip
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise bad from None
        if parts.scheme not in PORTS or not host or "@" in parts.path + parts.query or parts.query:
            raise bad
        self._https = parts.scheme == "https"
        self._host, self._port = host, port or PORTS[parts.scheme]
        self._base = parts.path.rstrip("/")
        self._vhost = vhost
        self.where = f"{parts.scheme}://{host}:{self._port}{self._base}"
        given = f"{unquote(parts.username or user)}:{unquote(parts.password or password)}"
        self._authorization = "Basic " + base64.b64encode(given.encode()).decode("ascii")

    def queue(self, name: str) -> dict[str, Any]:
        """What is known of one queue; raises BrokerError."""
        path = (
            f"{self._base}/api/queues/{quote(self._vhost, safe='')}/{quote(name, safe='')}?columns={_COLUMNS}"
        )
        made = http.client.HTTPSConnection if self._https else http.client.HTTPConnection
        connection = made(self._host, self._port, timeout=ANSWER_S)
        try:
            connection.request("GET", path, headers={"Authorization": self._authorization})
            answer = connection.getresponse()
            content = answer.read(MOST_BYTES + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise BrokerError(f"the management API does not answer: {why}", where=self.where) from None
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise BrokerError(_refusal(answer.status), where=self.where)
        try:
            told = json.loads(content) if len(content) <= MOST_BYTES else None
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise BrokerError("the management API answers something else", where=self.where)
        return told


def _refusal(status: int) -> str:
    if status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        return "the management API refuses this user or password"
    if 300 <= status < 400:
        return "the management API redirects, which is not followed"
    return f"the management API answers {status}"
