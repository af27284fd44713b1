"""`requests` and `httpx` posting to the plain application of asgi.py."""

from __future__ import annotations

from benchkit.errors import BrokerError, MissingLibrary
from benchkit.exchange.base import ACK, PATIENCE_S, Near, Spot
from benchkit.exchange.sockets import HOST

INSTALL = "pip install 'benchkit[floors]'"
_OK = 200


def _url(spot: Spot) -> str:
    return f"http://{HOST}:{(spot.folder / 'port').read_text()}/"


class RequestsNear(Near):
    """One Session, as its documentation advises for several requests to one host."""

    def __init__(self, spot: Spot) -> None:
        try:
            import requests
        except ImportError:
            raise MissingLibrary("the recipe needs requests", remedy=INSTALL) from None
        self._session = requests.Session()
        # The environment's proxies are looked up for each request; no proxy is meant here.
        self._session.trust_env = False
        self._url = _url(spot)

    def exchange(self, payload: bytes) -> None:
        """One POST."""
        answer = self._session.post(self._url, data=payload, timeout=PATIENCE_S, allow_redirects=False)
        _check(answer.status_code, answer.content)

    def close(self) -> None:
        """Close the session."""
        self._session.close()


class HttpxNear(Near):
    """One Client."""

    def __init__(self, spot: Spot) -> None:
        try:
            import httpx
        except ImportError:
            raise MissingLibrary("the recipe needs httpx", remedy=INSTALL) from None
        self._client = httpx.Client(trust_env=False, timeout=PATIENCE_S, follow_redirects=False)
        self._url = _url(spot)

    def exchange(self, payload: bytes) -> None:
        """One POST."""
        answer = self._client.post(self._url, content=payload)
        _check(answer.status_code, answer.content)

    def close(self) -> None:
        """Close the client."""
        self._client.close()


def _check(status: int, body: bytes) -> None:
    if status != _OK or body != ACK:
        raise BrokerError(f"the plain application answered {status} with {len(body)} bytes")
