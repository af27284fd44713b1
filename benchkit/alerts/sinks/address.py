"""The address of a server that takes notices, and what of it may be shown."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from benchkit.hiding import confided


@dataclass(frozen=True, slots=True)
class Address:
    """Where to send, taken apart."""

    https: bool
    host: str
    port: int
    path: str
    """With the query."""
    authorization: str
    """What the userinfo of the address stands for; empty: it has none."""

    @property
    def shown(self) -> str:
        """`https://hooks.slack.com/***`: the path of a webhook is its password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == (443 if self.https else 80) else f":{self.port}"
        hidden = "/***" if self.path.strip("/") else ""
        return f"{'https' if self.https else 'http'}://{host}{port}{hidden}"

    def leads_to(self, location: str) -> str | None:
        """The path of a redirect that stays with this scheme, host and port; None: it leads elsewhere."""
        try:
            found = parse(location) if "://" in location else None
        except ValueError:
            return None
        if found is None:
            inside = location.startswith("/") and not location.startswith(("//", "/\\"))
            return location if inside and location.isascii() and location.isprintable() else None
        same = (found.https, found.host, found.port) == (self.https, self.host, self.port)
        return found.path if same else None


def parse(url: str) -> Address:
    """An address of http or https; raises ValueError in words that do not quote it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("not an address; write for example https://host/path") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an address of http or https; write for example https://host/path")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise ValueError("an address is ASCII without spaces: percent-encode what is not")
    login = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        login = "Basic " + base64.b64encode(pair.encode()).decode()
    https = parts.scheme == "https"
    return Address(https, parts.hostname, port or (443 if https else 80), path, login)


def _checked(url: SecretStr) -> SecretStr:
    parse(url.get_secret_value())
    return url


def _confided(written: Any) -> Any:
    return confided(written) if isinstance(written, str) else written


CONFIDED = BeforeValidator(_confided)
"""Of `env:NAME` a value is what that variable of the environment holds."""
Url = Annotated[SecretStr, CONFIDED, AfterValidator(_checked)]
"""An address whose path may be a password."""
